"""`suggestion-study`: train on data of several kinds and sizes as `data add` suggests."""

from collections.abc import Callable
from typing import Any

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ParamsError
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train with suggested parameters on data of several kinds and sizes"
    add_study(commands, "suggestion-study", about, run)


def add_study(commands: Subparsers, name: str, about: str, run: Callable[..., None]) -> None:
    """Add the command of a study of cases, with its argument for local copies of datasets."""
    parser = commands.add_parser(name, description=about)
    parser.set_defaults(run=run)
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="DATASET=PATH",
        help="a local copy of a dataset, instead of its path in params.yaml",
    )


def run(workspace: Workspace, source: list[str]) -> None:
    """Run what has no result yet, and show all results.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
    """
    run_cases(workspace, workspace.suggestion_study, source, document="docs/own-data.md")


def run_cases(
    workspace: Workspace, part: Workspace, source: list[str], *, document: str
) -> list[dict[str, Any]]:
    """Run a study of cases, show its results and return them.

    Args:
        workspace: the project's files.
        part: the study's.
        source: DATASET=PATH of local copies.
        document: which holds its table.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
    """
    paths = local_copies(source)
    with quiet_imports():
        from pipeline.studies.suggestion.cases import run_study

    rows = run_study(workspace, part, paths)
    progress.say("")
    for row in rows:
        size = row["target"] or f"{row['rows']:,} rows"
        if "place" in row:
            size = f"{row['length']:,} tokens, {row['place']}"
        model = f"{row['model']}-{row['seed']}" if row["seed"] != "" else row["model"]
        progress.say(f"{row['dataset']:<8}{size:>20}  {model:<28}{row['metric']} {row['test']}")
    progress.say(f"\nnext: make docs (writes the table in {document})")
    return rows


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
