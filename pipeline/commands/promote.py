"""`promote`: make the workspace's best model the champion, better or not."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "make the workspace's best model the champion, better or not"
    parser = commands.add_parser("promote", description=about)
    parser.set_defaults(run=run)


def run(workspace: Workspace) -> None:
    """Update MLflow, and give the alias to the best model by validation.

    It must still pass the entry of the gate (`registry` in params.yaml).
    """
    from pipeline.core.params import load_params

    with quiet_imports():
        from pipeline.serving.model import pack
        from pipeline.tracking.sync import sync_runs

    settings = load_params(workspace.params)
    progress.say(str(sync_runs(workspace, settings, pack=pack, promote=True)))
