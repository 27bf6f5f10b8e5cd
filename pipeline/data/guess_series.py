"""Guess which columns of a user's file are the time, the features and the target of a series."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

from pipeline.data import columns, times
from pipeline.data.columns import Column
from pipeline.data.guess_text import are_classes, the_label
from pipeline.data.look import Look, listed, unclear
from pipeline.data.schema import MISSING
from pipeline.errors import DataError

# Words in the names of columns. Of targets and series, the first that is found is taken.
# fmt: off
TARGETS = (
    "target", "y", "sales", "demand", "load", "consumption", "active", "power", "count",
    "cnt", "passengers", "traffic", "value", "price", "close", "temperature", "temp", "ot",
)
SERIES = (
    "series", "store", "shop", "item", "product", "sensor", "station", "meter", "device",
    "symbol", "ticker", "site", "id", "region", "state", "country", "city", "name",
)
TIMES = frozenset({
    "time", "timestamp", "date", "datetime", "unix", "epoch", "ts", "t", "step", "tick", "period",
    "year", "hour", "day",
})
# fmt: on
# Parts of a time: never what tells series apart.
PARTS = frozenset(
    {"hour", "minute", "day", "weekday", "week", "month", "quarter", "period", "slot"}
)
HOURS = frozenset({"hour", "hours", "hr"})
CALENDAR = (("year", "yr"), ("month", "mnth"), ("day",), ("hour", "hr"), ("minute", "min"))
ROWS_OF_A_SERIES = 5  # on average at least


def sequences_source(look: Look, *, features: Sequence[str], target: str | None) -> dict[str, Any]:
    """The `source` for whole sequences, lists of numbers; the target is a class or a number.

    Args:
        look: at the file.
        features: the columns of lists.
        target: the column that the user named.

    Raises:
        DataError: it isn't clear which column is the target.
    """
    others = [one for one in look.columns.values() if one.name not in features]
    numeric = [one for one in others if one.numeric and not are_classes(look, one)]
    if target is None and numeric and not any(are_classes(look, one) for one in others):
        target = numeric[-1].name
    chosen = look.columns[target] if target else the_label(look, aside=set(features))
    regression = chosen.numeric and not are_classes(look, chosen)
    return {
        "features": list(features),
        "target": chosen.name,
        **({"task": "regression"} if regression else {}),
    }


def series_source(
    look: Look,
    *,
    time: Sequence[str],
    features: Sequence[str],
    target: str | None,
    series: Sequence[str],
) -> tuple[dict[str, Any], int, list[str]]:
    """The `source` for a series, the rows of its shortest series, and notes for the reader.

    Args:
        look: at the file.
        time: the columns that the user named, if any; so for the others.

    Raises:
        DataError: no format fits the times, they repeat, or there is nothing to predict.
    """
    time = list(time) or find_time(look)
    formats = _formats(look, time)
    series = list(series) or _several(look, time)
    if time and series:
        _require_distinct(look, time, series)
    numeric = [
        one
        for one in look.columns.values()
        if one.numeric and one.name not in {*time, *series} and not _numbers_rows(look, one)
    ]
    features = list(features) or [one.name for one in numeric if one.distinct > 1]
    target = target or _the_target(look, [look.columns[name] for name in features])
    used = [look.columns[name] for name in dict.fromkeys([*features, target])]
    commas = any(one.kind == "numbers with a decimal comma" for one in used)
    source = {
        "time_column": time[0] if len(time) == 1 else time,
        "time_format": formats[0] if formats and formats[0] != times.ISO else None,
        "series_column": series[0] if len(series) == 1 else series,
        "features": features,
        "target": target,
        "decimal": "," if commas else None,
        "missing": "ffill" if any(one.missing for one in used) else None,
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    }
    notes = []
    counts = Counter(look.joined(series)) if series else Counter({"": look.seen})
    if series:
        notes.append(f"{len(counts):,} series, told apart by {listed(series)}.")
    if len(formats) > 1:
        notes.append(f"The times fit {formats[0]} and {formats[1]}: check `time_format`.")
    if not time:
        notes.append("No time column: the rows are taken as consecutive steps.")
    for why, unread in look.unread().items():
        notes.append(f"Not read, because {why}: {listed(unread)}.")
    notes += _missing(look, used)
    shortest = min(counts.values()) * look.rows // look.seen
    return {key: value for key, value in source.items() if value}, shortest, notes


def _missing(look: Look, used: Sequence[Column]) -> list[str]:
    gaps = [one for one in used if one.missing]
    if not gaps:
        return []
    first = look.places[min(one.missing[0] for one in gaps)] + 1
    where = f"{listed(one.name for one in gaps)}, first in row {first:,}"
    return [f"Missing values in {where}: `missing: ffill` repeats the value before."]


def find_time(look: Look) -> list[str]:
    """The columns that together are the time; none if there is no time."""
    parts = _calendar(look)
    if parts:
        return parts
    dated = [one for one in look.columns.values() if one.kind == "times"]
    whole = [one for one in look.columns.values() if one.kind == "whole numbers"]
    if not dated:
        counted = [one for one in whole if _called(one, TIMES) and one.distinct > 2]
        return [one.name for one in counted if _ascending(one)][:1]
    # Of several, the finest: a time rather than the day that it is on.
    best = max(dated, key=lambda one: (one.distinct, _called(one, TIMES)))
    clocks = [one for one in look.columns.values() if one.kind == "times of day"]
    hours = [one for one in whole if _called(one, HOURS) and _between(one, 0, 23)]
    apart = [] if _has_clock(best) else [one.name for one in (clocks or hours)[:1]]
    return [best.name, *apart]


def _calendar(look: Look) -> list[str]:
    """Year, month, … in columns of whole numbers."""
    whole = {one.name.lower(): one for one in look.columns.values() if one.kind == "whole numbers"}
    found: list[Column] = []
    for names in CALENDAR:
        here = [whole[name] for name in names if name in whole]
        if not here:
            break
        found.append(here[0])
    fits = len(found) > 1 and _between(found[0], 1000, 9999)
    return [one.name for one in found] if fits else []


def _called(column: Column, words: frozenset[str]) -> bool:
    """Whether one of these words is in the column's name."""
    return not words.isdisjoint(columns.tokens(column.name))


def _has_clock(column: Column) -> bool:
    """Whether the times differ within a day."""
    if column.formats:
        read = times.read_times(list(column.counts), column.formats[0])
        return bool((read != read.astype("datetime64[D]")).any())
    return any(getattr(value, "hour", 0) for value in column.values)


def _between(column: Column, low: int, high: int) -> bool:
    return all(low <= int(value) <= high for value in column.counts)


def _ascending(column: Column) -> bool:
    """Whether whole numbers grow, or restart now and then as the times of several series do."""
    written = map(columns.as_text, column.values)
    values = [int(float(value)) for value in written if value.strip().lower() not in MISSING]
    back = sum(after < before for before, after in pairwise(values))
    return back <= len(values) / ROWS_OF_A_SERIES


def _formats(look: Look, time: Sequence[str]) -> Sequence[str]:
    """The formats of the times; none if they are integers, or already times in the file.

    Raises:
        DataError: no format fits.
    """
    first = look.columns[time[0]] if time else None
    if first is None or (len(time) == 1 and first.kind in {"times", "whole numbers"}):
        return first.formats if first else ()
    written = look.joined(time)
    formats = times.find_formats(written)
    if not formats:
        raise DataError(
            f"{look.file}: the times in {listed(time)} have no known format: {written[0]!r}.",
            fix="write the hours from 0 to 23, as in 2026-01-31 23:00:00."
            if any(_counts_hours(look.columns[name]) for name in time)
            else "write them as 2026-01-31 18:00:00.",
        )
    return formats


def _counts_hours(column: Column) -> bool:
    """Whether these are the hours from 1 to 24, with which no format of a time agrees."""
    return (
        column.kind == "whole numbers"
        and {"1", "24"} <= column.counts.keys()
        and (column.distinct == 24)
    )


def _several(look: Look, time: Sequence[str]) -> list[str]:
    """The columns that tell several series apart, if times repeat; none if they don't.

    Raises:
        DataError: no column explains the repetition.
    """
    moments = look.joined(time)
    if len(set(moments)) == len(moments):
        return []
    few = [
        one
        for one in look.columns.values()
        if one.name not in time
        and not _called(one, PARTS)
        and one.kind in {"text", "whole numbers", "booleans"}
        and 2 <= one.distinct <= look.seen / ROWS_OF_A_SERIES
    ]
    few.sort(key=lambda one: (_place(one, SERIES), one.distinct))
    for size in (1, 2):
        for group in combinations(few[:20], size):
            names = [one.name for one in group]
            if len(set(zip(moments, look.joined(names), strict=True))) == len(moments):
                return names
    moment, count = Counter(moments).most_common(1)[0]
    raise DataError(
        f"{look.file} has {count:,} rows of the time {moment!r}, and no column tells several "
        "series apart.",
        fix="name the column that does, --series COLUMN, or all columns that make up the time, "
        "--time DATE HOUR, or keep one row for each time.",
    )


def _require_distinct(look: Look, time: Sequence[str], series: Sequence[str]) -> None:
    """Refuse columns that leave several rows of a series at the same time.

    Raises:
        DataError: with one of them.
    """
    moments = Counter(look.joined([*series, *time]))
    moment, count = moments.most_common(1)[0]
    if count > 1:
        raise DataError(
            f"{look.file} has {count:,} rows of {listed([*series, *time])} {moment!r}.",
            fix="name other columns: --series for what tells series apart, --time for the time.",
        )


def _numbers_rows(look: Look, column: Column) -> bool:
    """Whether a column only numbers the rows."""
    names = frozenset({"id", "index", "idx", "no", "nr", "row", "unnamed", "instant"})
    named = _called(column, names) or not columns.tokens(column.name)
    return named and column.kind == "whole numbers" and column.distinct == look.seen


def _the_target(look: Look, numeric: Sequence[Column]) -> str:
    """By its name, or else the last column with more than a few values."""
    if not numeric:
        raise unclear(look, "no column of numbers", look.columns.values(), "--target")
    named = min(numeric, key=lambda one: _place(one, TARGETS))
    if _place(named, TARGETS) < len(TARGETS):
        return named.name
    varied = [one for one in numeric if one.distinct > min(20, look.seen / 10)]
    return (varied or numeric)[-1].name


def _place(column: Column, names: Sequence[str]) -> int:
    """The place of the first of these names that the column's name contains."""
    words = columns.tokens(column.name)
    return min((names.index(word) for word in words if word in names), default=len(names))
