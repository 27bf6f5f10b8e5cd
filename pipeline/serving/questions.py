"""What a user asks a model about: texts or windows of numbers, read from a file row by row.

Every row is read lazily, so memory does not grow with the file. An error names the row.
"""

import csv
import difflib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core.texts import conversion
from pipeline.errors import DataError

STANDARD_INPUT = "-"


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        where: file and line, for an error.
        values: column → what stands there.
    """

    where: str
    values: Mapping[str, Any]


class Question(NamedTuple):
    """What a model is asked about.

    Attributes:
        where: file and line, for an error.
        content: a text, or for each feature a list of numbers.
    """

    where: str
    content: Any


def check_file(file: str) -> None:
    """Refuse a file that does not exist or has no known format.

    Raises:
        DataError: with what exists, or what can be read.
    """
    if file == STANDARD_INPUT:
        return
    path = Path(file)
    if not path.is_file():
        found = "does not exist"
        if path.exists():
            found = "is a folder" if path.is_dir() else "is no regular file"
        raise DataError(f"{file} {found}.", fix="name a file, or - for standard input.")
    if path.suffix.lower() not in READERS:
        raise DataError(
            f"{file} has {f'the suffix {path.suffix}' if path.suffix else 'no suffix'}.",
            fix=f"name a file of {', '.join(READERS)}, or - for standard input, a text a line.",
        )


def texts(file: str, column: str) -> Iterator[Question]:
    """The texts of a file, or of standard input, a text a line.

    Raises:
        DataError: the file can't be read, or a row holds no text.
    """
    from pipeline.serving.inputs import text_fault

    empty = True
    for where, values in _rows(file, [column]):
        if fault := text_fault(values[column]):
            raise DataError(
                f"{where} holds {fault} instead of a text.", fix="correct or remove that row."
            )
        empty = False
        yield Question(where, values[column])
    if empty:
        raise _no_rows(file)


def windows(file: str, features: Sequence[str], time_steps: int) -> Iterator[Question]:
    """The windows of a file: each row's lists of numbers, or else the last rows as one window.

    Args:
        file: a row for each window with a list for each feature, or a row for each time step.
        features: the columns.
        time_steps: the length of a window.

    Raises:
        DataError: the file can't be read, is too short, or a value is not a number.
    """
    if file == STANDARD_INPUT or Path(file).suffix.lower() == ".txt":
        raise DataError(
            f"The model reads a series of {', '.join(features)}; {file} can't hold one.",
            fix=f"name a CSV, JSON lines or parquet file with a row for each time step; the last "
            f"{time_steps} are the window.",
        )
    last: deque[Row] = deque(maxlen=time_steps)
    empty = True
    for row in _rows(file, features):
        empty = False
        if isinstance(row.values[features[0]], list):
            yield Question(row.where, row.values)
        else:
            last.append(row)
    if empty:
        raise _no_rows(file)
    if not last:
        return
    if len(last) < time_steps:
        raise DataError(
            f"{file} has {len(last):,} time steps; the model reads {time_steps}.",
            fix="add the steps before them.",
        )
    window = {name: [_number(row, name) for row in last] for name in features}
    yield Question(f"{file}, last {time_steps} rows", window)


def _number(row: Row, name: str) -> float:
    value = row.values[name]
    try:
        if isinstance(value, bool):
            raise TypeError(value)
        return float(value)
    except (TypeError, ValueError):
        raise DataError(
            f"{row.where}: {name} holds {value!r}, which is not a number.",
            fix="correct it; a window must have no gap.",
        ) from None


# ── files ────────────────────────────────────────────────────────────────────────────────


def _rows(file: str, columns: Sequence[str]) -> Iterator[Row]:
    if file == STANDARD_INPUT:
        return _lines(sys.stdin.buffer, "standard input", columns)
    path = Path(file)
    return READERS[path.suffix.lower()](path, columns)


def _lines(lines: Iterable[bytes], name: str, columns: Sequence[str]) -> Iterator[Row]:
    """A text a line."""
    for number, line in enumerate(lines, start=1):
        where = f"{name}, line {number:,}"
        yield Row(where, {columns[0]: _decoded(line, where).rstrip("\r\n")})


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is not UTF-8 (byte 0x{line[error.start]:02x}).",
            fix=conversion(line),
        ) from None


def _text_file(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with _opened(path) as file:
        yield from _lines(file, str(path), columns)


def _json_lines(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number:,}"
            if not line.strip():
                continue
            try:
                content = json.loads(_decoded(line, where))
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"{where} is not JSON: {error}.",
                    fix='write every line as one object, like {"text": "…"}.',
                ) from None
            if not isinstance(content, dict):
                raise DataError(
                    f"{where} is not an object but {type(content).__name__}.",
                    fix='write every line as one object, like {"text": "…"}.',
                )
            _require(content, columns, where)
            yield Row(where, content)


def _csv_file(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    from pipeline.data.readers import csv_separator

    with _opened(path):
        separator = csv_separator(path, columns)  # it raises what is not UTF-8
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        header: list[str] = []
        for where, fields in _readable(reader, path):
            if not fields:
                continue
            if not header:
                header = fields
                _require(header, columns, str(path))
            elif len(fields) != len(header):
                raise DataError(
                    f"{where}: {len(fields)} fields, but the header has {len(header)}.",
                    fix="enclose a text that holds the separator or a line break in double quotes.",
                )
            else:
                yield Row(where, dict(zip(header, fields, strict=True)))


def _readable(reader: Any, path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every record, and where it begins."""
    begun = 1
    try:
        for fields in reader:
            yield f"{path}, line {begun:,}", fields
            begun = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}, line {begun:,}, can't be read: {error}.",
            fix="close every quotation mark, double each one inside a text, and save it as CSV "
            "in UTF-8.",
        ) from None


def _parquet_file(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    with _opened(path):
        try:
            with pq.ParquetFile(path) as content:
                _require(content.schema_arrow.names, columns, str(path))
                for batch in content.iter_batches(batch_size=256, columns=list(columns)):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(f"{path}, row {number:,}", values)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}, after row {number:,}, can't be read: {' '.join(str(error).split())}",
                fix="copy or export it again; it is damaged or not a parquet file.",
            ) from None


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(
            f"{path} can't be read: {error.strerror}.", fix="check its permissions."
        ) from None


def _require(names: Iterable[str], columns: Sequence[str], where: str) -> None:
    names = list(names)
    for column in columns:
        if names.count(column) > 1:
            raise DataError(
                f"{where} has {names.count(column)} columns {column!r}.",
                fix="rename all but one.",
            )
        if column not in names:
            near = difflib.get_close_matches(column, names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            shown = ", ".join(map(repr, names[:20])) + (", …" if len(names) > 20 else "")
            raise DataError(
                f"{where} has no column {column!r}. It has: {shown or 'none'}.{hint}",
                fix="name the column of the texts with --column, or correct the file."
                if len(columns) == 1
                else f"give it a column for each feature: {', '.join(columns)}.",
            )


def _no_rows(file: str) -> DataError:
    name = "Standard input" if file == STANDARD_INPUT else file
    return DataError(f"{name} has no rows.", fix="give it at least one.")


READERS: Mapping[str, Callable[[Path, Sequence[str]], Iterator[Row]]] = {
    ".csv": _csv_file,
    ".tsv": _csv_file,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet_file,
    ".txt": _text_file,
}
