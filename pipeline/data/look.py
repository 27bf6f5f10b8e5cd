"""Looking at a user's file: a sample of all its rows, column by column."""

import itertools
import random
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data import archives, csv_files, excel_files, header, json_files, readers, times
from pipeline.data.columns import Column, describe, shorten
from pipeline.data.header import Layout
from pipeline.errors import DataError

CELLS = 400_000  # of a larger file, a seeded sample of all rows with about as many cells

LONG = 60  # characters of a cell; most names of columns are shorter


@dataclass(frozen=True)
class Look:
    """What was seen of a file.

    Attributes:
        file: the file, the archive or the folder.
        rows: number of rows to train on.
        columns: by name.
        layout: how it has to be read.
        places: the row numbers, from 0, of those that were looked at.
        repeated: names that several columns have; none of these is read.
    """

    file: Path
    rows: int
    columns: Mapping[str, Column]
    layout: Layout
    places: Sequence[int] = field(repr=False)
    repeated: Sequence[str] = ()

    @property
    def seen(self) -> int:
        """Number of rows that were looked at."""
        return len(self.places)

    def unread(self) -> dict[str, list[str]]:
        """What keeps columns of numbers from being read → their names."""
        found: dict[str, list[str]] = {}
        for one in self.columns.values():
            if one.unread:
                found.setdefault(one.unread, []).append(one.name)
        return found

    def joined(self, names: Sequence[str]) -> list[str]:
        """These columns' values of each row, joined by a space."""
        return times.join([self.columns[name].values for name in names])


def look_at(path: Path, *, names: Sequence[str] = ()) -> Look:
    """Look at a file, or at the training files of a folder or an archive.

    If a table has no header, its columns get numbers. If its quotation marks can't enclose
    cells, they are characters like any other.

    Args:
        path: the file.
        names: of its columns in order, if the user gave them.

    Raises:
        DataError: the format is unknown, or a file can't be read or has no rows.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        archives.opened(path, into=Path(folder), wanted=readers.file_format) as content,
    ):
        files = readers.files_by_split(content)["train"]
        try:
            layout = _layout(files[0], Layout(columns=tuple(names)))
            total, sample = _sample(row for file in files for row in _rows(file, layout))
        except DataError:
            if readers.file_format(files[0]) != "csv":
                raise
            bare = _unquoted(files, names)
            if bare is None:
                raise
            layout, total, sample = bare
        first: Sequence[str] = next(_cells(files[0], layout), [])
    if not sample:
        raise readers.no_rows(path)
    found = dict.fromkeys(name for _, row in sample for name in row)
    columns = {name: describe(name, [row.get(name) for _, row in sample]) for name in found}
    repeated = [
        name
        for name, times in Counter(layout.columns or first).items()
        if name.strip() and times > 1
    ]
    return Look(path, total, columns, layout, [place for place, _ in sample], repeated)


def unclear(look: Look, what: str, candidates: Iterable[Column], flag: str) -> DataError:
    """The error that lists candidates and asks for a flag.

    Args:
        look: at the file.
        what: what it has too many or none of.
        candidates: the columns to list.
        flag: which names one of them.
    """
    shown = list(candidates)[:12]
    width = min(24, max((len(one.name) for one in shown), default=0))
    lines = "".join(
        f"\n    {shorten(one.name, width).ljust(width)}  {one.describe()}" for one in shown
    )
    example = shlex.quote(shown[0].name) if shown else "COLUMN"
    return DataError(f"{look.file} has {what}:{lines}", fix=f"name it, as in {flag} {example}")


def listed(names: Iterable[str]) -> str:
    """Some names, in quotes."""
    names = list(names)
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")


def listed_kinds(columns: Iterable[Column]) -> str:
    """Some columns, in quotes, with what they hold."""
    seen = [f"{one.name!r} ({one.kind})" for one in columns]
    return "; ".join(seen[:12]) + ("; …" if len(seen) > 12 else "")


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _sample(
    rows: Iterable[Mapping[str, Any]],
) -> tuple[int, list[tuple[int, Mapping[str, Any]]]]:
    """How many rows there are, and a seeded sample of them in their order (reservoir sampling)."""
    kept: list[tuple[int, Mapping[str, Any]]] = []
    generator = random.Random(0)
    place, limit = -1, 0
    for place, row in enumerate(rows):
        limit = limit or max(2000, CELLS // max(len(row), 1))
        if place < limit:
            kept.append((place, row))
        elif (at := generator.randrange(place + 1)) < limit:
            kept[at] = (place, row)
    return place + 1, sorted(kept, key=lambda one: one[0])


def _rows(file: Path, layout: Layout) -> Iterator[Mapping[str, Any]]:
    """Every row of a file as column → value; nested fields have dotted columns."""
    match readers.file_format(file):
        case "json":
            yield from (row for _, row in json_files.objects(file))
        case "parquet":
            yield from _parquet_rows(file)
        case "texts":
            yield from _named(file, ("text", "label"), layout)
        case _:
            names = layout.columns or header.named(next(_cells(file, layout), []))
            if names:
                yield from _named(file, names, layout)


def _named(file: Path, names: Sequence[str], layout: Layout) -> Iterator[Mapping[str, Any]]:
    wanted = [name for name in names if names.count(name) == 1]
    for _, cells in readers.rows(file, wanted, layout):
        yield dict(zip(wanted, cells, strict=True))


def _parquet_rows(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with pq.ParquetFile(file) as content:
            for batch in content.iter_batches():
                table = pa.Table.from_batches([batch])
                while any(pa.types.is_struct(kind) for kind in table.schema.types):
                    table = table.flatten()
                yield from table.to_pylist()
    except UnicodeDecodeError:
        raise DataError(f"{file}: a text in it is not UTF-8.", fix="save it as UTF-8.") from None
    except (pa.ArrowException, OSError) as error:
        raise readers.read_error(file, error) from None


def _cells(file: Path, layout: Layout) -> Iterator[list[str]]:
    """The cells of every line of a CSV file or a workbook; nothing of other files."""
    match readers.file_format(file):
        case "csv":
            yield from csv_files.cells(file, layout)
        case "excel":
            yield from excel_files.cells(file)


def _layout(file: Path, layout: Layout) -> Layout:
    """With numbered columns, if the first line is data rather than a header."""
    first = list(itertools.islice(_cells(file, layout), header.SAMPLE))
    if layout.columns or not first or _is_numbered(first[0]):
        return layout
    if not _is_data(first[0], first[1:]):
        return layout
    columns = tuple(f"column_{number}" for number in range(1, len(first[0]) + 1))
    return Layout(layout.quoting, columns)


def _is_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first line is data; a long cell is, if the others in its column are as long."""
    if header.looks_like_data([cell[:LONG] for cell in first], rows):
        return True
    return any(
        len(cell) > LONG and sum(map(len, values)) > len(values) * LONG / 2
        for cell, *values in zip(first, *rows, strict=False)
        if values
    )


def _is_numbered(cells: Sequence[str]) -> bool:
    """Whether a header numbers its columns, as pandas does: 0, 1, 2, after an empty cell or not."""
    numbers = [cell for cell in cells if cell.strip()]
    start = int(numbers[0]) if numbers and numbers[0].isdecimal() else -1
    return numbers == [str(start + number) for number in range(len(numbers))]


def _unquoted(
    files: Sequence[Path], names: Sequence[str]
) -> tuple[Layout, int, list[tuple[int, Mapping[str, Any]]]] | None:
    """What CSV files hold if a quotation mark is a character; None if rows then differ in size."""
    try:
        layout = _layout(files[0], Layout("none", tuple(names)))
        return layout, *_sample(row for file in files for row in _rows(file, layout))
    except DataError:
        return None
