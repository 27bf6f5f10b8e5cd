"""`--jobs` and `--only` of a study: its cells in processes of their own, several at a time."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pipeline.cells import run_side_by_side
from pipeline.errors import ParamsError
from pipeline.workspace import Workspace

T = TypeVar("T")


def run_cells(
    workspace: Workspace,
    part: Workspace,
    cells: Iterable[str],
    *,
    paths: Mapping[str, str] = MappingProxyType({}),
    jobs: int,
    threads: int,
    options: Sequence[str] = (),
) -> None:
    """Make cells side by side, each by the study's own command; see `run_side_by_side`.

    Args:
        workspace: the project's files.
        part: the study's, `studies/NAME`, whose command is `NAME-study` or `NAME`.
        cells: names for its `--only`.
        paths: dataset → local copy, for its `--source`.
        jobs: how many at a time.
        threads: of each.
        options: further ones of the command.

    Raises:
        PipelineError: some failed; it names them.
    """
    name = Path(part.part).name
    command = ["pipeline", name if name == "roar" else f"{name}-study"]
    command += [*options, *(f"--source={dataset}={path}" for dataset, path in paths.items())]
    run_side_by_side(
        {cell: [*command, "--only", cell] for cell in cells},
        folder=workspace.root,
        jobs=jobs,
        threads=threads,
        logs=part.scratch / "jobs",
    )


def cell_named(cells: Mapping[str, T], name: str) -> T:
    """The cell that `--only` names.

    Raises:
        ParamsError: there is none.
    """
    if name not in cells:
        near = difflib.get_close_matches(name, cells, n=3, cutoff=0)
        raise ParamsError(
            f"--only {name}: the study has no such cell.",
            fix=f"name one of its {len(cells)}, such as {', '.join(near)}.",
        )
    return cells[name]
