"""`size-study`: train every pooling on more and more texts of one dataset."""

from typing import Any

from pipeline.commands import Subparsers
from pipeline.commands.studies import add_cases, measure_cases, track_cases
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train every pooling on more and more texts of one dataset"
    add_cases(commands, "size-study", about, run)


def run(workspace: Workspace, **options: Any) -> None:
    """Run what has no result yet, measure intervals, and draw accuracy against the number of texts.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    from pipeline.core.files import write_bytes

    part = workspace.size_study
    if rows := measure_cases(workspace, part, **options):
        with quiet_imports():
            from pipeline.studies.suggestion import figure

        write_bytes(part.results / "accuracy_by_rows.png", figure.draw(rows))
        track_cases(workspace, part, source=options["source"], document="docs/results.md")
