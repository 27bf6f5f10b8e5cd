import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.baselines.naive import naive_forecasts
from pipeline.core import params
from pipeline.core.params import SeriesEncode
from pipeline.core.sources import AddingSource, SequencesSource, SeriesSource, SeriesSplit
from pipeline.data import series
from pipeline.data.series_checks import Findings, check_series
from pipeline.encoding.series import Scaler, cut_windows, encode_series, fit_scaler
from pipeline.errors import DataError, ParamsError
from tests.support.paths import PARAMS, REAL_DATA

ETT = REAL_DATA / "ett" / "ETTh1.csv"
Examine = Callable[..., Findings]


@pytest.fixture
def examine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Examine:
    """A function that loads and checks a source of `tmp_path`."""

    def fresh(source: params.NumericSource) -> Findings:
        cache = tmp_path_factory.mktemp("cache")
        return check_series(series.load_series("own", source, home=tmp_path, cache=cache))

    return fresh


def steps(**changes: Any) -> SeriesSource:
    """A source of steps in hours.csv."""
    return SeriesSource(
        **{
            "kind": "series",
            "path": "hours.csv",
            "time_column": "hour",
            "features": ("load", "heat"),
            "target": "heat",
            "split": SeriesSplit(train=12, validation=4, test=4),
            **changes,
        }
    )


def write_hours(folder: Path, rows: list[str] | None = None) -> None:
    """Twenty hours of load and heat, or these lines."""
    rows = rows or [f"2026-01-01 {hour:02d}:00:00,{hour % 5},{hour}" for hour in range(20)]
    (folder / "hours.csv").write_text("\n".join(["hour,load,heat", *rows]) + "\n")


def test_series_is_split_in_the_order_of_time(tmp_path: Path, examine: Examine) -> None:
    """First train, then validation, then test; sizes in rows or as shares say the same."""
    write_hours(tmp_path)
    findings = examine(steps())
    heat = {name: table["heat"].to_pylist() for name, table in findings.tables.items()}
    assert heat == {"train": [*range(12)], "validation": [*range(12, 16)], "test": [*range(16, 20)]}
    shares = examine(steps(split=SeriesSplit(train=0.6, validation=0.2, test=0.2)))
    assert {name: table["heat"].to_pylist() for name, table in shares.tables.items()} == heat
    assert findings.step == "1:00:00"
    assert findings.tables["train"].column_names == ["hour", "load", "heat"]


def test_unused_rows_gaps_and_constant_features_are_told(tmp_path: Path, examine: Examine) -> None:
    """Nothing is left out in silence."""
    rows = [f"2026-01-{1 + hour // 6:02d} {hour % 6:02d}:00:00,7,{hour}" for hour in range(20)]
    write_hours(tmp_path, rows)
    findings = examine(steps(split=SeriesSplit(train=12, validation=4, test=3)))
    assert findings.gaps == {"train": 1, "validation": 0, "test": 1}
    assert findings.constant == ("load",)
    shown = findings.render()
    assert "Rows at the end that belong to no split: 1." in shown
    assert "Gaps in time in train: 1" in shown
    assert "'load' is constant" in shown
    assert findings.card()["splits"]["test"]["to"] == "2026-01-04 00:00:00"


BAD_STEPS: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
    "a word among numbers": (
        [*[f"{n},1,{n}" for n in range(10)], "10,n/a,3"],
        {},
        ["hours.csv, line 12", "'load' has 'n/a'"],
    ),
    "a decimal comma": (['1,"2,5",3'], {}, ["line 2", "'2,5'", "decimal point"]),
    "a number missing": (["1,2,3", "2,,3"], {}, ["line 3", "'load' has ''"]),
    "no finite number": (["1,inf,3"], {}, ["line 2", "'inf'"]),
    "no time": (["1,2,3", "noon,2,3"], {}, ["line 3", "'noon'", "2026-01-31"]),
    "time that goes back": (["1,2,3", "3,2,3", "2,2,3"], {}, ["line 4", "from 3 to 2", "sort"]),
    "missing feature": (["1,2,3"], {"features": ("loads",)}, ["no column 'loads'", "'load'"]),
    "too few rows": (["1,2,3"], {}, ["has 1 rows", "12 + 4 + 4 = 20"]),
    "constant target": ([f"{n},{n},5" for n in range(20)], {}, ["'heat'", "constant"]),
    "constant features": (
        [f"{n},1,{n}" for n in range(20)],
        {"features": ("load",)},
        ["every feature"],
    ),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_bad_series_is_refused(case: str, tmp_path: Path, examine: Examine) -> None:
    """File, line, what stands there, and what to do."""
    rows, changes, words = BAD_STEPS[case]
    write_hours(tmp_path, rows)
    with pytest.raises(DataError) as error:
        examine(steps(**changes))
    for word in words:
        assert word in str(error.value)


def table(values: np.ndarray) -> pa.Table:
    """Steps of one feature, which is the target too."""
    return pa.table({"y": np.asarray(values, np.float64)})


def steps_card(*features: str) -> dict[str, Any]:
    """As much of the card of steps as `encode` reads."""
    return {
        "dataset": "own",
        "layout": "steps",
        "task": "regression",
        "features": list(features),
        "target": "y",
    }


@given(
    rows=st.integers(2, 60),
    window=st.integers(1, 12),
    horizon=st.integers(1, 8),
    stride=st.integers(1, 5),
)
def test_windows_stay_within_their_split(rows: int, window: int, horizon: int, stride: int) -> None:
    """Window i holds rows i·stride and on; its target lies `horizon` after; all that fit exist."""
    split = table(np.arange(rows) + 1000)
    scaler = fit_scaler(split, features=["y"], target="y", standardize=False)
    fitting = len(range(0, rows - window - horizon + 1, stride))
    if not fitting:
        with pytest.raises(DataError, match="too short"):
            cut_windows(split, scaler, window=window, horizon=horizon, stride=stride)
        return
    sequences = cut_windows(split, scaler, window=window, horizon=horizon, stride=stride)
    assert sequences.rows.tolist() == list(range(fitting))
    inputs = sequences.values.reshape(fitting, window) - 1000
    assert (inputs == np.arange(window) + stride * np.arange(fitting)[:, None]).all()
    assert (sequences.targets - 1000 == inputs[:, -1] + horizon).all()
    assert inputs.min() >= 0
    assert sequences.targets.max() - 1000 < rows
    assert sequences.values.dtype == sequences.targets.dtype == np.float32


def test_scaler_knows_train_alone() -> None:
    """Train is standardized exactly; other values of test change nothing in train or scaler."""
    card = steps_card("y", "z")
    settings = SeriesEncode(window=3, horizon=2)
    generator = np.random.default_rng(0)

    def tables(shift: float) -> dict[str, pa.Table]:
        train = np.random.default_rng(1).normal(5, 3, 40)
        other = generator.normal(shift, 9, 20)
        splits = {"train": train, "validation": other, "test": other}
        return {name: pa.table({"y": y, "z": np.full(len(y), 4.0)}) for name, y in splits.items()}

    first, scaler = encode_series(tables(0), card, settings)
    second, again = encode_series(tables(100), card, settings)
    assert scaler == again == Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert (first["train"].values == second["train"].values).all()
    train = tables(0)["train"]
    y = train["y"].to_numpy()
    assert scaler.features[0].mean == pytest.approx(y.mean())
    assert scaler.features[0].deviation == pytest.approx(y.std())
    standard = scaler.standardize(np.stack([y, train["z"].to_numpy()], axis=-1))
    assert standard.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert standard.std(axis=0) == pytest.approx([1, 0], abs=1e-6)
    assert scaler.target.restore(first["train"].targets) == pytest.approx(y[4:], rel=1e-5)


def test_missing_window_is_told() -> None:
    """A source of steps needs a window."""
    card = steps_card("y")
    with pytest.raises(DataError, match=r"encode\.window"):
        encode_series({"train": table(np.arange(9))}, card, SeriesEncode())


def test_naive_forecasts_by_hand() -> None:
    """Steps 0, 1, 2, …: window 0–4, target 7, season 4: steps 3 back to it is 3, and no earlier."""
    split = table(np.arange(20))
    scaler = fit_scaler(split, features=["y"], target="y", standardize=False)
    sequences = cut_windows(split, scaler, window=5, horizon=3, stride=10)
    assert sequences.targets.tolist() == [7, 17]
    forecasts = naive_forecasts(sequences, sequences, target=0, horizon=3, season=4)
    assert {name: values.tolist() for name, values in forecasts.items()} == {
        "mean": [12, 12],
        "last_value": [4, 14],
        "seasonal": [3, 13],
    }
    season = naive_forecasts(sequences, sequences, target=0, horizon=3, season=3)["seasonal"]
    assert season.tolist() == [(1 + 4) / 2, (11 + 14) / 2]
    assert "seasonal" not in naive_forecasts(sequences, sequences, target=0, horizon=3, season=9)
    assert set(naive_forecasts(sequences, sequences, target=None, horizon=3, season=3)) == {"mean"}


@given(
    rows=st.integers(12, 40),
    level=st.floats(-1e3, 1e3),
    horizon=st.integers(1, 4),
    standardize=st.booleans(),
)
def test_relative_windows_know_no_level(
    rows: int, level: float, horizon: int, standardize: bool
) -> None:
    """End at 0, are the same at any level, and what they predict comes back in its own unit."""
    wave = np.sin(np.arange(rows)) * 3
    other = np.cos(np.arange(rows))
    settings = SeriesEncode(window=4, horizon=horizon, relative=True, standardize=standardize)

    def encoded(shift: float) -> tuple[Any, Scaler]:
        split = pa.table({"x": other, "y": wave + shift})
        names = ("train", "validation", "test")
        splits, scaler = encode_series(dict.fromkeys(names, split), steps_card("x", "y"), settings)
        return splits["train"], scaler

    sequences, scaler = encoded(level)
    values = sequences.values.reshape(len(sequences), 4, 2)
    assert (values[:, -1] == 0).all()
    assert values == pytest.approx(encoded(0)[0].values.reshape(values.shape), abs=2e-4)
    raw = np.stack([other, wave + level], axis=-1)
    cut = np.stack([raw[start : start + 4] for start in sequences.rows])
    assert scaler.inputs(cut).values == pytest.approx(sequences.values, abs=1e-6)
    ends = raw[3 + horizon :, 1]
    assert scaler.restore(sequences.targets, cut) == pytest.approx(ends, abs=2e-3)
    season = naive_forecasts(sequences, sequences, target=1, horizon=horizon, season=None)
    assert (season["last_value"] == 0).all()


@pytest.mark.parametrize("features", [("x",), ("x", "z")])
def test_relative_asks_for_the_target_among_the_features(features: tuple[str, ...]) -> None:
    """Else there is no last value to start from; so it is for whole sequences."""
    names = ("train", "validation", "test")
    columns = pa.table({name: np.arange(20.0) for name in ("x", "y", "z")})
    settings = SeriesEncode(window=4, relative=True)
    for card in (steps_card(*features), {**steps_card("x", "y"), "layout": "sequences"}):
        with pytest.raises(DataError, match=r"encode\.relative"):
            encode_series(dict.fromkeys(names, columns), card, settings)


def test_adding_s_target_is_the_sum_of_the_two_marked_steps(examine: Examine) -> None:
    """One mark in each half, values in [0, 1); splits differ, and the same seed repeats them."""
    source = AddingSource(kind="adding", train=300, validation=50, test=50, time_steps=21, seed=3)
    findings = examine(source)
    again = examine(source)
    for name, rows in findings.tables.items():
        assert rows.equals(again.tables[name])
        value, marker = (np.array(rows[column].to_pylist()) for column in ("value", "marker"))
        assert (marker[:, :10].sum(axis=1) == 1).all()
        assert (marker[:, 10:].sum(axis=1) == 1).all()
        assert rows["sum"].to_numpy() == pytest.approx((value * marker).sum(axis=1), abs=1e-6)
        assert rows["evidence"].to_pylist() == [np.flatnonzero(row).tolist() for row in marker]
        assert value.min() >= 0
        assert value.max() < 1
    assert set(findings.card()["duplicates"]["across"].values()) == {0}
    sequences, scaler = encode_series(
        dict(findings.tables), findings.card(), SeriesEncode(standardize=False)
    )
    assert sequences["train"].values.shape == (300 * 21, 2)
    assert scaler.target.mean == 0
    assert np.mean((sequences["train"].targets - 1) ** 2) == pytest.approx(1 / 6, rel=0.2)


def sequences_source(**changes: Any) -> SequencesSource:
    """A source of whole sequences in own.jsonl."""
    usual = {"kind": "sequences", "path": "own.jsonl", "features": ("x", "y"), "target": "kind"}
    return SequencesSource(**{**usual, **changes})


def write_sequences(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON lines."""
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


ROWS = [
    {"x": [n, n + 1.5, n], "y": [0, 1, n % 7], "kind": "run" if n % 2 else "walk"}
    for n in range(40)
]


def test_sequences_are_classified(tmp_path: Path, examine: Examine) -> None:
    """A row each; validation and test are held out, copies of a sequence on one side."""
    write_sequences(tmp_path, [*ROWS, *ROWS[:9]])
    findings = examine(sequences_source())
    card = findings.card()
    assert (card["task"], card["classes"], card["target"]) == ("binary", ["run", "walk"], "label")
    assert {name: sum(split["labels"].values()) for name, split in card["splits"].items()} == {
        name: rows.num_rows for name, rows in findings.tables.items()
    }
    seen = {
        name: {tuple(row) for row in rows["x"].to_pylist()}
        for name, rows in findings.tables.items()
    }
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert len(set.union(*seen.values())) == 40
    encoded, scaler = encode_series(dict(findings.tables), card, SeriesEncode())
    assert scaler.target is None
    assert encoded["train"].targets.dtype == np.int64
    train = encoded["train"].values
    assert train.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    first = findings.tables["test"].to_pylist()[0]
    shown = encoded["test"].values[:3] * [s.deviation for s in scaler.features] + [
        s.mean for s in scaler.features
    ]
    assert shown == pytest.approx(np.array([first["x"], first["y"]]).T, abs=1e-4)


def test_sequences_are_regressed(tmp_path: Path, examine: Examine) -> None:
    """The target may be a number instead."""
    write_sequences(tmp_path, [{**row, "kind": sum(row["x"])} for row in ROWS])
    findings = examine(sequences_source(task="regression"))
    assert findings.card()["task"] == "regression"
    for rows in findings.tables.values():
        sums = [sum(row) for row in rows["x"].to_pylist()]
        assert rows["kind"].to_pylist() == pytest.approx(sums)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"x": [1, 2], "y": [1, 2], "kind": "run"}, ["line 41", "2 steps", "3 in the first row"]),
        ({"x": [1, 2, None], "y": [1, 2, 3], "kind": "run"}, ["line 41", "'x' has None"]),
        ({"x": None, "y": [1, 2, 3], "kind": "run"}, ["line 41", "'x' is null"]),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "kind": None}, ["line 41", "'kind' is null"]),
        ({"x": "1 2 3", "y": [1, 2, 3], "kind": "run"}, ["line 41", "str here and list"]),
    ],
)
def test_bad_sequences_are_refused(
    row: dict[str, Any], words: list[str], tmp_path: Path, examine: Examine
) -> None:
    """Another length, a null within or instead of a list, no label, text."""
    write_sequences(tmp_path, [*ROWS, row])
    with pytest.raises(DataError) as error:
        examine(sequences_source())
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"train": 0.5, "validation": 0.3, "test": 0.3}, "add up to more than 1"),
        ({"train": 12, "validation": 0.3, "test": 0.3}, "all three"),
        ({"train": 12, "validation": 4}, "datasets.own.source.split.test"),
    ],
)
def test_bad_split_is_refused_with_its_key(split: dict[str, Any], words: str) -> None:
    """The message names the key as it stands in params.yaml."""
    from ruamel.yaml import YAML

    document = YAML(typ="safe").load(PARAMS.read_text())
    source = {"kind": "series", "path": "a.csv", "features": ["x"], "target": "x", "split": split}
    entry = {"source": source, "encode": {"window": 3}, "training": {}}
    document |= {"dataset": "own", "datasets": {"own": entry}}
    with pytest.raises(ParamsError, match=words):
        params.parse_params(document)


@pytest.mark.real
def test_ett_is_split_as_in_its_paper(examine: Examine) -> None:
    """12, 4 and 4 months of 30 days; the usual scaler's mean and deviation of OT."""
    loads = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    findings = examine(
        SeriesSource(
            kind="series",
            path=str(ETT),
            time_column="date",
            features=loads,
            target="OT",
            split=SeriesSplit(train=8640, validation=2880, test=2880),
        )
    )
    card = findings.card()
    assert card["splits"]["test"]["from"] == "2017-10-24 00:00:00"
    assert set(card["gaps"].values()) == {0}
    encoded, scaler = encode_series(
        dict(findings.tables), card, SeriesEncode(window=96, horizon=24)
    )
    assert len(encoded["test"]) == 2880 - 96 - 24 + 1
    assert scaler.target.mean == pytest.approx(17.1283, abs=1e-4)
    assert scaler.target.deviation == pytest.approx(9.1765, abs=1e-4)
