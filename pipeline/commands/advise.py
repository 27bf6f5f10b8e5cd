"""`advise`: what the last run suggests to change."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "say what the learning curves and the data suggest to change"
    parser = commands.add_parser("advise", description=about)
    parser.set_defaults(run=run)


def run(workspace: Workspace) -> None:
    """Say it for the runs that `params.yaml` lists.

    Raises:
        ArtifactError: a run is missing.
    """
    suggestions = advice(workspace)
    progress.say(progress.bullets(suggestions) or "Nothing stands out.")


def advice(workspace: Workspace) -> list[str]:
    """The suggestions, a sentence or two each."""
    from pipeline.core.files import read_csv, read_json
    from pipeline.core.params import load_params
    from pipeline.evaluation.advice import Curve, advise

    settings = load_params(workspace.params)
    curves: dict[str, list[Curve]] = {}
    for model, seed in settings.runs:
        folder = workspace.model(model, seed)
        recipe = read_json(folder / "model.json")["recipe"]
        curve = Curve(read_csv(folder / "history.csv"), recipe)
        curves.setdefault(model, []).append(curve)
    return advise(read_json(workspace.encoded / "encoding.json"), curves)
