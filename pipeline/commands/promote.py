"""`promote`: make the workspace's best model the champion, better or not."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.errors import TrackingError
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "make the workspace's best model the champion, better or not"
    parser = commands.add_parser("promote", description=about)
    parser.set_defaults(run=run)


def run(workspace: Workspace) -> None:
    """Update MLflow, and give the alias to the best model by validation.

    It must still pass the entry of the gate (`registry` in params.yaml).

    Raises:
        TrackingError: it doesn't pass, or there is none.
    """
    from pipeline.core.params import load_params

    with quiet_imports():
        from pipeline.serving.model import pack
        from pipeline.tracking.sync import sync_runs

    settings = load_params(workspace.params)
    summary = sync_runs(workspace, settings, pack=pack, promote=True)
    if not summary.champion:
        raise TrackingError(
            "There is nothing to promote: no finished comparison, or not the model that it names.",
            fix="make one: make repro",
        )
    if not summary.promoted:
        raise TrackingError(
            summary.champion,
            fix="promote a better model, or ask less of it under `registry` in params.yaml.",
        )
    progress.say(str(summary))
