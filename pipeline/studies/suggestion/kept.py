"""What is kept of a finished cell in `results/cells/`, so that git can carry it elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import new_file, read_json, read_table, write_json
from pipeline.studies.suggestion.settings import Case
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


def kept_path(part: Workspace, case: Case, name: str) -> Path:
    """The JSON of a case's cell: "baselines" or MODEL-SEED."""
    return part.results / "cells" / case.name / f"{name}.json"


def read_right(path: Path) -> dict[str, NDArray[Any]]:
    """Each run's <bool>[n], whether a test row's class is right, and the columns of the rows.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    table = read_table(_right(path))
    return {name: np.asarray(table[name].to_numpy()) for name in table.column_names}


def _right(path: Path) -> Path:
    return path.with_suffix(".parquet")
