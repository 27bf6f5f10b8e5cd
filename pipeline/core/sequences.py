"""Rows of varying length, token ids or numbers over time, and their file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import read_table

# Keys of `encoding.json` that describe a network's inputs; `model.json` and MLflow repeat them.
NETWORK_INPUTS = (
    "length",
    "vocabulary_size",
    "bigrams",
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


@dataclass(frozen=True)
class Sequences:
    """Rows of varying length, concatenated: `n` rows, `total` steps.

    Attributes:
        rows: <int64>[n], the row's number in `data/raw/SPLIT.parquet`.
        targets: <int64>[n] classes, or, for regression, <float32>[n].
        starts: <int64>[n + 1]; row i is `values[starts[i]:starts[i + 1]]`.
        values: <int32>[total] token ids, or <float32>[total, features].
        spans: <int32>[total, 2], each token's characters in the raw text; None for series.
    """

    rows: NDArray[np.int64]
    targets: NDArray[Any]
    starts: NDArray[np.int64]
    values: NDArray[Any]
    spans: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """<int64>[n], steps per row."""
        return np.diff(self.starts)

    def take(self, indices: NDArray[np.int64]) -> "Sequences":
        """The rows at `indices`, in that order."""
        lengths = self.lengths[indices]
        starts = starts_of(lengths)
        # the positions in `values` of every row that is taken
        steps = np.arange(starts[-1]) + np.repeat(self.starts[indices] - starts[:-1], lengths)
        return Sequences(
            rows=self.rows[indices],
            targets=self.targets[indices],
            starts=starts,
            values=self.values[steps],
            spans=None if self.spans is None else self.spans[steps],
        )

    @classmethod
    def concatenate(cls, parts: list["Sequences"]) -> "Sequences":
        """Concatenate the rows of several parts."""
        lengths = np.concatenate([part.lengths for part in parts])
        spans = [part.spans for part in parts if part.spans is not None]
        return cls(
            rows=np.concatenate([part.rows for part in parts]),
            targets=np.concatenate([part.targets for part in parts]),
            starts=starts_of(lengths),
            values=np.concatenate([part.values for part in parts]),
            spans=np.concatenate(spans) if spans else None,
        )


def write_sequences(
    path: Path, sequences: Sequences, *, totals: NDArray[np.int64] | None = None
) -> None:
    """Write sequences as parquet, one row each: row, target, values, spans.

    Args:
        path: the file.
        sequences: the rows.
        totals: <int64>[n], each row's steps before truncation, for a column `total`.
    """
    offsets = pa.array(sequences.starts, pa.int64())
    values = pa.array(sequences.values.reshape(-1))
    if sequences.values.ndim == 2:
        values = pa.FixedSizeListArray.from_arrays(values, sequences.values.shape[1])
    columns = {
        "row": pa.array(sequences.rows),
        "target": pa.array(sequences.targets),
        "values": pa.LargeListArray.from_arrays(offsets, values),
    }
    if sequences.spans is not None:
        pairs = pa.FixedSizeListArray.from_arrays(pa.array(sequences.spans.reshape(-1)), 2)
        columns["spans"] = pa.LargeListArray.from_arrays(offsets, pairs)
    if totals is not None:
        columns["total"] = pa.array(totals)
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_sequences(path: Path, *, spans: bool = True) -> Sequences:
    """Read what `write_sequences` wrote.

    Args:
        path: the file.
        spans: whether to read the spans, if there are any; they take twice as much memory as
            the tokens, and training doesn't need them.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    columns = None if spans else ["row", "target", "values"]
    table = read_table(path, columns).combine_chunks()

    def flat(column: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        chunks = table[column].chunks
        if not chunks:  # no rows
            return np.zeros(1, np.int64), np.zeros(0, np.int32)
        inner = chunks[0].values
        starts = chunks[0].offsets.to_numpy()
        if isinstance(inner, pa.FixedSizeListArray):
            return starts, inner.values.to_numpy().reshape(-1, inner.type.list_size)
        return starts, inner.to_numpy()

    starts, values = flat("values")
    return Sequences(
        rows=table["row"].to_numpy(),
        targets=table["target"].to_numpy(),
        starts=starts,
        values=values,
        spans=flat("spans")[1] if "spans" in table.column_names else None,
    )
