"""`export`: a trained model as a file for other programs, checked against its predictions."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.export.run import Format


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "write a model as ONNX or SavedModel, and check it against its predictions"
    parser = commands.add_parser("export", description=about)
    parser.add_argument(
        "--format",
        choices=("onnx", "saved_model"),
        default="onnx",
        dest="form",
        help="of the file (default: onnx)",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="models:/NAME@ALIAS, a run's id, or results/models/MODEL-SEED (default: the champion)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="a new folder (default: exports/FORMAT)"
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, form: "Format", model: str | None, out: Path | None) -> None:
    """Export a model.

    Raises:
        ArtifactError: there is no such model, or no prediction of it to compare with.
        ExportError: a library is missing, the folder exists, or the written model computes
            something else.
    """
    from pipeline.core.params import load_params

    dataset = "" if model else load_params(workspace.params).dataset
    with quiet_imports():
        from pipeline.export.run import export
        from pipeline.serving import addresses

    address = model or addresses.champion(dataset)
    destination = out or Path("exports") / form
    with tempfile.TemporaryDirectory() as scratch:
        parts = addresses.find_parts(workspace, address, Path(scratch))
        rows, largest = export(workspace, parts, form=form, destination=destination)
    progress.say(
        f"{address} → {destination}. On {rows:,} test rows it differs from the measured "
        f"predictions by at most {largest:.1g}."
    )
