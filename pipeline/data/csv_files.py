"""Reading CSV and TSV: finding the separator, and refusing what would merge rows in silence."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pipeline.data.header import PLAIN, Layout, Row, select
from pipeline.data.text_files import read_lines
from pipeline.errors import DataError

SEPARATORS = (",", "\t", ";", "|")
_LABEL = 100  # characters of a cell that are compared
_UNEVEN = (
    "enclose text that contains the separator or a line break in double quotes, double each quote "
    'inside it (""), and close every quote. If a quotation mark is a character like any other in '
    "this file, set `quoting: none` in the dataset's `source` in params.yaml."
)
_MISPLACED = (
    "set `quoting: none` in the dataset's `source` in params.yaml if a quotation mark is a "
    "character like any other in this file. Otherwise close every quote, and double each quote "
    'inside a cell ("").'
)
_SPANS = f"{_MISPLACED} If this cell really spans lines, set `quoting: minimal`."


def rows(file: Path, wanted: Sequence[str], layout: Layout = PLAIN) -> Iterator[Row]:
    """The wanted cells of every row, as text, and the line on which it starts.

    Raises:
        DataError: a column is missing, a row has more or fewer cells than the header, or a
            quotation mark is misplaced.
    """
    records = _records(file, separator(file, wanted, layout), layout)
    return select(records, wanted, layout, file=file, uneven=_UNEVEN)


def cells(file: Path, layout: Layout = PLAIN) -> Iterator[list[str]]:
    """All cells of every line, the header included.

    Raises:
        DataError: as for `rows`.
    """
    return (found for _, found in _records(file, separator(file, (), layout), layout))


def separator(file: Path, wanted: Sequence[str] = (), layout: Layout = PLAIN) -> str:
    """The one that the first line names, or that finds the wanted columns, or the most columns."""
    if (declared := _declared(file)) is not None:
        return declared
    first = {mark: next(_parse(file, mark, layout), (1, [], []))[1] for mark in SEPARATORS}
    fitting = [
        mark
        for mark, cells in first.items()
        if (len(cells) == len(layout.columns) if layout.columns else set(wanted) <= set(cells))
    ]
    return max(fitting or SEPARATORS, key=lambda mark: len(first[mark]))


def _declared(file: Path) -> str | None:
    """The separator of a first line `sep=;`, which tells Excel how to read the rest."""
    found = re.fullmatch(r'"?sep=(.)"?\s*', next(read_lines(file), ""), re.IGNORECASE)
    return found[1] if found else None


def _records(file: Path, mark: str, layout: Layout) -> Iterator[Row]:
    """All rows except blank ones, the header included."""
    usual: list[set[str]] | None = None
    declared = _declared(file) is not None
    for number, cells, lines in _parse(file, mark, layout, strict=layout.quoting != "none"):
        if number == 1 and declared:
            continue
        if len(lines) > 1 and layout.quoting is None:
            usual = usual or _usual_cells(file, mark, width=len(cells))
            alike = [
                one for one in map(partial(_cells, mark=mark), lines) if len(one) == len(cells)
            ]
            whole = [one for one in alike if _fits(one, usual)]
            # Of a cell that spans lines, the first or the last line may look like a row, not both.
            # Nor does a text have as many tabs in each of its lines as a row.
            if len(whole) > 1 or (mark == "\t" and len(alike) == len(lines)):
                raise DataError(
                    f"{file}, line {number}: the quotation mark that opens here makes one row of "
                    f"{len(lines):,} lines, but {len(alike):,} of them could be whole rows by "
                    "themselves.",
                    fix=_SPANS,
                )
        if len(lines) > 1 or lines[0].strip(" \r\n"):
            yield f"line {number}", cells


def _parse(
    file: Path, mark: str, layout: Layout, *, strict: bool = False
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Every record: the line on which it starts, its cells, and its lines."""
    csv.field_size_limit(sys.maxsize)
    lines: list[str] = []
    reader = csv.reader(
        _kept(read_lines(file), lines),
        delimiter=mark,
        quoting=csv.QUOTE_NONE if layout.quoting == "none" else csv.QUOTE_MINIMAL,
        strict=strict,
    )
    number = 1
    try:
        for cells in reader:
            yield number, cells, lines
            number = reader.line_num + 1
            lines.clear()
    except csv.Error as error:
        what = (
            "is never closed"
            if "unexpected end" in str(error)
            else f"is closed in line {reader.line_num} before the cell ends"
        )
        raise DataError(
            f"{file}, line {number}: a quotation mark opens a cell here, but {what}.",
            fix=_MISPLACED,
        ) from None


def _kept(lines: Iterator[str], kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line


def _usual_cells(file: Path, mark: str, *, width: int) -> list[set[str]]:
    """Of each column, its frequent values, if hardly a line has others; such as the classes."""
    counts: list[Counter[str]] = [Counter() for _ in range(width)]
    total = 0
    for line in read_lines(file):
        cells = _cells(line, mark)
        if len(cells) == width:
            total += 1
            for column, cell in zip(counts, cells, strict=True):
                column[cell[:_LABEL]] += 1
    usual = []
    for column in counts:
        frequent = {cell: n for cell, n in column.items() if n > max(1, total / 200)}
        usual.append(set(frequent) if sum(frequent.values()) >= 0.9 * total else set())
    return usual


def _fits(cells: Sequence[str], usual: Sequence[set[str]]) -> bool:
    """Whether a line's cells are usual ones wherever a column has such."""
    return any(usual) and all(
        not values or cell[:_LABEL] in values for cell, values in zip(cells, usual, strict=True)
    )


def _cells(line: str, mark: str) -> list[str]:
    return [cell.strip('"') for cell in line.rstrip("\r\n").split(mark)]
