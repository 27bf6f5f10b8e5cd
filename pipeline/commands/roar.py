"""`roar`: mask what an explanation ranks highest, retrain, and mask more."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "retrain without the words that explanations rank highest (recursive ROAR)"
    commands.add_parser("roar", description=about).set_defaults(run=run)


def run(workspace: Workspace) -> None:
    """Run what has no result yet, compare the methods' curves, and draw them.

    Raises:
        ParamsError: a parameter file is wrong, or another dataset is encoded.
    """
    with quiet_imports():
        from pipeline.core.files import write_bytes, write_json
        from pipeline.core.params import load_params
        from pipeline.studies.roar import figure, runs, summary

    part = workspace.roar_study
    runs.run_study(workspace, part)
    found = summary.measure(workspace, part, load_params(workspace.params).evaluate)
    write_json(part.summary, found)
    write_bytes(part.results / "accuracy_by_ratio.png", figure.draw(found))
    progress.say("\n" + "\n".join(found["sentences"]))
    progress.say("\nnext: make docs (writes the table in docs/explanations.md)")
