"""Times as people write them: finding their format, and reading them."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DataError

# Formats of a date and of a time of day, as in Python's `strptime`. Of two that fit equally well,
# the first is taken.
DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y-%m", "%Y/%m"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y"),
    *(
        "%d %b %Y",
        "%d %B %Y",
        "%d-%b-%Y",
        "%d-%b-%y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%b %Y",
        "%B %Y",
        "%b-%y",
    ),
    *("%Y %m %d", "%Y %m"),
)
# A quarter or an ISO week; `%q` is ours, since `strptime` has no quarters.
PERIODS = ("%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "%G-W%V", "%GW%V", "%G W%V")
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H.%M.%S", "%H")
ISO = "ISO8601"  # pandas' name for the formats of ISO 8601
ZONE = r"\d(?:Z|[+-]\d\d:?\d\d)$"
_TRIED = 200  # values on which a format is tried before the whole column is read with it


def find_formats(values: Sequence[str], *, clock: bool = False) -> list[str]:
    """The formats that fit every value, the most plausible first; ISO 8601 has its name.

    If a day may also be a month, as in 01/02/2026, the format with which the times are in order
    and evenly spaced comes first.

    Args:
        values: at least one, as written.
        clock: look for times of day without a date.
    """
    first = values[0].strip()
    if not (any(map(str.isdigit, first)) and len(first) <= 40):
        return []
    tried = list(dict.fromkeys(values[:: max(1, len(values) // _TRIED)]))
    distinct = list(dict.fromkeys(values))
    if not clock and _fits(tried, ISO) and _fits(distinct, ISO):
        return [ISO]
    marks = re.sub(r"[^\W_]+", "", first)
    alike = [
        one
        for one in (CLOCKS if clock else _dated())
        if re.sub(r"%\w|[A-Z]", "", one) == marks and _fits(tried, one)
    ]
    fitting = [one for one in alike if _fits(distinct, one)]
    if len(fitting) < 2:
        return fitting
    return sorted(fitting, key=lambda one: _disorder(read_times(values, one)))


def join(columns: Sequence[Sequence[Any]]) -> list[str]:
    """The columns' values of each row as text, joined by a space; 5.0 is written 5."""
    return [" ".join(map(_written, row)) for row in zip(*columns, strict=True)]


def _written(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return "" if value is None else str(int(value) if whole else value).strip()


def read_times(values: Sequence[str], pattern: str) -> NDArray[np.datetime64]:
    """<datetime64[us]>[n]; NaT where a value doesn't fit.

    If some values have a time zone, all are in UTC, and those without one don't fit.

    Args:
        values: as written.
        pattern: as for `strptime`, or `ISO`. `%q` is a quarter, which begins with its first
            month; an ISO week without a day begins on Monday.

    Raises:
        DataError: it is no pattern.
    """
    written = pd.Series([str(value).strip() for value in values], dtype=object)
    if "%q" in pattern:
        written = written.str.replace(r"(?<=Q)\d+", _first_month, regex=True)
        pattern = pattern.replace("%q", "%m")
    elif "%V" in pattern and not re.search("%[uaAw]", pattern):
        written, pattern = written + " 1", f"{pattern} %u"
    zoned = written.str.contains(ZONE)
    if pattern == ISO and zoned.any():
        written = written.where(zoned)
    utc = pattern == ISO and bool(zoned.any())
    try:
        read = pd.to_datetime(written, format=pattern, errors="coerce", utc=utc)
    except (ValueError, re.error) as error:
        raise DataError(
            f"`source.time_format` can't be {pattern!r}: {error}.",
            fix="write it as for Python's strptime, such as '%d/%m/%Y %H:%M'.",
        ) from None
    return np.asarray(read.dt.tz_localize(None).to_numpy(), "datetime64[us]")


def _first_month(quarter: re.Match[str]) -> str:
    """As a month that doesn't exist, if there is no such quarter."""
    return {"1": "01", "2": "04", "3": "07", "4": "10"}.get(quarter[0], "13")


def _dated() -> Iterator[str]:
    yield from DATES
    yield from PERIODS
    for date, clock, mark in itertools.product(DATES, CLOCKS, (" ", "T", ", ")):
        yield f"{date}{mark}{clock}"


def _fits(values: Sequence[str], pattern: str) -> bool:
    if pattern == ISO and not all(value[:4].isdigit() and "-" in value for value in values):
        return False  # 20260131 or 2026 may be a number
    return not (
        np.isnat(read_times(values[:1], pattern)).any()
        or np.isnat(read_times(values, pattern)).any()
    )


def _disorder(times: NDArray[np.datetime64]) -> tuple[Any, ...]:
    """The smaller, the likelier: steps that go back and forth, then distinct sizes of step."""
    steps = np.diff(times).astype(np.int64)
    back = min(int((steps < 0).sum()), int((steps > 0).sum()))
    return back, len(np.unique(steps))
