"""`suggestion-study`: train on data of several kinds and sizes as `data add` suggests."""

import argparse
from collections.abc import Callable
from typing import Any

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.commands.repro import add_jobs
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ParamsError
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train with suggested parameters on data of several kinds and sizes"
    add_study(commands, "suggestion-study", about, run)


def add_study(commands: Subparsers, name: str, about: str, run: Callable[..., None]) -> None:
    """Add the command of a study of datasets, with an argument for local copies of them."""
    parser = commands.add_parser(name, description=about)
    parser.set_defaults(run=run)
    add_cells(parser)
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="DATASET=PATH",
        help="a local copy of a dataset, instead of its path in params.yaml",
    )


def add_cells(parser: argparse.ArgumentParser) -> None:
    """Add which cells of a study run, and how many at a time."""
    add_jobs(parser)
    parser.add_argument("--only", metavar="CELL", help="run that one alone, without a summary")


def run(workspace: Workspace, **options: Any) -> None:
    """Run what has no result yet, and show all results.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    run_cases(workspace, workspace.suggestion_study, document="docs/own-data.md", **options)


def run_cases(
    workspace: Workspace,
    part: Workspace,
    *,
    source: list[str],
    jobs: int,
    only: str | None,
    document: str,
) -> bool:
    """Run a study of cases, and show its results.

    Args:
        workspace: the project's files.
        part: the study's.
        source: DATASET=PATH of local copies.
        jobs: cells at a time.
        only: the cell that runs alone.
        document: which holds its table.

    Returns:
        Whether every cell has its result now.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    paths = local_copies(source)
    with quiet_imports():
        from pipeline.studies.suggestion.cases import run_study

    rows = run_study(workspace, part, paths, jobs=jobs, only=only)
    progress.say("")
    for row in rows:
        size = row["target"] or f"{row['rows']:,} rows"
        if "place" in row:
            size = f"{row['length']:,} tokens, {row['place']}"
        model = f"{row['model']}-{row['seed']}" if row["seed"] != "" else row["model"]
        progress.say(f"{row['dataset']:<8}{size:>20}  {model:<28}{row['metric']} {row['test']}")
    if only is not None:
        return False
    progress.say(f"\nnext: make docs (writes the table in {document})")
    return True


def local_copies(source: list[str]) -> dict[str, str]:
    """Dataset → path, from DATASET=PATH.

    Raises:
        ParamsError: a path is missing.
    """
    paths = dict(one.partition("=")[::2] for one in source)
    if not all(paths.values()):
        raise ParamsError(
            f"--source {' '.join(source)}: a path is missing.", fix="--source imdb=FOLDER"
        )
    return paths
