"""Other weights, by hand and against plain searches."""

import numpy as np
import pytest
from scipy.special import logit

from pipeline.core.sequences import starts_of
from pipeline.explanation.agreement import jensen_shannon
from pipeline.explanation.alternatives import (
    distance,
    measure,
    most_different,
    permuted_change,
    steps_to_flip,
)
from pipeline.explanation.readout import Readout


def states(*rows, activation="sigmoid", offset=0.0):
    """What is read of rows, each a list of (weight, value) pairs."""
    pairs = [pair for row in rows for pair in row]
    values = np.array([np.atleast_1d(value) for _, value in pairs], float)
    return Readout(
        starts_of([len(row) for row in rows]),
        np.array([weight for weight, _ in pairs], float),
        values,
        np.full((len(rows), values.shape[1]), offset),
        activation,
        conicity=np.zeros(len(rows)),
    )


def permuted(read, unit=None):
    """The median change by row."""
    return permuted_change(read, unit=unit, seed=0)


def test_permuted_weights_change_nothing_where_all_steps_or_all_weights_are_alike():
    """One step, equal values, equal weights."""
    read = states([(1, 3)], [(0.9, 2), (0.1, 2)], [(0.5, 3), (0.5, -3)])
    assert permuted(read) == pytest.approx([0, 0, 0], abs=1e-12)


def test_permuted_weights_change_a_prediction_that_rests_on_one_step():
    """Of nine steps one has a value: in most orders its weight is gone."""
    read = states([(1, 4), *[(0, 0)] * 8])
    assert permuted(read) == pytest.approx(1 / (1 + np.exp(-4)) - 0.5)
    number = states([(1, 4), *[(0, 0)] * 8], activation="linear")
    assert permuted(number, unit=2.0) == pytest.approx(2)


def test_most_different_weights_by_hand():
    """On one step; where two steps have one value, they can trade their weight: one bit."""
    alike = states([(1, 1), (0, 1)], [(1, 1), (0, -1)], [(1, 3)])
    found = most_different(alike, bound=0.01, unit=None)
    assert found[0] == pytest.approx(1)
    assert 0 < found[1] < 0.02  # a little weight may go to the other step, and no more
    assert found[2] == 0


def test_most_different_weights_leave_the_output_within_the_bound_and_are_the_largest():
    """Against very many random weights on two or three steps."""
    rng = np.random.default_rng(0)
    weights, values = rng.dirichlet(np.full(6, 0.5)), rng.normal(0, 2, 6)
    read = states(list(zip(weights, values, strict=True)), offset=0.3)
    (found,) = most_different(read, bound=0.05, unit=None)
    own = read.outputs(read.weights)
    tried = np.zeros((60_000, 6))
    for row, kept in zip(tried, rng.integers(1, 4, len(tried)), strict=True):
        row[rng.permutation(6)[:kept]] = rng.dirichlet(np.ones(kept))
    near = distance(read.activate((tried @ values + 0.3)[:, None]), own, unit=None) <= 0.05
    best = jensen_shannon(tried[near], np.broadcast_to(weights, tried[near].shape)).max()
    assert best <= found + 1e-9
    assert best > found - 0.02


@pytest.mark.parametrize(("activation", "unit"), [("softmax", None), ("linear", 2.0)])
def test_most_different_weights_of_other_tasks(activation, unit):
    """Three classes, or a number: equal states trade their weight, unequal ones can't."""
    far = [5.0, 0.0, -5.0] if activation == "softmax" else 5.0
    near = [0.0, 5.0, 0.0] if activation == "softmax" else -5.0
    read = states([(1, far), (0, far)], [(1, far), (0, near)], activation=activation)
    found = most_different(read, bound=0.01, unit=unit)
    assert found[0] == pytest.approx(1)
    assert found[1] < 0.1


def test_measure_tells_what_each_kind_of_weights_does():
    """The class follows the heavier step; another seed's weights turn the first row around."""
    run = states([(0.9, 4), (0.1, -4)], [(0.9, 4), (0.1, -4)])
    other = states([(0.1, 4), (0.9, -4)], [(0.9, 4), (0.1, -4)])
    found = measure(run, other, np.array([1, 1]), bound=0.01, confidence=0.95, seed=0)
    one = 1 / (1 + np.exp(-3.2))
    assert found["even"]["mean"] == pytest.approx(one - 0.5, abs=1e-6)
    assert found["other_seed"]["mean"] == pytest.approx((2 * one - 1) / 2, abs=1e-6)
    assert found["accuracy"] == {"own": 1, "even": 0, "other_seed": 0.5}
    alone = measure(run, None, np.array([1, 1]), bound=0.01, confidence=0.95, seed=0)
    assert "other_seed" not in alone


def test_a_numbers_changes_are_in_standard_deviations():
    """Predictions 0 and 2 deviate by 1; there is no accuracy."""
    run = states([(1, 0), (0, 1)], [(1, 2), (0, 3)], activation="linear")
    found = measure(run, None, np.float32([0, 2]), bound=0.01, confidence=0.95, seed=0)
    assert found["even"]["mean"] == pytest.approx(0.5)
    assert found["accuracy"] is None


def test_steps_to_flip_by_hand():
    """Two of four steps hold the class up; without them the third decides."""
    row = [(0.4, 3), (0.3, 2), (0.2, -2.5), (0.1, 0)]
    order = np.array([0, 1, 2, 3])
    assert steps_to_flip(states(row), order) == pytest.approx([0.5])
    # without the first alone: (0.6 - 0.8) / 0.6 < 0, so one step is enough
    row = [(0.4, 3), (0.3, 2), (0.2, -4), (0.1, 0)]
    assert steps_to_flip(states(row), order) == pytest.approx([0.25])
    assert steps_to_flip(states(row), order[::-1].copy()) == pytest.approx([1])


def test_a_class_that_never_flips_and_weights_that_are_zero():
    """One step, all steps alike, or no weight left: 1."""
    read = states([(1, 3)], [(0.5, 3), (0.5, 3)], [(1, 3), (0, -9)])
    assert steps_to_flip(read, np.array([0, 0, 1, 0, 1])).tolist() == [1, 1, 1]


def test_logits_at_the_ends_have_no_bound():
    """A probability of nearly 1 may rise to 1."""
    read = states([(1, float(logit(0.995))), (0, 50), (0, -50)])
    assert most_different(read, bound=0.01, unit=None) == pytest.approx([1])
