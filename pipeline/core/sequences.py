"""Rows of varying length, token ids or numbers over time, and their files.

`NAME.parquet` has a row's number, target and length. Its steps are in `NAME.values.npy`, and where
a text's tokens stand in `NAME.spans.npy`: arrays that are mapped into memory, and may be larger.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import damaged, growing_array, let_go, map_array, read_table

# Keys of `encoding.json` that describe a network's inputs; `model.json` and MLflow repeat them.
NETWORK_INPUTS = (
    "length",
    "vocabulary_size",
    "bigrams",
    "trigrams",
    "vectors",
    "language_model",
    "max_len",
    "keep",
    "features",
    "time_steps",
)


def starts_of(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """<int64>[n + 1], where each row starts when rows of these lengths are concatenated."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def parts_of(items: NDArray[Any], most: int) -> list[NDArray[Any]]:
    """Items in their order, in parts of nearly equal size, of which none is larger than `most`."""
    return np.array_split(items, max(1, ceil(len(items) / most)))


def pack_pairs(first: Any, second: Any) -> Any:
    """One number for each pair of ids, in the order of the pairs: <int64> arrays or tensors."""
    return first * 2**32 + second


def unpack_pairs(packed: Any) -> tuple[Any, Any]:
    """The two ids of each pair."""
    return packed // 2**32, packed % 2**32


@dataclass(frozen=True)
class Sequences:
    """Rows of varying length, concatenated: `n` rows, `total` steps.

    Attributes:
        rows: <int64>[n], the row's number in `data/raw/SPLIT.parquet`.
        targets: <int64>[n] classes, or, for regression, <float32>[n].
        starts: <int64>[n + 1]; row i is `values[starts[i]:starts[i + 1]]`.
        values: <int32>[total] token ids, or <float32>[total, features].
        spans: <int32>[total, 2], each token's characters in the raw text; None for series, and
            where nobody asked for them.
        totals: <int64>[n], each text's tokens before truncation; None for series.
    """

    rows: NDArray[np.int64]
    targets: NDArray[Any]
    starts: NDArray[np.int64]
    values: NDArray[Any]
    spans: NDArray[np.int32] | None = None
    totals: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """<int64>[n], steps per row."""
        return np.diff(self.starts)

    def read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """A copy of the values of the rows at `indices`, one row after the other."""
        return _copied(self.values, self._steps(indices))

    def take(self, indices: NDArray[np.int64]) -> "Sequences":
        """The rows at `indices`, in that order, in memory."""
        steps = self._steps(indices)
        return Sequences(
            rows=self.rows[indices],
            targets=self.targets[indices],
            starts=starts_of(self.lengths[indices]),
            values=_copied(self.values, steps),
            spans=None if self.spans is None else _copied(self.spans, steps),
            totals=None if self.totals is None else self.totals[indices],
        )

    def parts(self, rows: int = 5000) -> Iterator["Sequences"]:
        """All rows in their order, a few in memory at a time."""
        for start in range(0, len(self), rows):
            yield self.take(np.arange(start, min(start + rows, len(self))))

    def _steps(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions in `values` of all steps of the rows at `indices`."""
        lengths = self.lengths[indices]
        starts = starts_of(lengths)
        return np.arange(starts[-1]) + np.repeat(self.starts[indices] - starts[:-1], lengths)

    @classmethod
    def concatenate(cls, parts: list["Sequences"]) -> "Sequences":
        """Concatenate the rows of several parts."""
        spans = [part.spans for part in parts if part.spans is not None]
        totals = [part.totals for part in parts if part.totals is not None]
        return cls(
            rows=np.concatenate([part.rows for part in parts]),
            targets=np.concatenate([part.targets for part in parts]),
            starts=starts_of(np.concatenate([part.lengths for part in parts])),
            values=np.concatenate([part.values for part in parts]),
            spans=np.concatenate(spans) if spans else None,
            totals=np.concatenate(totals) if totals else None,
        )


def _copied(array: NDArray[Any], steps: NDArray[np.int64]) -> NDArray[Any]:
    """A copy of some steps; of a mapped file, nothing else stays in memory."""
    copy = array[steps]
    let_go(array)
    return copy


def write_sequences(path: Path, sequences: Sequences) -> None:
    """Write sequences as `write_parts` does."""
    write_parts(path, [sequences])


def write_parts(path: Path, parts: Iterable[Sequences]) -> None:
    """Write sequences as they come: parquet with row, target, length and total; arrays beside it.

    Args:
        path: of the parquet file.
        parts: at least one; of each, only the numbers of rows and lengths stay in memory.
    """
    columns: dict[str, list[NDArray[Any]]] = {}
    with contextlib.ExitStack() as files:
        appending: dict[str, Callable[[NDArray[Any]], None]] = {}
        for part in parts:
            for name, array in (("values", part.values), ("spans", part.spans)):
                if array is None:
                    continue
                if name not in appending:
                    appending[name] = files.enter_context(growing_array(_beside(path, name)))
                appending[name](array)
            of_rows = {"row": part.rows, "target": part.targets, "length": part.lengths}
            if part.totals is not None:
                of_rows["total"] = part.totals
            for name, array in of_rows.items():
                columns.setdefault(name, []).append(array)
    joined = {name: np.concatenate(arrays) for name, arrays in columns.items()}
    pq.write_table(pa.table(joined), path, compression="zstd")


def read_sequences(path: Path, *, spans: bool = False) -> Sequences:
    """Read what `write_parts` wrote; steps are read from the disk where they are used.

    Args:
        path: of the parquet file.
        spans: whether each token's place in its text is wanted, too.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    table = read_table(path)
    starts = starts_of(table["length"].to_numpy())
    arrays = {name: map_array(_beside(path, name)) for name in ("values", "spans")[: 1 + spans]}
    for name, array in arrays.items():
        if len(array) != starts[-1]:
            raise damaged(_beside(path, name), f"{len(array)} steps instead of {starts[-1]}")
    return Sequences(
        rows=table["row"].to_numpy(),
        targets=table["target"].to_numpy(),
        starts=starts,
        totals=table["total"].to_numpy() if "total" in table.column_names else None,
        **arrays,
    )


def _beside(path: Path, name: str) -> Path:
    return path.with_suffix(f".{name}.npy")
