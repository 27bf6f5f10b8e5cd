"""Cells of a study that are kept in `results/cells/`, so that git can carry them elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core.files import new_file, read_json, read_table, write_csv, write_json
from pipeline.studies.cells import cell_named, run_cells
from pipeline.workspace import Workspace

BASELINES = "baselines"  # of a case: the cell that knows its test rows
OF_ROWS = ("place", "group")  # what it knows of them, besides which are right
Row = dict[str, Any]


class Made(NamedTuple):
    """What a cell has made.

    Attributes:
        rows: its lines of `results.csv`.
        right: baseline or MODEL-SEED → <bool>[n], whether a test row's class is right; and the
            columns of the rows themselves. Empty for a regression.
    """

    rows: list[Row]
    right: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Kept:
    """The files of a cell.

    Attributes:
        path: the JSON with its rows; beside it, as .parquet, which test rows are right.
        parameters: digest of what determines it, besides code.
        code: digest of the code and the libraries.
        anew: whether what other code made doesn't count.
    """

    path: Path
    parameters: str
    code: str
    anew: bool = False

    @property
    def current(self) -> bool:
        """Whether this code made it."""
        return bool(read_json(self.path)["code"] == self.code)

    @property
    def valid(self) -> bool:
        """Whether it is there, and of these parameters."""
        return (
            self.path.exists()
            and bool(read_json(self.path)["parameters"] == self.parameters)
            and (self.current or not self.anew)
        )

    def rows(self) -> list[Row]:
        """Its lines of `results.csv`."""
        rows: list[Row] = read_json(self.path)["rows"]
        return rows

    def write(self, made: Made) -> None:
        """Keep what was made; the JSON comes last, so that there is none without the other."""
        if made.right:
            with new_file(_right(self.path)) as file:
                pq.write_table(pa.table(dict(made.right)), file, compression="zstd")
        write_json(self.path, {"parameters": self.parameters, "code": self.code, "rows": made.rows})


@dataclass(frozen=True)
class Cell:
    """What is made at once, and kept.

    Attributes:
        kept: its file.
        prepare: makes its data, unless they are there.
        make: makes its rows, and, of classes, which test rows are right.
    """

    kept: Kept
    prepare: Callable[[], None]
    make: Callable[[], Made]

    def rows(self) -> list[Row]:
        """Its rows, made unless they are kept."""
        if not self.kept.valid:
            self.prepare()
            self.kept.write(self.make())
        return self.kept.rows()


def run_kept(
    workspace: Workspace,
    part: Workspace,
    cells: Mapping[str, Cell],
    *,
    paths: Mapping[str, str],
    threads: int,
    jobs: int = 1,
    only: str | None = None,
    anew: bool = False,
    train: bool = True,
) -> list[Row]:
    """Run what has no result yet; returns the rows of `results.csv`, which grows with each run.

    All is trained in `.spotlight/`. A finished cell is kept in `results/cells/` until its
    parameters, or files of the user's, change. These are in git, so a study goes on where it was
    stopped, on another machine too.

    Args:
        workspace: the project's files.
        part: the study's.
        cells: all of them, in the order of the study.
        paths: dataset → a local copy, for another `source.path` than that in params.yaml.
        threads: of each cell.
        jobs: cells at a time.
        only: the name of a cell: its rows are made, and returned, alone.
        anew: whether cells that other code made are made again.
        train: whether anything is run; otherwise only what is kept is returned.

    Raises:
        ParamsError: the study has no such cell.
        PipelineError: cells that ran side by side failed.
    """
    if only is not None:
        cell = cell_named(cells, only)
        cell.prepare()
        return cell.rows()
    missing = [name for name, cell in cells.items() if not cell.kept.valid]
    if train and jobs > 1:
        for name in missing:
            cells[name].prepare()  # here, since cells that share data would all make them
        options = ["--anew"] if anew else []
        run_cells(
            workspace, part, missing, paths=paths, jobs=jobs, threads=threads, options=options
        )
    rows: list[Row] = []
    for number, (name, cell) in enumerate(cells.items(), start=1):
        if not cell.kept.valid:
            if not train:
                continue
            progress.say(f"\n{number} of {len(cells)}: {name}")
        rows += cell.rows()
        if rows:  # what only others read has none
            write_csv(part.results / "results.csv", rows)
    if missing and not train:
        progress.say(f"{len(missing)} of {len(cells)} cells are missing, the first is {missing[0]}")
    if others := sum(cell.kept.valid and not cell.kept.current for cell in cells.values()):
        progress.say(
            f"{others} of {len(cells)} cells were made by other code; --anew makes them again"
        )
    return rows


def kept_path(part: Workspace, case: str, name: str) -> Path:
    """The JSON of a case's cell: "baselines" or MODEL-SEED."""
    return part.results / "cells" / case / f"{name}.json"


def read_right(path: Path) -> dict[str, NDArray[Any]]:
    """Each run's <bool>[n], whether a test row's class is right, and the columns of the rows.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    table = read_table(_right(path))
    return {name: np.asarray(table[name].to_numpy()) for name in table.column_names}


def _right(path: Path) -> Path:
    return path.with_suffix(".parquet")
