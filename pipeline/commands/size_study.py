"""`size-study`: train every pooling on more and more texts of one dataset."""

from typing import Any

from pipeline.commands import Subparsers
from pipeline.commands.suggestion_study import add_cases, run_cases
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
    from pipeline.core.files import write_bytes, write_csv
    from pipeline.core.params import load_params

    part = workspace.size_study
    finished = run_cases(workspace, part, document="docs/results.md", **options)
    if not finished:
        return
    with quiet_imports():
        from pipeline.studies.suggestion import figure, intervals

    rows = intervals.measure(part, load_params(workspace.params).evaluate, finished)
    if rows:
        write_csv(part.results / "intervals.csv", rows)
        write_bytes(part.results / "accuracy_by_rows.png", figure.draw(rows))
