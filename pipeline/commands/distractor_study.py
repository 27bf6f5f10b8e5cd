"""`distractor-study`: train every pooling on short texts among more and more neutral sentences."""

from typing import Any

from pipeline.commands import Subparsers
from pipeline.commands.studies import add_cases, measure_cases, track_cases
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train every pooling on short texts among more and more neutral sentences"
    add_cases(commands, "distractor-study", about, run)


def run(workspace: Workspace, **options: Any) -> None:
    """Run what has no result yet, measure intervals, and draw accuracy against length.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
        DataError: the texts are too few or have no neutral sentences.
    """
    from pipeline.core.files import write_bytes

    part = workspace.distractor_study
    if rows := measure_cases(workspace, part, **options):
        with quiet_imports():
            from pipeline.studies.distractor import figure

        write_bytes(part.results / "accuracy_by_length.png", figure.draw(rows))
        track_cases(workspace, part, source=options["source"], document="docs/results.md")
