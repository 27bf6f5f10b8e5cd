"""Reading the rows of a table as steps of one series or of several: times, order, numbers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.core.sources import SeriesSource
from pipeline.data import schema, times
from pipeline.data.schema import Place
from pipeline.errors import DataError

WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
BACKWARD = 0.9  # share of steps that go back in a file with the newest rows first


def names(columns: str | Sequence[str] | None) -> list[str]:
    """The columns that a key of the source names: none, one or several."""
    return [columns] if isinstance(columns, str) else list(columns or ())


def read_times(
    table: pa.Table, columns: Sequence[str], *, pattern: str | None, place: Place
) -> pa.ChunkedArray | None:
    """The time of each row; None without a column of it. Integers stay what they are.

    Args:
        table: the rows.
        columns: one, or several that are joined by a space.
        pattern: their format, as for `strptime`; None: ISO 8601 or integers.
        place: locates a row.

    Raises:
        DataError: a row has no time.
    """
    if not columns:
        return None
    kinds = [table[one].type for one in columns]
    if len(columns) == 1 and pattern is None and not _is_text(kinds[0]):
        days, times_of = pa.types.is_date(kinds[0]), pa.types.is_timestamp(kinds[0])
        if not (pa.types.is_integer(kinds[0]) or days or times_of):
            raise _no_time(table[columns[0]][0].as_py(), place(0), columns)
        row = pc.index(table[columns[0]].is_null(), True).as_py()
        if row >= 0:
            raise _no_time(None, place(row), columns)
        found = table[columns[0]]
        return found.cast(pa.timestamp("ms")) if days else found
    written = times.join([table[one].to_pylist() for one in columns])
    if pattern is None and _is_whole(written[0]):
        odd = next((row for row, value in enumerate(written) if not _is_whole(value)), None)
        if odd is not None:
            raise _no_time(written[odd], place(odd), columns)
        whole = [value.partition(".")[0] for value in written]
        large = next((row for row, value in enumerate(whole) if len(value.lstrip("+-")) > 18), None)
        if large is not None:
            raise _no_time(written[large], place(large), columns)
        return pa.chunked_array([pa.array([int(value) for value in whole], pa.int64())])
    read = times.read_times(written, pattern or times.ISO)
    wrong = np.flatnonzero(np.isnat(read))
    if len(wrong):
        row = int(wrong[0])
        known = next(iter(times.find_formats(written)), None)
        raise _no_time(written[row], place(row), columns, pattern=pattern, known=known)
    return pa.chunked_array([pa.array(read)])


def in_order(
    time: pa.ChunkedArray | None, series: Sequence[str], *, rows: int, place: Place
) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """The rows of each series in order of time, and notes for the reader.

    Args:
        time: of each row.
        series: the name of each row's series; empty if there is only one.
        rows: number of rows.
        place: locates a row.

    Returns:
        series → <int64>[steps] row numbers, by first appearance; one series is named "".

    Raises:
        DataError: a row has no series, times repeat within a series, or go back and forth.
    """
    groups = {"": np.arange(rows)}
    if series:
        found, codes = np.unique(np.asarray(series, object), return_inverse=True)
        by_series = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        by_series.sort(key=lambda members: int(members[0]))
        groups = {series[int(members[0])]: members for members in by_series}
        if "" in found:
            raise DataError(
                f"{place(int(groups[''][0]))}: the series has no name.",
                fix="write the name of its series in each row, or remove the row.",
            )
    notes = [f"{len(groups):,} series; each is split in time."] if series else []
    if time is None:
        return groups, notes
    values = time.to_numpy()
    newest_first = 0
    for name, members in groups.items():
        back = np.count_nonzero(values[members[1:]] < values[members[:-1]])
        ordered = members[::-1] if back > BACKWARD * (len(members) - 1) else members
        newest_first += ordered is not members
        _require_order(values, ordered, series=name, place=place)
        groups[name] = ordered
    if newest_first:
        notes.append("The file has the newest rows first; they are read from the oldest on.")
    return groups, notes


def _require_order(
    values: NDArray[Any], members: NDArray[np.int64], *, series: str, place: Place
) -> None:
    """Refuse times that repeat, or go back.

    Raises:
        DataError: with the first row that does.
    """
    wrong = np.flatnonzero(values[members[1:]] <= values[members[:-1]])
    if not len(wrong):
        return
    before, row = (int(members[wrong[0] + step]) for step in (0, 1))
    where = f"{place(row)}{f', series {series!r}' if series else ''}"
    distinct = len(np.unique(values[members]))
    if distinct == len(members):
        raise DataError(
            f"{where}: time goes backward, from {_written(values[before])} to "
            f"{_written(values[row])}.",
            fix="sort the rows by time.",
        )
    raise DataError(
        f"{where}: {len(members):,} rows have only {distinct:,} distinct times, so times repeat.",
        fix="if the file has several series, name the column that tells them apart in "
        "`source.series_column`; else keep one row for each time.",
    )


def _written(time: np.datetime64 | np.int64) -> str:
    """As people write it; microseconds only where there are some."""
    return str(time).replace("T", " ").removesuffix(".000000")


def last_known(
    groups: Mapping[str, NDArray[np.int64]], column: pa.ChunkedArray
) -> NDArray[np.int64]:
    """<int64>[n], for each row, in the groups' order, the row that its number is taken from.

    It is the row itself, or where its number is missing the last one of its series that has one;
    -1 where none has.
    """
    absent = _absent(column)
    taken = []
    for members in groups.values():
        last = np.maximum.accumulate(np.where(absent[members], -1, np.arange(len(members))))
        taken.append(np.where(last < 0, -1, members[last]))
    return np.concatenate(taken)


def read_numbers(
    column: pa.ChunkedArray,
    *,
    name: str,
    source: SeriesSource,
    place: Place,
) -> NDArray[np.float64]:
    """A column as <float64>[n].

    Args:
        column: its cells.
        name: the column's name.
        source: its `decimal`.
        place: locates a row.

    Raises:
        DataError: a value is missing, or is not a finite number.
    """
    text, missing = _is_text(column.type), np.flatnonzero(_absent(column))
    if len(missing):
        more = f", as in {len(missing) - 1:,} more rows" if len(missing) > 1 else ""
        row = int(missing[0])
        raise DataError(
            f"{place(row)}: the column {name!r} has {column[row].as_py()!r}, so the number is "
            f"missing{more}.",
            fix="remove the row, or set `source.missing: ffill` in params.yaml to repeat the "
            "value before.",
        )
    if text and source.decimal == ",":
        # A dot before a comma separates thousands.
        dotted = pc.match_substring_regex(column, r"\..*,")
        column = pc.if_else(dotted, pc.replace_substring(column, ".", ""), column)
        column = pc.replace_substring(column, ",", ".")
    elif text:
        row = pc.index(pc.match_substring_regex(column, r"^\s*[+-]?\d*,\d+\s*$"), True).as_py()
        if row >= 0:
            raise DataError(
                f"{place(row)}: the column {name!r} has {column[row].as_py()!r}, with a comma.",
                fix="if it is the decimal point, set `source.decimal: ','` in params.yaml; if it "
                "separates thousands, remove it.",
            )
    return schema.numbers(column, name=name, place=place)


def _absent(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """<bool>[n], where a number is missing."""
    if not _is_text(column.type):
        return np.asarray(pc.is_null(column, nan_is_null=True).to_numpy())
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    named = pc.is_in(plain, value_set=pa.array(sorted(schema.MISSING), plain.type)).to_numpy()
    return np.asarray(named | column.is_null().to_numpy())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_whole(value: str) -> bool:
    return WHOLE.fullmatch(value) is not None


def _no_time(
    value: object,
    where: str,
    columns: Sequence[str],
    *,
    pattern: str | None = None,
    known: str | None = None,
) -> DataError:
    rule = f"a time like {pattern}" if pattern else "a time"
    fix = (
        "write times as 2026-01-31 18:00:00, all with or all without a time zone, or as integers; "
        "or say in `source.time_format` how they are written."
    )
    if known:
        fix = f"set `source.time_format: '{known}'` in params.yaml."
    return DataError(
        f"{where}: {' and '.join(map(repr, columns))} has {value!r}, not {rule}.", fix=fix
    )
