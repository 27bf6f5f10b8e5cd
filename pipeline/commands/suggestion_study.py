"""`suggestion-study`: train on data of several kinds and sizes as `data add` suggests."""

from typing import Any

from pipeline.commands import Subparsers
from pipeline.commands.studies import add_cases, run_cases, track_cases
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train with suggested parameters on data of several kinds and sizes"
    add_cases(commands, "suggestion-study", about, run)


def run(workspace: Workspace, **options: Any) -> None:
    """Run what has no result yet, and show all results.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    part = workspace.suggestion_study
    if run_cases(workspace, part, **options):
        track_cases(workspace, part, source=options["source"], document="docs/own-data.md")
