"""Reading JSON: one object per line, objects one after another, or a list, wrapped or not."""

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.header import SAMPLE, Row, missing_column
from pipeline.data.text_files import read_lines
from pipeline.errors import DataError

_OBJECT = '{"text": "…", "label": 1}'


class _RepeatedKeyError(Exception):
    """An object has a key twice, of which Python would keep the last."""


class LargeInteger(str):
    """The digits of an integer that doesn't fit in 64 bits."""

    __slots__ = ()


def rows(file: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """The wanted values of every row; None where it has none.

    Raises:
        DataError: it isn't JSON, a row isn't an object, or no row has a wanted column.
    """
    seen: dict[str, None] = {}
    for where, row in objects(file):
        seen.update(dict.fromkeys(row))
        yield where, [row.get(column) for column in wanted]
    for column in wanted if seen else ():
        if column not in seen:
            first = itertools.islice(objects(file), SAMPLE)
            sample = [[str(row.get(name)) for name in seen] for _, row in first]
            raise missing_column(list(seen), sample, column, file=file)


def objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row as column → value, and where it is. Nested objects give dotted columns.

    Raises:
        DataError: it isn't JSON, or a row isn't an object.
    """
    for where, value in _values(file):
        if not isinstance(value, dict):
            raise DataError(
                f"{file}, {where}: not an object but {type(value).__name__}; a file of rows is a "
                "list of objects, or one object per line.",
                fix=f"write every row as one object, like {_OBJECT}.",
            )
        yield where, dict(_flat(value))


def column(values: Sequence[Any], *, name: str, where: Sequence[str], file: Path) -> pa.Array:
    """Values of one column, all of one type.

    Args:
        values: [n].
        name: the column's name.
        where: [n], where each is in the file.
        file: for messages.

    Raises:
        DataError: their types differ, or a text is not valid Unicode.
    """
    kinds = Counter(_kind(value) for value in values if value is not None)
    try:
        if set(kinds) <= {"int", "float"} or len(kinds) < 2:
            return pa.array(values)
    except UnicodeEncodeError:
        row = next(n for n, value in enumerate(values) if not _is_unicode(value))
        raise DataError(
            f"{file}, {where[row]}: the column {name!r} is not UTF-8: it has half of a "
            "surrogate pair.",
            fix="correct that text.",
        ) from None
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(
            f"{file}, {where[0]} and after: the column {name!r} has values of different types: "
            f"{error}.",
            fix="use the same type in every row.",
        ) from None
    (usual, _), *_ = kinds.most_common(1)
    row = next(n for n, value in enumerate(values) if value is not None and _kind(value) != usual)
    raise DataError(
        f"{file}, {where[row]}: the column {name!r} has type {_kind(values[row])} here and {usual} "
        "elsewhere.",
        fix="use the same type in every row.",
    )


def _kind(value: object) -> str:
    return (
        "integer of more than 64 bits" if isinstance(value, LargeInteger) else type(value).__name__
    )


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


# ── the file's shape ─────────────────────────────────────────────────────────────────────


def _values(file: Path) -> Iterator[tuple[str, Any]]:
    numbered = ((n, line) for n, line in enumerate(read_lines(file), start=1) if line.strip())
    first = list(itertools.islice(numbered, 2))
    if len(first) == 2 and _is_object(first[0][1]):
        for number, line in itertools.chain(first, numbered):
            with _faults(file, line=number):
                value = _DECODER.decode(line.strip())
            yield f"line {number}", value
    elif first:
        yield from _successive("".join(read_lines(file)), file)


def _is_object(line: str) -> bool:
    try:
        return isinstance(_DECODER.decode(line.strip()), dict)
    except (ValueError, RecursionError, _RepeatedKeyError):
        return False


def _successive(text: str, file: Path) -> Iterator[tuple[str, Any]]:
    """The values that follow one another; if there is only one, the rows in it."""
    start = _skip(text, 0)
    line = 1 + text.count("\n", 0, start)
    only = True
    while start < len(text):
        with _faults(file):
            value, end = _DECODER.raw_decode(text, start)
        after = _skip(text, end)
        if only and after == len(text):
            yield from _inner(value, file)
            return
        only = False
        yield f"line {line}", value
        line += text.count("\n", start, after)
        start = after


def _skip(text: str, place: int) -> int:
    """The next place that is not white space."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


@contextlib.contextmanager
def _faults(file: Path, *, line: int = 1) -> Iterator[None]:
    """Turn a decoder's error into ours; `line` is where the text begins."""
    try:
        yield
    except json.JSONDecodeError as fault:
        raise DataError(
            f"{file}, line {line + fault.lineno - 1}: not valid JSON: {fault.msg} (column "
            f"{fault.colno}).",
            fix=f"correct or remove it; a row is an object, like {_OBJECT}.",
        ) from None
    except _RepeatedKeyError as fault:
        raise DataError(
            f"{file}: an object has the key {fault.args[0]!r} twice.",
            fix="remove one of the two, or rename it.",
        ) from None
    except RecursionError:
        raise DataError(
            f"{file}, line {line}: nested too deeply.", fix=f"write flat objects, like {_OBJECT}."
        ) from None


def _inner(value: Any, file: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a single value: a list, an object around one, or an object of columns."""
    if isinstance(value, list):
        yield from ((f"row {n}", row) for n, row in enumerate(value, start=1))
        return
    parts = dict(_flat(value)) if isinstance(value, dict) else {}
    lists = {key: found for key, found in parts.items() if _is_table(found)}
    if len(lists) > 1:
        raise DataError(
            f"{file} has several lists of rows: {', '.join(map(repr, lists))}.",
            fix="write each list to a file of its own, such as train.json and test.json.",
        )
    if lists:
        [(key, found)] = lists.items()
        yield from ((f"row {n} of {key!r}", row) for n, row in enumerate(found, start=1))
    else:
        rows = _of_columns(value) if parts else [value]
        yield from ((f"row {n}", row) for n, row in enumerate(rows, start=1))


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _of_columns(value: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The rows of an object of columns or of rows, as pandas writes them, or the object itself."""
    if {"columns", "data"} <= value.keys() <= {"columns", "data", "index"}:
        names, data = value["columns"], value["data"]  # pandas' orient="split"
        if _is_matrix([names]) and _is_matrix(data) and len(names) == len(data[0]):
            return [dict(zip(map(str, names), cells, strict=True)) for cells in data]
    inner = [one for one in value.values() if isinstance(one, dict)]
    lists = [one for one in value.values() if isinstance(one, list)]
    if len(inner) == len(value) and all(list(one) == list(inner[0]) for one in inner):
        if len(inner) > len(inner[0]):  # a table has more rows than columns
            return inner
        columns = [list(one.values()) for one in inner]
    elif len(lists) == len(value) and len(set(map(len, lists))) == 1:
        columns = lists
    else:
        return [value]
    return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _is_matrix(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list) and len(row) == len(value[0]) for row in value)
    )


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _integer(digits: str) -> int | LargeInteger:
    number = int(digits) if len(digits) <= 20 else 2**64
    return number if -(2**63) <= number < 2**63 else LargeInteger(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _RepeatedKeyError(max(counts, key=lambda key: counts[key]))
    return found


_DECODER = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_object)
