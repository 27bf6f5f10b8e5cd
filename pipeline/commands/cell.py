"""`cell`: train one cell on a node of a cluster, with its checkpoint on DVC's remote."""

from pipeline.commands import Subparsers
from pipeline.errors import SpotlightError
from pipeline.workspace import Workspace


class CellError(SpotlightError):
    """There is no such cell."""


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = (
        "train one cell on a node of a cluster; its checkpoints go to DVC's remote, and another "
        "node goes on from there"
    )
    parser = commands.add_parser("cell", description=about)
    parser.add_argument("cell", metavar="train@MODEL-SEED", help="as `dvc stage list` prints it")
    parser.set_defaults(run=run)


def run(workspace: Workspace, cell: str) -> None:
    """Train the cell if it is stale, and push its result into the remote's run cache.

    Raises:
        CellError: it is not a cell's name.
        PipelineError: there is no remote, or the cell failed.
    """
    from pipeline.node import train_cell

    stage, _, run_name = cell.partition("@")
    model, _, seed = run_name.rpartition("-")
    if not (stage == "train" and model and seed.isdecimal()):
        raise CellError(
            f"{cell!r} is not a cell.", fix="dvc stage list --name-only lists train@MODEL-SEED."
        )
    train_cell(workspace.root, cell, workspace.checkpoint(model, int(seed)))
