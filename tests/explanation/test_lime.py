"""LIME against normal equations, and on predictors whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from pipeline.core.params import Explain
from pipeline.evaluation.significance import Bootstrap
from pipeline.explanation import controls, lime
from pipeline.explanation.measures import Measured, lime_beside, measure
from pipeline.explanation.rows import Rows
from tests.support.toy_networks import GOOD, bag, rows_of, series_of, spots_good

ROWS = rows_of([1, GOOD, 2, 3], [4], [GOOD, GOOD])
SETTINGS = Explain(lime_rows=4, lime_samples=50)


def total(sequences):
    """A number: the sum of a series of one feature."""
    return np.add.reduceat(sequences.values, sequences.starts[:-1])[:, 0]


def test_coefficients_are_those_of_the_weighted_normal_equations():
    """Of half the steps kept, the distance is 100 - 100 / √2, and the weight 0.50."""
    kept = np.array([[1, 1], [1, 0], [0, 1], [0, 1]], bool)
    values = np.array([0.9, 0.8, 0.1, 0.3])
    weights = np.array([1, *[np.exp(-((100 - 100 / np.sqrt(2)) ** 2) / 1250)] * 3])
    assert weights[1] == pytest.approx(0.5034, abs=1e-4)
    design = np.column_stack([kept, np.ones(4)])
    normal = design.T @ (weights[:, None] * design) + np.diag([1, 1, 0])  # α = 1, intercept free
    expected = np.linalg.solve(normal, design.T @ (weights * values))[:2]
    assert lime.coefficients(kept, values) == pytest.approx(expected)


def test_a_linear_models_coefficients_are_found():
    """Two series whose sum is predicted: each value is what its step adds, but for the penalty."""
    rows = series_of([8, 3], features=1)
    found = lime.explain(rows, total, samples=5000, seed=0)
    assert found == pytest.approx(rows.values[:, 0], abs=0.02)


def test_the_token_that_decides_has_the_highest_score():
    """A row of one step has 0, and two tokens of which either is enough have the same."""
    found = lime.explain(ROWS, spots_good, samples=500, seed=0)
    assert found[:4].argmax() == 1
    assert found[1] > 10 * np.abs(found[[0, 2, 3]]).max()
    assert found[4] == 0
    assert found[5] == pytest.approx(found[6], abs=0.01)


def test_steps_that_change_nothing_are_tied():
    """A constant prediction has no coefficient but 0, in any number of samples."""
    found = lime.explain(ROWS, bag(np.zeros(10)), samples=2, seed=0)
    assert found.tolist() == [0] * 7


def test_samples_leave_out_every_number_of_steps_but_all():
    """The first keeps the row whole; how many go is uniform, and so is which."""
    kept = lime.draw(6, 5001, np.random.default_rng(0))
    assert kept[0].all()
    counts = np.bincount(6 - kept[1:].sum(axis=1), minlength=7)
    assert counts[[0, 6]].tolist() == [0, 0]
    assert stats.chisquare(counts[1:6]).pvalue > 0.01
    assert stats.chisquare(kept[1:].sum(axis=0)).pvalue > 0.01


def test_a_row_has_the_same_samples_whatever_the_other_rows():
    """They depend on its place and the seed."""
    alone = lime.explain(ROWS.take(np.array([0])), spots_good, samples=30, seed=1)
    assert np.array_equal(lime.explain(ROWS, spots_good, samples=30, seed=1)[:4], alone)
    assert not np.array_equal(lime.explain(ROWS, spots_good, samples=30, seed=2)[:4], alone)


def texts(count=12, length=9):
    """Rows of random tokens, of which some decide; the good token is the evidence."""
    rng = np.random.default_rng(0)
    sequences = rows_of(*rng.integers(1, 10, (count, length)), [3])
    passages = [[(0, 0)]] * len(sequences)
    return Rows(np.arange(count + 1), sequences, None, passages)


def beside(rows, predict, methods=None, settings=SETTINGS):
    """LIME on a few of these rows, beside the methods."""
    methods = methods or {"attention": np.arange(len(rows.sequences.values), dtype=float)}
    return lime_beside(rows, methods, predict, settings)


def test_every_method_is_measured_on_limes_rows():
    """Four of thirteen, with one τ for each method whose order is compared."""
    rows = texts()._replace(evidence=[[0, 5]] * 12 + [[]])
    found = beside(rows, bag(np.random.default_rng(1).normal(size=10)))
    counted = {"comprehensiveness": 4, "sufficiency": 4, "auprc": 4}
    for name in ("attention", "lime"):
        assert {of: len(value) for of, value in found.rows[name].items()} == counted
    assert {name: len(taus) for name, taus in found.orders.items()} == {"attention": 4}
    higher = {name: own["comprehensiveness"].mean() for name, own in found.rows.items()}
    assert higher["lime"] > higher["attention"] + 0.1


def test_for_a_number_limes_size_counts():
    """A step that pulls the value down is a change as well."""
    sequences = series_of([6] * 5, features=1)
    rows = Rows(np.arange(5), sequences, None, None)
    found = beside(rows, total, {"leave_one_out": sequences.values[:, 0].astype(float)})
    own, perfect = (found.rows[name]["comprehensiveness"] for name in ("lime", "leave_one_out"))
    assert own == pytest.approx(perfect, abs=0.2)
    assert found.orders["leave_one_out"].mean() > 0.8


def test_of_too_few_rows_nothing_is_said():
    """One with more than one step is too few."""
    rows = Rows(np.arange(2), rows_of([1, 2, GOOD], [3]), None, None)
    assert beside(rows, spots_good) is None


def test_the_comparison_shows_limes_rows_apart():
    """Means over rows and seeds, LIME first; nothing else depends on it."""
    rows, predict = texts()._replace(evidence=None), bag(np.random.default_rng(1).normal(size=10))
    scores = {
        "leave_one_out": np.random.default_rng(2).random(len(rows.sequences.values)),
        "random": np.random.default_rng(3).random((2, len(rows.sequences.values))),
    }
    measured = measure(rows.sequences, scores, predict, evidence=None, seed=0)
    few = beside(rows, predict, {"leave_one_out": scores["leave_one_out"]})
    bootstrap = Bootstrap(confidence=0.95, resamples=200, seed=0, block=3)
    without, found = (
        controls.summarize(
            {seed: Measured(measured, 0.0, lime=given) for seed in (1, 2)}, SETTINGS, bootstrap
        )
        for given in (None, few)
    )
    assert without["lime"] is None
    assert found | {"lime": None} == without
    shown = found["lime"]
    assert (shown["rows"], shown["samples"]) == (4, 50)
    assert [method["title"] for method in shown["methods"].values()] == ["LIME", "leave-one-out"]
    expected = few.rows["lime"]["comprehensiveness"].mean()
    assert shown["methods"]["lime"]["comprehensiveness"]["mean"] == pytest.approx(
        expected, abs=1e-6
    )
    (order,) = shown["orders"]
    assert order["methods"] == ["lime", "leave_one_out"]
