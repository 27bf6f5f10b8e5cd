"""`suggestion-study`: train on data of several kinds and sizes as `data add` suggests."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ParamsError
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train with suggested parameters on data of several kinds and sizes"
    parser = commands.add_parser("suggestion-study", description=about)
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="DATASET=PATH",
        help="a local copy of a dataset, instead of its path in params.yaml",
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, source: list[str]) -> None:
    """Run the cases that have no result yet, and show all results.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
    """
    paths = dict(one.partition("=")[::2] for one in source)
    if not all(paths.values()):
        raise ParamsError(
            f"--source {' '.join(source)}: a path is missing.", fix="--source imdb=FOLDER"
        )
    with quiet_imports():
        from pipeline.studies.suggestion.cases import run_study

    rows = run_study(workspace, paths)
    progress.say("")
    for row in rows:
        size = row["target"] or f"{row['rows']:,} rows"
        progress.say(
            f"{row['dataset']:<8}{size:>14}  {row['model']:<28}{row['metric']} {row['test']}"
        )
    progress.say("\nnext: make docs (writes the table in docs/own-data.md)")
