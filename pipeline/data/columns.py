"""Looking at a user's file: a sample of all its rows, and what each column seems to hold."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from math import isnan
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import times
from pipeline.data.schema import MISSING

WHOLE = re.compile(r"[+-]?\d{1,3}(\.\d{3})+|[+-]?\d+")  # 1234, or with a comma elsewhere 1.234
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")  # 1,234,567
# A day and a time of the day in words and numbers, in a format that isn't known.
DATE = re.compile(
    r"(?=.*\d:\d\d)(?:(?i:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"[a-z]*[.,]?|[+-]?\d[\d:.,/-]*|[AaPp]\.?[Mm]\.?|[A-Z]{2,5}|\s)+",
)
# 3.02 kW, 45 %, $12.50
WITH_UNIT = re.compile(r"[+-]?\d[\d.,]*\s*[^\d\s]{1,6}|[$£€¥₹]\s*\d[\d.,]*")
DECIMAL_COMMA = re.compile(r"[+-]?(\d*|\d{1,3}(\.\d{3})+),\d+")  # 2,5 or 1.234,5
FEW, UNITS = 12, 3  # distinct values that may be names; different units
Kind = Literal[
    "nothing", "booleans", "whole numbers", "numbers", "numbers with a decimal comma",
    "numbers with thousands separators", "times", "times of day", "lists of numbers", "lists",
    "text", "mixed",
]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """What a column seems to hold.

    Attributes:
        values: of the rows that were looked at, as in the file.
        kind: what all values are, apart from missing ones.
        formats: of times, as `times.find_formats` gives them; empty for integers and time objects.
    """

    name: str
    values: Sequence[Any]
    kind: Kind
    formats: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> Counter[str]:
        """Distinct values that aren't missing, as classes are named: 5.0 is 5."""
        there = Counter(value for value in map(as_text, self.values) if value)
        if self.kind != "whole numbers":
            return there
        whole: Counter[str] = Counter()
        for value, count in there.items():
            if value.strip().lower() not in MISSING:
                whole[_whole(value)] += count
        return whole

    @property
    def distinct(self) -> int:
        return len(self.counts)

    @cached_property
    def missing(self) -> list[int]:
        """The places, among the values, of those that are missing."""
        marks = MISSING if self.numeric else {""}
        return [n for n, value in enumerate(self.values) if as_text(value).strip().lower() in marks]

    @property
    def unread(self) -> str | None:
        """What keeps its numbers from being read; None if it holds none, or they are read."""
        if self.kind == "numbers with thousands separators":
            return "a comma separates thousands"
        # A few may be names, such as 2B, and so may many with many letters.
        if self.kind != "text" or self.distinct < FEW:
            return None
        there = {value for value in self.counts if value.strip().lower() not in MISSING}
        units = {re.sub(r"[\d.,+\s-]", "", value) for value in there}
        measured = len(units) <= UNITS and all(map(WITH_UNIT.fullmatch, there))
        return "a unit is beside each" if measured else None

    @property
    def numeric(self) -> bool:
        return self.kind in {"whole numbers", "numbers", "numbers with a decimal comma"}

    @property
    def numbers(self) -> NDArray[np.float64]:
        """<float64>[n]; NaN where a cell holds no number."""
        comma = "." if self.kind == "numbers with a decimal comma" else ""
        words = pd.Series([as_text(value).replace(",", comma) for value in self.values], dtype=str)
        return np.asarray(pd.to_numeric(words, errors="coerce"), np.float64)

    @cached_property
    def length(self) -> float:
        """Mean number of characters."""
        return sum(len(as_text(value)) for value in self.values) / len(self.values)

    @cached_property
    def words(self) -> float:
        """Mean number of words with a letter; in scripts without spaces, of characters."""
        found = [
            re.findall(r"[\u0e00-\u0eff\u2e80-\uffff]|\S*[^\W\d_]\S*", value)
            for value in self.counts
        ]
        return sum(map(len, found)) / max(len(found), 1)

    def describe(self) -> str:
        """The kind, the number of distinct values, and examples: the most frequent ones."""
        what: str = self.kind
        if self.kind in {"text", "whole numbers", "booleans"}:
            what += f", {self.distinct:,} distinct"
        return f"{what}: {', '.join(map(shorten, self.examples()))}" if self.counts else what

    def examples(self, count: int = 3) -> list[str]:
        """Values that recur most, or else the first."""
        return [value for value, _ in self.counts.most_common(count)]


def describe(name: str, values: Sequence[Any]) -> Column:
    """Find the kind of a column's values, ignoring missing ones."""
    there = [value for value in values if value is not None and not _is_nan(value)]
    there = [value for value in there if not isinstance(value, str) or value.strip()]
    if there and all(isinstance(value, str | int | float) for value in there):
        return _describe_words(name, values, [str(value).strip() for value in there])
    kind: Kind = "mixed"
    if not there:
        kind = "nothing"
    elif all(isinstance(value, list) for value in there):
        inner = [item for value in there for item in value]
        numeric = inner and all(type(item) in {int, float} for item in inner)
        kind = "lists of numbers" if numeric else "lists"
    elif all(isinstance(value, date) for value in there):
        kind = "times"
    return Column(name, values, kind)


def _describe_words(name: str, values: Sequence[Any], words: list[str]) -> Column:
    """As `describe`, of what can stand in a CSV file."""
    if {word.lower() for word in words} <= {"true", "false"}:
        return Column(name, values, "booleans")
    if all(word[0] + word[-1] == "[]" for word in words):
        return Column(name, values, "lists")
    kind = _number_kind([word for word in words if word.lower() not in MISSING])
    if kind is None:
        formats = times.find_formats(words)
        clocks = [] if formats else times.find_formats(words, clock=True)
        dated = formats or (not clocks and all(map(DATE.fullmatch, set(words))))
        found: Kind = "times" if dated else "times of day" if clocks else "text"
        return Column(name, values, found, tuple(formats or clocks))
    days = times.find_formats(words) if all(len(word) == 8 for word in words) else []
    if kind == "whole numbers" and days == ["%Y%m%d"]:
        return Column(name, values, "times", ("%Y%m%d",))
    return Column(name, values, kind)


def as_text(value: Any) -> str:
    """A cell as it would be written in a CSV file; nothing for null and NaN."""
    return "" if value is None or _is_nan(value) else str(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and isnan(value)


def tokens(name: str) -> list[str]:
    """The words of a column's name: `reviewText` and `review_text` have the same."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _number_kind(words: Sequence[str]) -> Kind | None:
    if not words:
        return None
    if all("," in word or WHOLE.fullmatch(word) for word in words):
        with_comma = [word for word in words if "," in word]
        if with_comma and all(map(THOUSANDS.fullmatch, with_comma)):
            return "numbers with thousands separators"
        if with_comma and all(map(DECIMAL_COMMA.fullmatch, with_comma)):
            return "numbers with a decimal comma"
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return "whole numbers" if all(map(float.is_integer, numbers)) else "numbers"


def _whole(value: str) -> str:
    """A whole number as the name of a class, without rounding long ones: +1 and 1.0 are 1."""
    return str(int(value) if value.strip().lstrip("+-").isdecimal() else int(float(value)))


def shorten(text: str, width: int = 30) -> str:
    """The text on one line, cut to this many characters."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
