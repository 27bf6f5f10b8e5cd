import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.predictions import Predictions
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import wilson
from pipeline.evaluation.subgroups import by_length, by_position, disagreements, evidence_positions
from tests.support.model_results import QUICK, classified, regressor, result


def model(name, right):
    """A model of one seed that is right on exactly those rows."""
    run = classified(np.arange(len(right)) % 2, np.asarray(right))
    return ModelResult(name, (1,), 1, (run,), (run,))


def test_accuracy_by_length_by_hand():
    """Short rows are right, long ones wrong; each bin tells its own lengths."""
    lengths = np.array([5, 1, 2, 6, 3, 7, 4, 8])
    found = by_length([model("m", lengths <= 4)], lengths, "binary", bins=2, bootstrap=QUICK)
    assert [(row["low"], row["high"], row["rows"]) for row in found["bins"]] == [
        (1, 4, 4),
        (5, 8, 4),
    ]
    low, high = wilson(1.0, 4, 0.95)
    assert found["models"]["m"][0] == {"accuracy": 1, "low": low, "high": high}
    assert found["models"]["m"][1]["accuracy"] == 0


def test_what_a_model_gains_with_the_length_is_said():
    """Right up to a length against always right; a baseline that leads at the longest."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 1000, size=20_000)
    falling = rng.random(20_000) < 1 - 0.05 * np.log2(lengths / 10)
    constant = rng.random(20_000) < 0.85
    simple = replace(model("simple", rng.random(20_000) < 0.9), seeds=())
    found = by_length(
        [simple, model("constant", constant), model("falling", falling)],
        lengths, "binary", bins=5, bootstrap=QUICK,
    )  # fmt: skip
    assert len(found["bins"]) == 6  # the longest twentieth is the sixth
    assert found["bins"][-1]["rows"] == pytest.approx(1000, abs=50)
    (pair,) = (
        pair for pair in found["differences"]
        if {pair["first"], pair["second"]} == {"constant", "falling"}
    )  # fmt: skip
    slope = pair["per_doubling"]
    assert abs(slope["difference"]) == pytest.approx(0.05, abs=0.01)
    assert slope["low"] < slope["difference"] < slope["high"]
    gains, losses = found["sentences"]
    assert gains.startswith("With each doubling of the length, constant gains ")
    assert gains.count("gains") == 1
    assert "simple leads falling by" in losses
    assert "simple leads constant by" in losses


@given(hnp.arrays(np.int64, st.integers(20, 80), elements=st.integers(1, 12)), st.integers(1, 6))
def test_every_row_is_in_the_one_bin_of_its_length(lengths, bins):
    """Rows of one length are never split, and bins don't overlap; a bin of one row is left out."""
    found = by_length(
        [result("m", 0.8, rows=len(lengths))], lengths, "binary", bins=bins, bootstrap=QUICK
    )
    if found is None:
        return
    ends = [(row["low"], row["high"]) for row in found["bins"]]
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(ends))
    for (low, high), row in zip(ends, found["bins"], strict=True):
        assert row["rows"] == np.count_nonzero((low <= lengths) & (lengths <= high))
    left_out = len(lengths) - sum(row["rows"] for row in found["bins"])
    assert left_out <= bins


def test_rows_of_one_length_have_no_bins():
    """Windows of a series are all equally long."""
    lengths = np.full(200, 96)
    assert by_length([result("m", 0.8)], lengths, "binary", bins=5, bootstrap=QUICK) is None


def test_a_regression_has_no_accuracy():
    """Neither by length nor by position."""
    results, lengths = [regressor("m", 0.1)], np.arange(200)
    assert by_length(results, lengths, "regression", bins=5, bootstrap=QUICK) is None
    assert by_position(results, lengths / 200, "regression", bootstrap=QUICK) is None


def test_accuracy_by_position_by_hand():
    """Fifths of the row; a row without evidence is in none of them."""
    positions = np.array([0.0, 0.19, 0.2, 0.5, 0.59, 1.0, 0.9, np.nan])
    right = [True, True, True, False, True, False, False, False]
    found = by_position([model("m", right)], positions, "binary", bootstrap=QUICK)
    # The only row of the second fifth says nothing; the fourth has none.
    assert [row["low"] for row in found["bins"]] == pytest.approx([0, 0.4, 0.8])
    assert [row["rows"] for row in found["bins"]] == [2, 2, 2]
    assert [row["accuracy"] for row in found["models"]["m"]] == [1, 0.5, 0]


def test_no_evidence_no_positions():
    """Most datasets don't say where the evidence is."""
    assert by_position([result("m", 0.8)], None, "binary", bootstrap=QUICK) is None
    nowhere = np.full(200, np.nan)
    assert by_position([result("m", 0.8)], nowhere, "binary", bootstrap=QUICK) is None


def test_differences_are_of_the_bins_own_rows():
    """A model that fails on long rows alone differs there alone."""
    lengths = np.arange(200)
    results = [model("good", np.full(200, True)), model("bad_on_long", lengths < 100)]
    found = by_length(results, lengths, "binary", bins=2, bootstrap=QUICK)
    [pair] = found["differences"]
    assert (pair["first"], pair["second"]) == ("bad_on_long", "good")
    short, long = pair["bins"]
    assert (short["difference"], short["low"], short["high"]) == (0, 0, 0)
    assert (long["difference"], long["low"], long["high"]) == (-1, -1, -1)


def test_disagreements_by_hand():
    """The widest gap of mean probabilities first; of equal ones the lower row number."""
    targets = np.array([0, 1, 1])

    def fixed(name, *second):
        runs = tuple(
            Predictions(np.array([30, 10, 20]), targets, np.stack([1 - p, p], axis=1))
            for p in np.array(second, np.float32)
        )
        return ModelResult(name, tuple(range(len(runs))), 1, runs, runs)

    results = [fixed("one", [0.25, 0.5, 0.5], [0.25, 0.5, 1.0]), fixed("two", [0.75, 0.5, 0.25])]
    [pair] = disagreements(results, np.array([7, 8, 9]), limit=2)
    assert (pair["first"], pair["second"]) == ("two", "one")
    assert [(row["row"], row["gap"], row["length"]) for row in pair["rows"]] == [
        (20, 0.5, 9),
        (30, 0.5, 7),
    ]
    assert pair["rows"][0]["outputs"]["one"].tolist() == [0.25, 0.75]
    assert pair["rows"][0]["target"] == 1


def test_disagreements_of_a_regression_are_of_the_predictions():
    """There is one number a row."""
    rough, fine = regressor("rough", 0.5), regressor("fine", 0.1)
    [pair] = disagreements([rough, fine], np.full(200, 96))
    gaps = np.abs(rough.mean_outputs() - fine.mean_outputs())
    assert pair["rows"][0]["gap"] == gaps.max()


def test_evidence_positions_by_hand():
    """The mean of the passages' midpoints, as a share of the text."""
    found = evidence_positions([[(0, 10)], [(0, 10), (90, 100)], []], [100, 100, 50])
    np.testing.assert_allclose(found, [0.05, 0.5, np.nan])
