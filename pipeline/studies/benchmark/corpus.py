"""The rows to measure on: IMDB's own, or drawn with its lengths where there is no copy of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.files import read_table
from pipeline.core.sequences import Sequences, starts_of
from pipeline.encoding.text import encode_texts
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.errors import DataError
from pipeline.workspace import Workspace

# Word tokens of IMDB's 25,000 training reviews: the quantiles 0, 5, …, 100 %.
QUANTILES = (
    *(11, 75, 105, 127, 138, 146, 155, 164, 175, 188, 201, 218, 238, 262, 291, 327, 374, 435),
    *(528, 690, 2739),
)
ROWS = 25_000  # of IMDB's training split
_BATCH = 1000


class Corpus(NamedTuple):
    """Rows of token ids, and where they come from.

    Attributes:
        sequences: the rows.
        about: a description for the reader.
        texts: the folder of IMDB's texts; None if there is none.
    """

    sequences: Sequences
    about: str
    texts: Path | None


def load(
    workspace: Workspace, data: Path | None, *, rows: int, vocabulary: int, max_len: int, seed: int
) -> Corpus:
    """Read rows from `data` or ../shared/data/imdb, or draw them.

    Args:
        workspace: that relative paths start from.
        data: a folder of IMDB with its parquet files.
        rows: the most to take.
        vocabulary: its size, with the two special tokens.
        max_len: most tokens in a row.
        seed: for choosing or drawing rows.

    Raises:
        DataError: `data` holds no texts.
    """
    folder = data or workspace.home.parent / "shared" / "data" / "imdb"
    rng = np.random.default_rng(seed)
    found = _file(folder, "train")
    if found is None and data is not None:
        raise DataError(
            f"{data} holds no training split of IMDB (train*.parquet).",
            fix="name a folder as on the hub, or omit --data: rows are then drawn.",
        )
    if found is None:
        drawn = draw(rows, vocabulary=vocabulary, max_len=max_len, rng=rng)
        return Corpus(drawn, "rows drawn with IMDB's lengths (no copy of IMDB was found)", None)
    table = read_table(found, ["text", "label"])
    if rows < table.num_rows:
        table = table.take(pa.array(np.sort(rng.permutation(table.num_rows)[:rows])))
    tokenizer = train_tokenizer(_texts(table), vocabulary=vocabulary)
    sequences = Sequences.concatenate(
        list(encode_texts(batches(table), tokenizer, max_len=max_len, spans=False))
    )
    return Corpus(sequences, "IMDB's training reviews, as words", folder)


def draw(
    rows: int, *, vocabulary: int, max_len: int, rng: np.random.Generator, length: int | None = None
) -> Sequences:
    """Draw rows with IMDB's lengths, or of one length, with word frequencies as in a language.

    Args:
        rows: how many.
        vocabulary: ids are below it; the n-th word's frequency is proportional to 1 / n (Zipf).
        max_len: most tokens in a row.
        rng: draws them.
        length: of every row; None draws lengths from IMDB's quantiles.
    """
    if length is None:
        at = np.linspace(0, 1, len(QUANTILES))
        lengths = np.interp(rng.random(rows), at, QUANTILES).astype(np.int64)
    else:
        lengths = np.full(rows, length)
    lengths = np.minimum(lengths, max_len)
    # With u uniform, N^u has the density 1 / (x ln N) on [1, N].
    ids = (vocabulary - 1) ** rng.random(int(lengths.sum()))
    return Sequences(
        rows=np.arange(rows),
        targets=rng.integers(0, 2, rows),
        starts=starts_of(lengths),
        values=ids.astype(np.int32),
    )


def batches(
    table: pa.Table,
) -> Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.int64]]]:
    """(row numbers, texts, labels) of up to a thousand rows at a time."""
    for start in range(0, table.num_rows, _BATCH):
        part = table.slice(start, _BATCH)
        numbers = np.arange(start, start + part.num_rows)
        yield numbers, part["text"].to_pylist(), part["label"].to_numpy()


def tables(folder: Path) -> dict[str, pa.Table]:
    """IMDB's labeled splits: text and label."""
    found: dict[str, Any] = {name: _file(folder, name) for name in ("train", "test")}
    return {name: read_table(path, ["text", "label"]) for name, path in found.items() if path}


def _file(folder: Path, split: str) -> Path | None:
    return next(iter(sorted(folder.rglob(f"{split}*.parquet"))), None)


def _texts(table: pa.Table) -> Iterator[str]:
    for _, texts, _ in batches(table):
        yield from texts
