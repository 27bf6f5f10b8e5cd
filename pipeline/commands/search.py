"""`search`: search for a dataset's training recipe, by validation loss."""

from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "search for a training recipe (studies/recipe/params.yaml)"
    parser = commands.add_parser("search", description=about)
    parser.add_argument(
        "--trials", type=int, metavar="N", help="stop after N trials, finished ones included"
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, trials: int | None) -> None:
    """Continue the search until it has that many finished trials."""
    with quiet_imports():
        from pipeline.studies.recipe.trials import search_recipe

    search_recipe(workspace, trials)
