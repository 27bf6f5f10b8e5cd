"""What the studies' commands share: their arguments, and running their cells."""

import argparse
import contextlib
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.commands import Subparsers, add_jobs
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ParamsError, TrackingError
from pipeline.workspace import Workspace


def add_cells(parser: argparse.ArgumentParser) -> None:
    """Add which cells of a study run, and how many at a time."""
    add_jobs(parser)
    parser.add_argument("--only", metavar="CELL", help="run that one alone, without a summary")


def add_study(
    commands: Subparsers, name: str, about: str, run: Callable[..., None]
) -> argparse.ArgumentParser:
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
    return parser


def add_cases(
    commands: Subparsers, name: str, about: str, run: Callable[..., None]
) -> argparse.ArgumentParser:
    """Add the command of a study of cases, whose cells git keeps."""
    parser = add_study(commands, name, about, run)
    parser.add_argument(
        "--anew", action="store_true", help="run again what other code made, and git has kept"
    )
    parser.add_argument(
        "--summarize",
        action="store_true",
        help="run nothing, and write tables and figures of what is finished",
    )
    return parser


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of a study's CSV file; none if it has not been run."""
    with contextlib.suppress(FileNotFoundError), table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
    return []


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


def run_cases(
    workspace: Workspace,
    part: Workspace,
    *,
    source: list[str],
    jobs: int,
    only: str | None,
    anew: bool,
    summarize: bool,
) -> list[str]:
    """Run a study of cases, and show its results.

    Args:
        workspace: the project's files.
        part: the study's.
        source: DATASET=PATH of local copies.
        jobs: cells at a time.
        only: the cell that runs alone.
        anew: whether cells that other code made are made again.
        summarize: whether nothing is run.

    Returns:
        The cells that are finished; none after one that ran alone.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    paths = local_copies(source)
    with quiet_imports():
        from pipeline.studies.suggestion.cases import run_study, study_cells

    rows = run_study(workspace, part, paths, jobs=jobs, only=only, anew=anew, train=not summarize)
    progress.say("")
    for row in rows:
        size = row["target"] or f"{row['rows']:,} rows"
        if "place" in row:
            size = f"{row['length']:,} tokens, {row['place']}"
        model = f"{row['model']}-{row['seed']}" if row["seed"] != "" else row["model"]
        progress.say(f"{row['dataset']:<8}{size:>20}  {model:<28}{row['metric']} {row['test']}")
    if only is not None:
        return []
    cells = study_cells(workspace, part, paths)
    return [name for name, cell in cells.items() if cell.kept.valid]


def say_tracked(track: Callable[[], object]) -> None:
    """Say what was recorded in MLflow, or why nothing was: the results are in files anyway."""
    try:
        progress.say(str(track()))
    except TrackingError as error:
        progress.say(f"warning: {error}")


def track_cases(workspace: Workspace, part: Workspace, *, source: list[str], document: str) -> None:
    """Record what is finished of a study of cases in MLflow, and say what is next.

    Args:
        workspace: the project's files.
        part: the study's.
        source: DATASET=PATH of local copies.
        document: which holds its table.

    Raises:
        ParamsError: a parameter file is wrong.
    """
    with quiet_imports():
        from pipeline.studies.suggestion.cases import study_cells
        from pipeline.studies.tracking import track_cells

    paths = local_copies(source)
    cells = study_cells(workspace, part, paths)
    say_tracked(lambda: track_cells(workspace, part, cells, paths=paths))
    progress.say(f"\nnext: make docs (writes the table in {document})")


def measure_cases(workspace: Workspace, part: Workspace, **options: Any) -> list[dict[str, Any]]:
    """Run a study of cases, and measure the intervals of what is finished: intervals.csv.

    Returns:
        Its rows; none after a cell that ran alone.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    from pipeline.core.files import write_csv
    from pipeline.core.params import load_params

    finished = run_cases(workspace, part, **options)
    if not finished:
        return []
    with quiet_imports():
        from pipeline.studies.suggestion import intervals

    rows = intervals.measure(part, load_params(workspace.params).evaluate, finished)
    if rows:
        write_csv(part.results / "intervals.csv", rows)
    return rows
