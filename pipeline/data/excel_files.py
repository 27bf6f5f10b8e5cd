"""Reading Excel workbooks (.xlsx): the cells of their only sheet, as text."""

import contextlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.data.header import PLAIN, Layout, Row, select
from pipeline.errors import DataError

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DATES = {*range(14, 23), *range(45, 48)}  # numbers of Excel's own formats for dates and times
_LITERAL = re.compile(r'\[[^\]]*\]|"[^"]*"|[\\_*].')  # parts of a format that are shown as they are
_DATE_LETTER = re.compile("[ymdhs]", re.IGNORECASE)
_COLUMNS = 16_384  # in a sheet, by its format
_DAMAGED = (  # what zipfile, zlib, expat and datetime raise
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    LookupError,
    ET.ParseError,
    ArithmeticError,
    ValueError,
)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def rows(file: Path, wanted: Sequence[str], layout: Layout = PLAIN) -> Iterator[Row]:
    """The wanted cells of every row that isn't empty, as text.

    Raises:
        DataError: the file is damaged or protected, has several sheets, or lacks a column.
    """
    uneven = "move what stands beside the table to another file."
    with _readable(file):
        yield from select(_records(file, layout), wanted, layout, file=file, uneven=uneven)


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn what a damaged workbook raises into a DataError."""
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.filename:  # the system's, of the file itself
            raise
        raise DataError(
            f"{file} can't be read as an Excel workbook: {error}.",
            fix="save it again without a password, or save it as CSV in UTF-8.",
        ) from None


def cells(file: Path) -> Iterator[list[str]]:
    """All cells of every row that isn't empty, the header included.

    Raises:
        DataError: as for `rows`.
    """
    with _readable(file):
        yield from (found for _, found in _records(file, PLAIN))


def _records(file: Path, layout: Layout) -> Iterator[Row]:
    """Every row, as wide as the first one at least."""
    width = len(layout.columns)
    with zipfile.ZipFile(file) as book:
        for number, cells in _only_sheet(book, file):
            width = width or len(cells)
            yield f"row {number}", cells + [""] * (width - len(cells))


def _only_sheet(book: zipfile.ZipFile, file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the only sheet that has any: their numbers, and cells up to the last filled."""
    workbook = ET.fromstring(book.read("xl/workbook.xml"))
    targets = {
        one.get("Id"): one.get("Target", "")
        for one in ET.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    }
    cells = _Cells(book, workbook)
    filled = None
    for sheet in workbook.iter(f"{_MAIN}sheet"):
        path = targets[sheet.get(_ID)].lstrip("/")
        with book.open(path if path.startswith("xl/") else f"xl/{path}") as content:
            for _, element in ET.iterparse(content):
                if element.tag != f"{_MAIN}row":
                    continue
                row = cells.read(element)
                number = int(element.get("r", "0"))
                element.clear()
                if not row:
                    continue
                if filled not in {None, sheet.get("name")}:
                    raise DataError(
                        f"{file} has several sheets: {filled!r}, {sheet.get('name')!r}.",
                        fix="keep one, or save each as a file of its own, such as train.xlsx and "
                        "test.xlsx.",
                    )
                filled = sheet.get("name")
                yield number, row


class _Cells:
    """Reads cells as text: strings that cells share, and numbers that are dates."""

    def __init__(self, book: zipfile.ZipFile, workbook: ET.Element) -> None:
        self._strings = []
        if "xl/sharedStrings.xml" in book.namelist():
            shared = ET.fromstring(book.read("xl/sharedStrings.xml"))
            self._strings = [_string(one) for one in shared.iter(f"{_MAIN}si")]
        self._dates = _date_styles(book)
        properties = workbook.find(f"{_MAIN}workbookPr")
        later = properties is not None and properties.get("date1904") in {"1", "true"}
        # A date in Excel has no time zone.
        self._start = datetime(1904, 1, 1) if later else datetime(1899, 12, 30)  # noqa: DTZ001

    def read(self, row: ET.Element) -> list[str]:
        """A row's cells, "" where there is none."""
        cells: list[str] = []
        for cell in row.iter(f"{_MAIN}c"):
            letters = re.match("[A-Z]+", cell.get("r", ""))
            if text := self._text(cell):
                place = column_number(letters[0]) if letters else len(cells)
                if place < len(cells):
                    raise ValueError(f"row {row.get('r')} has its cells out of order")
                if place >= _COLUMNS:
                    raise ValueError(f"row {row.get('r')} has a cell beyond the last column, XFD")
                cells += [""] * (place - len(cells))
                cells.append(text)
            elif not letters:
                cells.append("")
        return cells

    def _text(self, cell: ET.Element) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return _string(cell)
        value = cell.findtext(f"{_MAIN}v", "")
        if kind == "s":
            return self._strings[int(value)]
        if kind == "b":
            return "True" if value == "1" else "False"
        if kind == "n" and value and cell.get("s") in self._dates:
            return str(self._start + timedelta(seconds=round(float(value) * 86_400)))
        return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), value) if kind == "str" else value


def _string(element: ET.Element) -> str:
    """The text of a string, which may be in parts, without the hints for its pronunciation."""
    hints = {id(text) for hint in element.iter(f"{_MAIN}rPh") for text in hint}
    parts = [text.text or "" for text in element.iter(f"{_MAIN}t") if id(text) not in hints]
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), "".join(parts))


def _date_styles(book: zipfile.ZipFile) -> set[str]:
    """The numbers of the styles that show a number as a date or a time."""
    if "xl/styles.xml" not in book.namelist():
        return set()
    styles = ET.fromstring(book.read("xl/styles.xml"))
    dates = {str(number) for number in _DATES}
    for own in styles.iter(f"{_MAIN}numFmt"):
        if _DATE_LETTER.search(_LITERAL.sub("", own.get("formatCode", ""))):
            dates.add(own.get("numFmtId", ""))
    used = styles.find(f"{_MAIN}cellXfs")
    found = [] if used is None else [style.get("numFmtId") for style in used]
    return {str(number) for number, one in enumerate(found) if one in dates}


def column_number(letters: str) -> int:
    """A -> 0, Z -> 25, AA -> 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
