"""The rows of files as tables that stay on disk."""

import contextlib
import functools
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError
from datasets.table import InMemoryTable

from pipeline.data import json_files, readers
from pipeline.data.header import PLAIN, Layout, require_columns
from pipeline.data.schema import Place
from pipeline.errors import DataError

_CHUNK = 10_000  # rows in memory at once


@dataclass(frozen=True)
class Read:
    """Splits as the source has them, and functions that locate their rows."""

    splits: Mapping[str, datasets.Dataset]
    places: Mapping[str, Place]
    origin: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read_files(
    found: Mapping[str, Sequence[Path]],
    wanted: Callable[[str], Sequence[str]],
    *,
    cache: Path,
    layout: Layout = PLAIN,
) -> Read:
    """Read files.

    Args:
        found: split → its files.
        wanted: split → the columns to read.
        cache: an empty folder, which must outlive the result.
        layout: how the files are written.

    Raises:
        DataError: a file can't be read, or lacks a column.
    """
    splits, places = {}, {}
    for split, members in found.items():
        names = list(wanted(split))
        if readers.file_format(members[0]) == "parquet":
            splits[split] = _parquet(members, names, split=split, cache=cache)
        else:
            folder = cache / f"table-{split}"
            folder.mkdir()
            table = _table(members, names, layout, folder=folder)
            # Without a fingerprint of ours, `datasets` would hash the whole content.
            splits[split] = datasets.Dataset(InMemoryTable(table), fingerprint=split)
        places[split] = functools.partial(readers.locate_row, members, wanted=names, layout=layout)
    return Read(splits, places, origin={})


def _parquet(
    members: Sequence[Path], wanted: list[str], *, split: str, cache: Path
) -> datasets.Dataset:
    """Parquet files, whose metadata may name the classes."""
    with quiet(), tempfile.TemporaryDirectory() as links:
        parts = []
        for number, file in enumerate(members):
            link = linked(file, Path(links) / f"{split}-{number}.parquet")
            columns = readers.parquet_columns(file)
            # Of a nested column, such as content.body, the outermost one is read.
            outer = [name if name in columns else name.partition(".")[0] for name in wanted]
            require_columns(columns, outer, file=file)
            try:
                read = datasets.load_dataset(
                    "parquet",
                    data_files={"train": [link]},
                    cache_dir=str(cache),
                    split="train",
                    columns=list(dict.fromkeys(outer)),
                )
            except (ValueError, OSError, pa.ArrowException, DatasetGenerationError) as error:
                raise readers.read_error(file, error) from None
            read = read if outer == wanted else read.flatten()
            require_columns(read.column_names, wanted, file=file)
            parts.append(read.select_columns(wanted))
        try:
            return datasets.concatenate_datasets(parts)
        except ValueError as error:
            raise DataError(
                f"The files of the split {split} differ: {readers.root_cause(error)}",
                fix="give each column the same type in every file.",
            ) from None


def _table(
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


def linked(path: Path, link: Path) -> str:
    """Link to a file or folder under a plain name, as `datasets` reads `[` as a pattern.

    For a folder, link each of its files, since `datasets` resolves a link to a folder.
    """
    if path.is_dir():
        shutil.copytree(path.resolve(), link, copy_function=os.symlink)
    else:
        link.symlink_to(path.resolve())
    return str(link)


def place_in(where: str) -> Place:
    """A function that locates the rows of a table without lines."""
    return lambda row: f"{where}, row {row + 1}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Turn off `datasets`' logging, and its progress bars unless on a terminal."""
    level = datasets.logging.get_verbosity()
    bars = datasets.is_progress_bar_enabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
