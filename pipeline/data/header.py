"""Finding the wanted columns of a table: by its header, or by names given for it."""

import difflib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import DataError

SAMPLE = 1000  # rows that are looked at to explain a mistake
_LONG = 60  # characters; a column's name is shorter

# Where a row is in its file, such as "line 3", and its cells.
Row = tuple[str, list[Any]]


@dataclass(frozen=True)
class Layout:
    """What a table's file doesn't say about itself.

    Attributes:
        quoting: `minimal`: cells may be enclosed in quotation marks; `none`: a quotation mark is
            a character like any other; None: `minimal`, but a doubtful mark is refused.
        columns: the columns' names in order, if the file has no header.
    """

    quoting: Literal["minimal", "none"] | None = None
    columns: tuple[str, ...] = ()


PLAIN = Layout()


def select(
    records: Iterator[Row], wanted: Sequence[str], layout: Layout, *, file: Path, uneven: str
) -> Iterator[Row]:
    """The wanted cells of every row.

    Args:
        records: all rows, the header first unless the layout names the columns.
        wanted: names of columns.
        layout: how the file is written.
        file: for messages.
        uneven: what to do about a row that has more or fewer cells than the header.

    Raises:
        DataError: a column is missing or there twice, or a row has more or fewer cells.
    """
    first = next(records, None)
    if first is None:
        return
    header = named(first[1])
    if layout.columns:
        if set(_plain(header)) & set(_plain(wanted)):
            raise DataError(
                f"{file}: its first line is a header, {_shown(header)}, but `columns` is for "
                "files without one.",
                fix="remove `columns` from the dataset's `source` in params.yaml.",
            )
        header, records = list(layout.columns), itertools.chain([first], records)
    elif any(column not in header for column in wanted):
        raise _missing(header, list(_safely(records)), wanted, file=file)
    for column in wanted:
        if header.count(column) > 1:
            raise DataError(
                f"{file} has {header.count(column)} columns named {column!r}.",
                fix="rename all but one of them.",
            )
    require_columns(header, wanted, file=file)
    places = [header.index(column) for column in wanted]
    expected = (
        f"`columns` names {len(header)}" if layout.columns else f"the header has {len(header)}"
    )
    if len(header) == 1:
        uneven = (
            "if the first line doesn't name the columns, remove all lines above the one that does. "
            f"Otherwise {uneven}"
        )
    for where, cells in records:
        # Separators at the end of a line add nothing.
        if len(cells) < len(header) or any(cells[len(header) :]):
            raise DataError(f"{file}, {where}: {len(cells)} fields, but {expected}.", fix=uneven)
        yield where, [cells[place] for place in places]


def named(header: list[str]) -> list[str]:
    """The columns up to the last that has a name: separators at the end of a line add none."""
    names = list(header)
    while names and not names[-1]:
        names.pop()
    return names


def require_columns(columns: Iterable[str], wanted: Iterable[str], *, file: Path | str) -> None:
    """Refuse a file that lacks a wanted column.

    Raises:
        DataError: a column is missing; the message lists the existing ones.
    """
    columns = list(columns)
    for column in wanted:
        if column not in columns:
            raise missing_column(columns, [], column, file=file)


def looks_like_data(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table's first line seems to be a row like those after it, and no header.

    It is if one of its cells recurs in its column, is a number among numbers, or is long.
    """
    return any(
        cell.strip() and (cell in values or (_number(cell) and all(map(_number, values))))
        for cell, *values in zip(header, *rows, strict=False)
        if values
    ) or any(len(cell) > _LONG for cell in header)


def _missing(
    header: Sequence[str], rows: Sequence[Sequence[str]], wanted: Sequence[str], *, file: Path
) -> DataError:
    """The error for a header without the wanted columns."""
    lacking = next(column for column in wanted if column not in header)
    if looks_like_data(header, rows):
        return DataError(
            f"{file} has no column {lacking!r}: its first line is {_shown(header)}. This looks "
            "like a file without a header.",
            fix=f"name its {len(header)} columns in order in the dataset's `source` in "
            f"params.yaml, perhaps `columns: [{', '.join(_names(rows, wanted))}]`.",
        )
    return missing_column(header, rows, lacking, file=file)


def missing_column(
    header: Sequence[str], rows: Sequence[Sequence[str]], wanted: str, *, file: Path | str
) -> DataError:
    """The error for a column that isn't there, with the existing ones.

    Args:
        header: the existing columns.
        rows: the first rows, to see whether these columns are labels, one of which is meant.
        wanted: the missing column.
        file: for the message.
    """
    flags = [
        name
        for name, *values in zip(header, *rows, strict=False)
        if values and {"0", "1"} == set(values)
    ]
    near = difflib.get_close_matches(wanted, header, n=1, cutoff=0.5)
    if len(flags) > 1 and set(near) <= set(flags):
        return DataError(
            f"{file} has no column {wanted!r}, but {len(flags)} columns of 0 and 1: "
            f"{_shown(flags)}. Several labels in a row are not supported.",
            fix="set `source.label_column` to the one of them that is to be learned.",
        )
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return DataError(
        f"{file} has no column {wanted!r}. It has: {_shown(header) or 'none'}.{hint}",
        fix="correct the column's name in the dataset's `source` in params.yaml.",
    )


def _names(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> list[str]:
    """Likely names of columns: the longest text is the first that is wanted, classes the second."""
    columns = list(zip(*rows, strict=False))
    names = [f"column_{number}" for number in range(1, len(columns) + 1)]
    order = sorted(range(len(columns)), key=lambda place: -sum(map(len, columns[place])))
    rest = sorted(order[1:], key=lambda place: len(set(columns[place])))
    for place, name in zip([*order[:1], *rest], wanted, strict=False):
        names[place] = name
    return names


def _safely(records: Iterator[Row]) -> Iterator[list[str]]:
    """The cells of the first rows, up to a faulty one."""
    try:
        for _, cells in itertools.islice(records, SAMPLE):
            yield cells
    except DataError:
        return


def _plain(cells: Iterable[str]) -> list[str]:
    return [cell.strip().casefold() for cell in cells]


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _shown(names: Sequence[str]) -> str:
    """The first names, each shortened."""
    short = [name if len(name) <= _LONG else f"{name[: _LONG - 1]}…" for name in names[:20]]
    return ", ".join(map(repr, short)) + (", …" if len(names) > 20 else "")
