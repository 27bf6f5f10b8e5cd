"""Converting a source's columns to the schema of `data/raw`: text, label, evidence, numbers."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.core.texts import unprintable
from pipeline.data import class_names, splitting
from pipeline.errors import DataError

EVIDENCE = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())]))
# A column with more distinct labels than this holds texts, identifiers or measurements instead.
MANY_CLASSES = 1000

# How a missing number is written; also as nothing, null or NaN.
MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none"})

LARGEST = 1e30  # a network's numbers end at 3e38, and it multiplies and adds them

BLANK_LINE = "\n\n"  # between the parts of a text that is in several columns

_TEXT = (pa.types.is_string, pa.types.is_large_string)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)

# Row number (from 0) → where the user finds that row.
Place = Callable[[int], str]


def texts(columns: Mapping[str, pa.ChunkedArray], *, place: Place) -> pa.ChunkedArray:
    """The text columns as one <string>[n]; a single column's characters are not copied.

    Several columns are joined by a blank line, without parts that are null or blank.

    Raises:
        DataError: a column contains something else, or a row has no text at all.
    """
    parts = {name: _text(column, name=name, place=place) for name, column in columns.items()}
    if len(parts) == 1:
        [(name, text)] = parts.items()
        row = _first(pc.is_null(text))
        if row is not None:
            raise DataError(
                f"{place(row)}: the column {name!r} is null, so there is no text.",
                fix="add the text, or remove the row.",
            )
        return text
    written = [
        pc.if_else(pc.match_substring_regex(part, r"^\s*$"), pa.scalar(None, pa.string()), part)
        for part in parts.values()
    ]
    row = _first(functools.reduce(pc.and_, map(pc.is_null, written)))
    if row is not None:
        raise DataError(
            f"{place(row)}: the columns {', '.join(map(repr, parts))} are empty, so there is no "
            "text.",
            fix="fill one of them, or remove the row.",
        )
    return pc.binary_join_element_wise(*written, BLANK_LINE, null_handling="skip")


def _text(column: pa.ChunkedArray, *, name: str, place: Place) -> pa.ChunkedArray:
    """A column as <string>[n], with nulls."""
    if not any(check(column.type) for check in (*_TEXT, pa.types.is_null)):
        raise _wrong_type(column, name=name, wanted="text", place=place)
    return _in_unicode(column, name=name, place=place).cast(pa.string())


def groups(column: pa.ChunkedArray, *, name: str, place: Place) -> NDArray[np.int64]:
    """A column of groups as <int64>[n], equal for equal values.

    Raises:
        DataError: a value is null, blank, or itself a list.
    """
    if pa.types.is_nested(column.type):
        raise _wrong_type(column, name=name, wanted="a group", place=place)
    written = _in_unicode(column, name=name, place=place).cast(pa.string())
    row = _first(pc.fill_null(pc.match_substring_regex(written, r"^\s*$"), True))
    if row is not None:
        raise DataError(
            f"{place(row)}: the column {name!r} is empty, so the row belongs to no group.",
            fix="name its group, even if it is alone in it, or remove the row.",
        )
    return splitting.identities({"": written})[""]


def labels(
    columns: Mapping[str, pa.ChunkedArray],
    *,
    name: str,
    classes: Sequence[str] | None,
    places: Mapping[str, Place],
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """The label columns of all splits as class numbers, and the classes' names.

    Labels are names or integers. With `classes`, names must be among them, and integers are
    their indices from 0. Without, the classes are the sorted labels. Integers that are written
    in several ways, such as 1 and 1.0, are one class.

    Args:
        columns: split → labels [n].
        name: the column's name.
        classes: names given by the user or by the dataset's own features.
        places: split → function that locates its rows.

    Returns:
        split → <int64>[n], and the classes.

    Raises:
        DataError: a label is null, blank, several labels or not a class, or there are far too
            many classes.
    """
    distinct = {
        split: _distinct_labels(column, name=name, place=places[split])
        for split, column in columns.items()
    }
    values = list(dict.fromkeys(value for found in distinct.values() for value in found))
    if len(values) > MANY_CLASSES:
        raise DataError(
            f"The column {name!r} has {len(values):,} distinct labels, too many for classes.",
            fix="set `source.label_column` in params.yaml to the column of the classes.",
        )

    def refuse(value: str, fault: str, *, fix: str) -> DataError:
        split = next(split for split, found in distinct.items() if value in found)
        row = _row_of(columns[split], distinct[split].index(value))
        return DataError(f"{places[split](row)}: the label {value!r} {fault}", fix=fix)

    for value in filter(unprintable, values):
        raise refuse(
            value,
            "contains a control character, which no class's name may.",
            fix="remove the character, such as a line break or a terminal's color code.",
        )
    whole = all(map(class_names.WHOLE.fullmatch, values))
    if classes is None:
        for value in class_names.several_labels(values):
            raise refuse(
                value,
                "seems to be several labels. A row has one label here; several are not supported.",
                fix="keep one label in each row, or learn one of them from a column of 0 and 1. If "
                "it is the name of one class, list all classes in `source.classes` in params.yaml.",
            )
        numbers, classes = class_names.number_classes(values)
    elif set(values) <= set(classes):
        numbers = {value: classes.index(value) for value in values}
    elif whole:
        numbers = {value: int(Decimal(value)) for value in values}
    else:
        numbers = {value: classes.index(value) for value in values if value in classes}
    for value in values:
        if not 0 <= numbers.get(value, -1) < len(classes):
            rule = f"numbers from 0 to {len(classes) - 1}" if whole else "one of the classes"
            shown = f"{', '.join(classes[:10])}{', …' if len(classes) > 10 else ''}"
            raise refuse(
                value,
                f"is out of range; labels are {rule} ({shown}).",
                fix="correct the row, or `source.classes` in params.yaml (without it, the classes "
                "are taken from the labels).",
            )
    coded = {
        split: np.array([numbers[value] for value in distinct[split]], np.int64)[_codes(column)]
        for split, column in columns.items()
    }
    return coded, tuple(classes)


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """<int64>[n], the place of each value among the distinct ones."""
    return np.asarray(pc.index_in(column, value_set=pc.unique(column)).to_numpy(), np.int64)


def _row_of(column: pa.ChunkedArray, code: int) -> int:
    """The first row with a value."""
    return int(np.argmax(_codes(column) == code))


def _distinct_labels(column: pa.ChunkedArray, *, name: str, place: Place) -> list[str]:
    """The column's distinct values as text, in order of appearance."""
    kind = column.type
    if pa.types.is_nested(kind):
        raise DataError(
            f"{place(0)}: the column {name!r} has type {kind}. A row has one label here; several "
            "are not supported.",
            fix="keep one label in each row, or learn one of them from a column of 0 and 1.",
        )
    known = (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )
    if not known:
        raise _wrong_type(column, name=name, wanted="a label", place=place)
    row = _first(pc.is_null(column, nan_is_null=True))
    if row is not None:
        raise _no_label("null", place(row), name=name)
    column = _in_unicode(column, name=name, place=place)
    written = []
    for value in pc.unique(column).to_pylist():
        if isinstance(value, str) and not value.strip():
            raise _no_label("blank", place(pc.index(column, value).as_py()), name=name)
        if isinstance(value, float) and not value.is_integer():
            raise DataError(
                f"{place(pc.index(column, value).as_py())}: the label {value!r} is neither a name "
                "nor an integer.",
                fix="set `source.label_column` in params.yaml to the column of the classes.",
            )
        written.append(str(int(value)) if isinstance(value, float) else str(value))
    return written


def _no_label(what: str, where: str, *, name: str) -> DataError:
    return DataError(
        f"{where}: the column {name!r} is {what}, so there is no label.",
        fix="add the label, or remove the row.",
    )


def evidence(
    column: pa.ChunkedArray, text: pa.ChunkedArray, *, name: str, place: Place
) -> pa.ChunkedArray:
    """The evidence column as lists of {start, end}: half-open spans of the text's characters.

    A row has a list of spans, each `{"start": …, "end": …}` or `[start, end]`, written as JSON
    in a CSV file. Null means no evidence.

    Raises:
        DataError: a row has something else, or a span outside its text.
    """
    lengths = pc.utf8_length(text).to_numpy()
    rows = []
    for row, value in enumerate(column.to_pylist()):
        try:
            spans = _spans(value)
        except (ValueError, TypeError, KeyError):
            raise DataError(
                f"{place(row)}: the column {name!r} is not a list of character spans: {value!r}.",
                fix="write each span as [start, end], as in [[0, 12], [40, 55]].",
            ) from None
        for start, end in spans:
            if not 0 <= start < end <= lengths[row]:
                raise DataError(
                    f"{place(row)}: the evidence [{start}, {end}] is not within the text, which "
                    f"has {lengths[row]} characters.",
                    fix="count characters from 0, with the start included and the end excluded.",
                )
        rows.append([{"start": start, "end": end} for start, end in spans])
    return pa.chunked_array([pa.array(rows, EVIDENCE)])


def _spans(value: object) -> list[tuple[int, int]]:
    if isinstance(value, str):
        value = json.loads(value) if value.strip() else None
    if not isinstance(value, list | None):
        raise TypeError
    spans = []
    for span in value or []:
        start, end = (span["start"], span["end"]) if isinstance(span, dict) else span
        if type(start) is not int or type(end) is not int:
            raise TypeError
        spans.append((start, end))
    return spans


def numbers(column: pa.ChunkedArray, *, name: str, place: Place) -> NDArray[np.float64]:
    """A numeric column as <float64>[n]; text is parsed as decimal numbers.

    Raises:
        DataError: a row is not a finite number, or is larger than `LARGEST`.
    """
    if not any(kind(column.type) for kind in (*_TEXT, *_NUMBERS)):
        raise _wrong_type(column, name=name, wanted="numbers", place=place)
    try:
        values = np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        values = np.array([_number(value) for value in column.to_pylist()])
    wrong = np.flatnonzero(~(np.abs(values) <= LARGEST))  # so is what is no number
    if len(wrong):
        row = int(wrong[0])
        rule = f"beyond {LARGEST:g}" if np.isfinite(values[row]) else "not a finite number"
        raise DataError(
            f"{place(row)}: the column {name!r} has {column[row].as_py()!r}, {rule}.",
            fix="write a number with a decimal point there, remove the row, or name another "
            "column in the dataset's `source` in params.yaml.",
        )
    return values


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # other types are caught
    except (TypeError, ValueError):
        return np.nan


def lists(column: pa.ChunkedArray, *, name: str, place: Place) -> NDArray[np.float64]:
    """A column of lists of numbers, all of the same length, as <float64>[n, time_steps].

    Raises:
        DataError: a row has something else, or a list of another length.
    """
    kind = column.type
    listed = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(check(kind) for check in listed):
        raise _wrong_type(column, name=name, wanted="lists of numbers", place=place)
    row = _first(pc.is_null(column))
    if row is not None:
        raise DataError(
            f"{place(row)}: the column {name!r} is null.", fix="add the list, or remove the row."
        )
    lengths = pc.list_value_length(column).to_numpy()
    odd = np.flatnonzero(lengths != lengths[0])
    if len(odd) or not lengths[0]:
        row = int(odd[0]) if len(odd) else 0
        raise DataError(
            f"{place(row)}: {lengths[row]} steps in the column {name!r}, {lengths[0]} in the "
            "first row.",
            fix="give every row the same number of steps, at least one.",
        )
    steps = int(lengths[0])
    values = numbers(pc.list_flatten(column), name=name, place=lambda item: place(item // steps))
    return values.reshape(-1, steps)


def _first(mask: pa.ChunkedArray | pa.Array) -> int | None:
    """The first row where the mask is true."""
    row: int = pc.index(mask, True).as_py()
    return None if row < 0 else row


def _in_unicode(column: pa.ChunkedArray, *, name: str, place: Place) -> pa.ChunkedArray:
    """The column itself, if its text is valid; the JSON and parquet readers don't check."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        for row, value in enumerate(column):
            try:
                value.as_py()
            except UnicodeDecodeError:
                raise DataError(
                    f"{place(row)}: the column {name!r} is not UTF-8.",
                    fix="write that text in UTF-8, or remove the row.",
                ) from None
        raise
    return column


def _wrong_type(column: pa.ChunkedArray, *, name: str, wanted: str, place: Place) -> DataError:
    """The error for a column of the wrong type, or of several types."""
    if isinstance(column.type, pa.BaseExtensionType):
        # `datasets` keeps a JSON column whose rows have different types as JSON.
        kinds = [type(json.loads(value or "null")).__name__ for value in column.to_pylist()]
        usual, _ = Counter(kinds).most_common(1)[0]
        row = next(number for number, kind in enumerate(kinds) if kind != usual)
        return DataError(
            f"{place(row)}: the column {name!r} has type {kinds[row]} here and {usual} elsewhere.",
            fix="use the same type in every row.",
        )
    return DataError(
        f"{place(0)}: the column {name!r} has type {column.type}, not {wanted}.",
        fix="name another column in the dataset's `source` in params.yaml, or write it as text.",
    )
