"""`attention-study`: train attention with sparse weights or penalties, and test its weights."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.commands.studies import add_study, local_copies, say_tracked
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train attention with sparse weights or penalties, and test its weights"
    add_study(commands, "attention-study", about, run)


def run(workspace: Workspace, source: list[str], jobs: int, only: str | None) -> None:
    """Run what has no result yet, and summarize every dataset's variants.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: trainings that ran side by side failed.
    """
    paths = local_copies(source)
    with quiet_imports():
        from pipeline.studies.attention.runs import run_study
        from pipeline.studies.tracking import track_results

    part = workspace.attention_study
    found = run_study(workspace, part, paths, jobs=jobs, only=only)
    if only is None:
        variants = {one["dataset"]: one["variants"] for one in found}
        say_tracked(lambda: track_results(workspace, part, variants, paths=paths))
        progress.say("\nnext: make docs (writes the table in docs/explanations.md)")
