"""The rows of files as an Arrow table that stays on disk."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.data import json_files, readers
from pipeline.data.header import Layout
from pipeline.errors import DataError

_CHUNK = 10_000  # rows in memory at once


def read_table(
    files: Sequence[Path], wanted: Sequence[str], layout: Layout, *, folder: Path
) -> pa.Table:
    """Read files of one format, other than parquet, as one table.

    Args:
        files: of one split, in order.
        wanted: the columns to read.
        layout: how the files are written.
        folder: an empty one for the table, which must outlive it.

    Raises:
        DataError: a file can't be read, or lacks a column, or a column's type changes.
    """
    chunks = itertools.chain.from_iterable(_chunks(file, wanted, layout) for file in files)
    parts = list(_spooled(chunks, folder))
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"{' and '.join(map(str, files[:2]))}: a column's type changes: {error}.",
            fix="give each column the same type in every row and file.",
        ) from None


def _chunks(file: Path, wanted: Sequence[str], layout: Layout) -> Iterator[pa.Table]:
    rows = readers.rows(file, wanted, layout)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        where = [one for one, _ in chunk]
        columns = zip(*(cells for _, cells in chunk), strict=True)
        yield pa.table(
            {
                name: json_files.column(values, name=name, where=where, file=file)
                for name, values in zip(wanted, columns, strict=True)
            }
        )


def _spooled(chunks: Iterable[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """Write tables to files, one for each run of equal schemas, and map these into memory."""
    for number, (schema, run) in enumerate(itertools.groupby(chunks, lambda chunk: chunk.schema)):
        path = str(folder / f"{number}.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
            for chunk in run:
                stream.write_table(chunk)
        yield pa.ipc.open_stream(pa.memory_map(path)).read_all()
