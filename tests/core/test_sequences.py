from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.files import write_array
from pipeline.core.sequences import Sequences, read_sequences, write_parts, write_sequences
from pipeline.errors import ArtifactError
from tests.support import strategies
from tests.support.training import rows


def _equal(one: Sequences, other: Sequences) -> bool:
    fields = ("rows", "targets", "starts", "values")
    return all(
        np.array_equal(getattr(one, field), getattr(other, field))
        and getattr(one, field).dtype == getattr(other, field).dtype
        for field in fields
    )


@given(strategies.sequences())
def test_token_sequences_survive_the_file(tmp_path_factory, sequences):
    """Also without any row at all."""
    path = tmp_path_factory.mktemp("sequences") / "rows.parquet"
    write_sequences(path, sequences)
    assert _equal(read_sequences(path), sequences)


@given(strategies.sequences(features=3))
def test_series_survive_the_file(tmp_path_factory, sequences):
    """Values of several features a step keep their shape."""
    path = tmp_path_factory.mktemp("sequences") / "rows.parquet"
    write_sequences(path, sequences)
    read = read_sequences(path)
    if len(sequences):
        assert _equal(read, sequences)


def test_spans_survive_the_file(tmp_path):
    """Each token keeps its place in the text."""
    spans = np.array([[0, 2], [3, 4], [0, 9]], np.int32)
    rows = Sequences(
        np.arange(2), np.array([0, 1]), np.array([0, 2, 3]), np.array([5, 6, 7], np.int32), spans
    )
    write_sequences(tmp_path / "rows.parquet", rows)
    path = tmp_path / "rows.parquet"
    assert np.array_equal(read_sequences(path, spans=True).spans, spans)
    without = read_sequences(path)
    assert without.spans is None
    assert _equal(without, rows)


@given(strategies.sequences())
def test_taking_rows_is_taking_each_row(sequences):
    """`take` against the obvious loop, in any order and with repetition."""
    indices = np.array([i for i in range(len(sequences)) if i % 3] * 2, np.int64)[::-1]
    taken = sequences.take(indices)
    assert len(taken) == len(indices)
    for place, index in enumerate(indices):
        expected = sequences.values[sequences.starts[index] : sequences.starts[index + 1]]
        got = taken.values[taken.starts[place] : taken.starts[place + 1]]
        assert np.array_equal(got, expected)
        assert taken.rows[place] == sequences.rows[index]


@given(strategies.sequences(), st.integers(1, 9))
def test_the_parts_are_the_whole(tmp_path_factory, sequences, size):
    """Each row is in one; written one by one, they give the same bytes as the whole."""
    parts = list(sequences.parts(size))
    assert all(len(part) <= size for part in parts)
    if not parts:
        return
    assert _equal(Sequences.concatenate(parts), sequences)
    folder = tmp_path_factory.mktemp("sequences")
    write_sequences(folder / "whole.parquet", sequences)
    write_parts(folder / "parts.parquet", iter(parts))
    for suffix in ("parquet", "values.npy"):
        parted, whole = ((folder / f"{name}.{suffix}").read_bytes() for name in ("parts", "whole"))
        assert parted == whole


def test_what_was_read_of_a_file_takes_no_memory(tmp_path):
    """Neither all of it, nor what was copied of it."""
    lengths = np.full(1000, 4096)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    numbers = np.arange(starts[-1], dtype=np.int32)
    written = Sequences(np.arange(1000), np.zeros(1000, np.int64), starts, numbers)
    write_sequences(tmp_path / "rows.parquet", written)  # 16 MB
    sequences = read_sequences(tmp_path / "rows.parquet")
    for part in sequences.parts(100):
        assert part.values[0] == part.starts[0] + 4096 * part.rows[0]
    mapped = Path("/proc/self/smaps").read_text().partition("rows.values.npy")[2]
    resident = next(line for line in mapped.splitlines() if line.startswith("Rss:"))
    assert int(resident.split()[1]) < 1000  # kB


def test_steps_that_are_missing_are_reported(tmp_path):
    """By their file; the other one says how many there are."""
    path = tmp_path / "rows.parquet"
    write_sequences(path, rows(5))
    write_array(tmp_path / "rows.values.npy", rows(5).values[:-1])
    with pytest.raises(ArtifactError, match=r"rows\.values\.npy is damaged: \d+ steps instead of"):
        read_sequences(path)
    (tmp_path / "rows.values.npy").unlink()
    with pytest.raises(ArtifactError, match=r"There is no .*rows\.values\.npy"):
        read_sequences(path)
