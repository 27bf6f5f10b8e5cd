"""Series as people bring them: times in several columns, gaps, several series in one file."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.baselines.naive import naive_forecasts
from pipeline.core.params import SeriesEncode
from pipeline.core.sources import SeriesSource, SeriesSplit
from pipeline.data import series
from pipeline.data.series_checks import Findings, check_series
from pipeline.encoding.series import encode_series, series_report
from pipeline.errors import DataError

Examine = Callable[..., Findings]
SHARES = SeriesSplit(train=0.6, validation=0.2, test=0.2)


@pytest.fixture
def examine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Examine:
    """A function that loads and checks lines of a file with a header."""

    def examined(lines: list[str], **keys: Any) -> Findings:
        (tmp_path / "own.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        source = SeriesSource(kind="series", path="own.csv", split=SHARES, **keys)
        cache = tmp_path_factory.mktemp("cache")
        return check_series(series.load_series("own", source, home=tmp_path, cache=cache))

    return examined


def target(findings: Findings) -> list[float]:
    """The target's values in all splits, in their order."""
    column = findings.series.target
    return [value for table in findings.tables.values() for value in table[column].to_pylist()]


POWER = [
    "Date;Time;Active",
    *(f"31/01/2026;{8 + n // 60:02d}:{n % 60:02d};{n}" for n in range(120)),
]
JOINED = {"features": ("Active",), "target": "Active", "time_column": ("Date", "Time")}


def test_date_and_time_in_columns_of_their_own(examine: Examine) -> None:
    """They are joined, and read as the format says."""
    findings = examine(POWER, **JOINED, time_format="%d/%m/%Y %H:%M")
    assert (findings.step, findings.series.time) == ("0:01:00", "Date Time")
    assert findings.card()["splits"]["test"]["to"] == "2026-01-31 09:59:00"
    assert target(findings) == [*range(120)]


@pytest.mark.parametrize("wrong", [None, "%m/%d/%Y %H:%M"])
def test_a_format_that_would_fit_is_named(wrong: str | None, examine: Examine) -> None:
    """Where the times don't fit ISO 8601, or the format that was given."""
    with pytest.raises(
        DataError, match=r"line 2: 'Date' and 'Time' has '31/01/2026 08:00'"
    ) as error:
        examine(POWER, **JOINED, time_format=wrong)
    assert "`source.time_format: '%d/%m/%Y %H:%M'`" in error.value.fix


@pytest.mark.parametrize("pattern", ["%-d/%m/%Y", "%d/%m/%Y %H:%M%", "%Q", "%d %d"])
def test_what_is_no_format_is_told(pattern: str, examine: Examine) -> None:
    """With what is wrong with it."""
    with pytest.raises(DataError, match=r"`source.time_format` can't be '%") as error:
        examine(POWER, **JOINED, time_format=pattern)
    assert "strptime" in error.value.fix


@pytest.mark.parametrize("unit", ["date32", "date64"])
def test_days_in_parquet_are_times(unit: str, tmp_path: Path) -> None:
    """As pandas and databases write dates."""
    days = pa.array([date(2026, 1, 1) + timedelta(n) for n in range(20)], getattr(pa, unit)())
    pq.write_table(pa.table({"day": days, "a": [*range(20)]}), tmp_path / "own.parquet")
    source = SeriesSource(
        kind="series", path="own.parquet", split=SHARES, features=("a",), target="a",
        time_column="day",
    )  # fmt: skip
    cache = tmp_path / "cache"
    cache.mkdir()
    findings = check_series(series.load_series("own", source, home=tmp_path, cache=cache))
    assert findings.step == "1 day"
    assert findings.card()["splits"]["train"]["from"] == "2026-01-01 00:00:00"


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("a", "1e300", r"line 11: .*'1e300', beyond 1e\+30"),
        ("t", "9" * 19, "line 11: 't' has '9+', not a time"),
        ("t", "9" * 5000, "line 11: 't' has '9+', not a time"),
    ],
)
def test_numbers_that_nothing_can_compute_with_are_refused(
    column: str, cell: str, said: str, examine: Examine
) -> None:
    """Where they are read, not by a network hours later."""
    rows = [{"t": str(n), "a": f"{n}.5", "b": str(n)} for n in range(20)]
    rows[9][column] = cell
    with pytest.raises(DataError, match=said):
        examine(["t,a,b", *(",".join(row.values()) for row in rows)], **BOTH)


def test_a_column_without_any_number_is_named(examine: Examine) -> None:
    """Nothing could be repeated."""
    with pytest.raises(DataError, match="the column 'a' has no number in any row"):
        examine(["t,a,b", *(f"{n},,{n}" for n in range(20))], **BOTH, missing="ffill")


def test_times_with_and_without_a_zone_are_refused(examine: Examine) -> None:
    """The row that differs is named."""
    lines = ["t,Active", "2026-01-01 00:00:00+01:00,1", "2026-01-01 01:00:00,2"]
    with pytest.raises(DataError, match="line 3: 't' has"):
        examine(lines, features=("Active",), target="Active", time_column="t")


GAPS = ["t,a,b", *(f"{n},{n},{'?' if n in {7, 8} else n}" for n in range(20)), "20,,20"]
BOTH = {"features": ("a", "b"), "target": "b", "time_column": "t"}


def test_a_missing_number_is_named_with_its_row(examine: Examine) -> None:
    """And with the remedy."""
    with pytest.raises(DataError, match=r"line 22: .* 'a' has ''") as error:
        examine(GAPS, **BOTH)
    assert "missing: ffill" in error.value.fix
    with pytest.raises(DataError, match=r"line 9: .* 'b' has '\?'.* as in 1 more rows"):
        examine(GAPS[:-1], **BOTH)


def test_a_missing_number_repeats_the_one_before(examine: Examine) -> None:
    """Never a later one; what was filled is told."""
    findings = examine(GAPS, **BOTH, missing="ffill")
    assert target(findings) == [0, 1, 2, 3, 4, 5, 6, 6, 6, *range(9, 20)]
    assert "1 in a, 2 in b. First: " in findings.render()
    assert "own.csv, line 9" in findings.render()
    findings = examine(
        ["t,a,b", *(f"{n},{n or 'NA'},{n}" for n in range(20))], **BOTH, missing="ffill"
    )
    assert target(findings) == [*range(1, 20)][: len(target(findings))]
    assert "Left out because a value is missing and none is before: 1 rows" in findings.render()


def test_a_missing_number_never_repeats_another_series(examine: Examine) -> None:
    """Nor is it lost where another column's first number comes later than its own."""
    rows = [("1", ""), ("", "20"), *((str(n), str(10 * n)) for n in range(3, 12))]
    lines = [
        "s,t,a,b",
        *(f"one,{n},{100 + n},{1000 + n}" for n in range(10)),
        *(f"two,{n},{a},{b}" for n, (a, b) in enumerate(rows)),
    ]
    keys = {**BOTH, "target": "a", "missing": "ffill"}
    findings = examine(lines, **keys, series_column="s")
    assert findings.series.each("train", "a")[1][:3].tolist() == [1, 3, 4]
    assert findings.series.each("train", "b")[1][:3].tolist() == [20, 30, 40]
    assert "a value is missing and none is before: 1 rows" in findings.render()
    alone = examine(["t,a,b", *(line.removeprefix("two,") for line in lines[11:])], **keys)
    assert target(alone)[:3] == [1, 3, 4]


def test_decimal_commas(examine: Examine) -> None:
    """Read if the source says so; else it is told how to."""
    large = [f"{n};1.00{n},5;{n}" for n in range(10)]
    findings = examine(["t;a;b", *large], **BOTH | {"target": "a"}, decimal=",")
    assert target(findings)[:2] == [1000.5, 1001.5]
    lines = ["t;a;b", *(f"{n};{n},5;{n}" for n in range(20))]
    assert target(examine(lines, **BOTH | {"target": "a"}, decimal=","))[:2] == [0.5, 1.5]
    with pytest.raises(DataError, match=r"line 2: .* 'a' has '0,5', with a comma") as error:
        examine(lines, **BOTH)
    assert "source.decimal: ','" in error.value.fix


def test_the_newest_row_may_come_first(examine: Examine) -> None:
    """As in many downloads; it is read from the oldest on, and told."""
    lines = ["t,a,b", *(f"{n},{n},{n}" for n in reversed(range(20)))]
    findings = examine(lines, **BOTH)
    assert target(findings) == [*range(20)]
    assert "newest rows first" in findings.render()


def test_rows_in_no_order_are_refused_at_the_first_that_goes_back(examine: Examine) -> None:
    """Not read from the end, though the first is later than the last."""
    days = [20, 21, 19, 22, 23, 1, 24, 18]
    lines = ["t,a,b", *(f"2026-01-{day:02d} 08:00:00,{day},{day}" for day in days)]
    back = "line 4: time goes backward, from 2026-01-21 08:00:00 to 2026-01-19 08:00:00"
    with pytest.raises(DataError, match=back):
        examine(lines, **BOTH)


@pytest.mark.parametrize(
    ("mark", "told"), [("-999", True), ("9999", True), ("99", False), ("-512", False)]
)
def test_a_number_that_may_stand_for_a_missing_one_is_told(
    mark: str, told: bool, examine: Examine
) -> None:
    """Only nines, and far from all others, which are 0 to 99 here."""
    lines = ["t,a,b", *(f"{n},{mark if n in (7, 60) else n},{n}" for n in range(100))]
    findings = examine(lines, **BOTH)
    assert (f"'a' has {mark} in 2 rows, far from all others" in findings.render()) == told
    assert "'b' has" not in findings.render()


# ── several series ───────────────────────────────────────────────────────────────────────

DAYS, SHOPS = 30, ("north", "south", "west")
ROWS = [
    (f"2026-01-{1 + day:02d}", shop, 1000 * number + day)
    for number, shop in enumerate(SHOPS)
    for day in range(DAYS)
]
SALES = {"features": ("sales",), "target": "sales", "time_column": "day"}


def lines_of(rows: list[tuple[Any, ...]]) -> list[str]:
    """A CSV file's lines."""
    return ["day,shop,sales", *(",".join(map(str, row)) for row in rows)]


@pytest.mark.parametrize("by_day", [True, False])
def test_windows_never_cross_from_one_series_to_another(by_day: bool, examine: Examine) -> None:
    """Whatever the order of the rows; each series is split by the same shares."""
    rows = sorted(ROWS) if by_day else ROWS
    findings = examine(lines_of(rows), **SALES, series_column="shop")
    card = findings.card()
    assert (card["series_column"], card["series"], findings.step) == ("shop", 3, "1 day")
    assert {name: part["rows"] for name, part in card["splits"].items()} == {
        "train": 54, "validation": 18, "test": 18,
    }  # fmt: skip
    assert set(findings.gaps.values()) == {0}
    each = findings.series.each("train", "sales")
    assert [(min(values), max(values)) for values in each] == [(0, 17), (1000, 1017), (2000, 2017)]

    settings = SeriesEncode(window=3, horizon=2, season=4, standardize=False)
    encoded, _ = encode_series(dict(findings.tables), card, settings)
    for name, sequences in encoded.items():
        inputs = sequences.values.reshape(-1, 3)
        assert (np.diff(inputs, axis=1) == 1).all()
        assert (sequences.targets == inputs[:, -1] + 2).all()
        assert len(sequences) == 3 * (card["splits"][name]["rows"] // 3 - 4)
        # In order of time: neighbors are the same day in every shop.
        assert (inputs[:, 0].reshape(-1, 3) == inputs[::3, :1] + [0, 1000, 2000]).all()
    assert series_report(encoded, card, settings)["block"] == 3 * 5
    naive = naive_forecasts(encoded["train"], encoded["test"], target=0, horizon=2, season=4)
    test = encoded["test"]
    assert (naive["last_value"] == test.targets - 2).all()
    assert (naive["seasonal"] == test.targets - 4).all()


def test_repeated_times_ask_for_the_series_column(examine: Examine) -> None:
    """Sorting, by day or by shop, would not help."""
    for rows in (ROWS, sorted(ROWS)):
        with pytest.raises(DataError, match="90 rows have only 30 distinct times") as error:
            examine(lines_of(rows), **SALES)
        assert "source.series_column" in error.value.fix
        assert "sort" not in error.value.fix


def test_a_gap_is_filled_from_its_own_series(examine: Examine) -> None:
    """The last value of the shop before is not a value before; without one, a row is left out."""
    rows: list[tuple[Any, ...]] = [*ROWS]
    for place in (DAYS, DAYS + 7):
        rows[place] = (*rows[place][:2], "?")
    findings = examine(lines_of(rows), **SALES, series_column="shop", missing="ffill")
    train = findings.tables["train"]
    south = [
        sales
        for shop, sales in zip(
            *(train[name].to_pylist() for name in ("shop", "sales")), strict=True
        )
        if shop == "south"
    ]
    assert south[:8] == [1001, 1002, 1003, 1004, 1005, 1006, 1006, 1008]


def test_series_that_are_told_apart_by_two_columns_or_are_short(examine: Examine) -> None:
    """Their names are joined; one that is too short is named."""
    lines = ["day,shop,item,sales", *(f"{day},{shop},x,{sales}" for day, shop, sales in ROWS)]
    findings = examine(lines, **SALES, series_column=("shop", "item"))
    assert findings.card()["series_column"] == "shop item"
    assert findings.tables["train"]["shop item"][0].as_py() == "north x"
    findings = examine(lines_of(ROWS[:-10]), **SALES, series_column="shop")
    with pytest.raises(DataError, match="own: validation of the series 'west', 4 steps"):
        encode_series(dict(findings.tables), findings.card(), SeriesEncode(window=5))
    with pytest.raises(DataError, match="series 'west', has 2 rows"):
        examine(lines_of(ROWS[: 2 * DAYS + 2]), **SALES, series_column="shop")
