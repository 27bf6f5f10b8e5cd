import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from pipeline.core.predictions import Predictions
from pipeline.evaluation.calibration import (
    TEMPERATURES,
    calibrate,
    describe_calibration,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from pipeline.evaluation.results import ModelResult


def drawn(classes, temperature, *, rows=20_000, seed=0):
    """Outputs whose logits are `temperature` times too large for the labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * 1.5
    chances = np.cumsum(softmax(logits, axis=1), axis=1)
    targets = (rng.random((rows, 1)) > chances).sum(axis=1)
    return softmax(logits * temperature, axis=1).astype(np.float32), targets


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_recovers_a_known_temperature(classes, temperature):
    """Labels drawn from softened logits give back how much they were softened."""
    outputs, targets = drawn(classes, temperature)
    assert fit_temperature(outputs, targets) == pytest.approx(temperature, rel=0.05)


def test_scaling_with_the_fitted_temperature_mends_over_confidence():
    """On rows that took no part in the fitting, both error and loss fall."""
    fitted = fit_temperature(*drawn(2, 3.0, seed=1))
    outputs, targets = drawn(2, 3.0, seed=2)
    after = calibrate(outputs, fitted)
    before_error = expected_calibration_error(outputs, targets)
    assert before_error > 0.1
    assert expected_calibration_error(after, targets) < 0.02
    assert negative_log_likelihood(after, targets) < negative_log_likelihood(outputs, targets)


@given(
    hnp.arrays(np.float64, (5, 3), elements=st.floats(-9, 9)),
    st.floats(TEMPERATURES[0], TEMPERATURES[1]),
)
def test_calibration_keeps_the_order_of_the_classes(logits, temperature):
    """No temperature changes what is predicted, and the results are probabilities."""
    outputs = softmax(logits, axis=1)
    after = calibrate(outputs, temperature)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    chosen = after[np.arange(5), outputs.argmax(axis=1)]
    assert (chosen >= after.max(axis=1) - 1e-12).all()


def test_calibration_by_hand():
    """At T = 2, odds of 9 : 1 become 3 : 1; at T = 1 nothing changes."""
    np.testing.assert_allclose(calibrate(np.array([[0.1, 0.9]]), 2.0), [[0.25, 0.75]])
    np.testing.assert_allclose(calibrate(np.array([[0.1, 0.9]]), 1.0), [[0.1, 0.9]])


def test_a_model_that_is_always_right_has_a_temperature_too():
    """The likelihood has no maximum then, so the search ends at its lower bound."""
    outputs = np.array([[0.4, 0.6], [0.7, 0.3]], np.float32)
    assert fit_temperature(outputs, np.array([1, 0])) == pytest.approx(TEMPERATURES[0], rel=0.01)


def test_saturated_outputs_give_a_finite_temperature():
    """Probabilities of exactly 0 and 1, one of them wrong, ask for softening."""
    outputs = np.array([[0, 1], [0, 1], [1, 0], [1, 0]], np.float32)
    temperature = fit_temperature(outputs, np.array([1, 1, 0, 1]))
    assert 1 < temperature <= TEMPERATURES[1]


def test_calibration_error_by_hand():
    """Two bins of two: |1/2 - .65| and |1 - .95|, each weighing one half."""
    second = np.array([0.62, 0.68, 0.94, 0.96])
    outputs = np.stack([1 - second, second], axis=1)
    targets = np.array([1, 0, 1, 1])
    seen = reliability(outputs, targets, bins=10)
    assert seen.rows.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert seen.accuracy[6] == 0.5
    assert seen.confidence[6] == pytest.approx(0.65)
    assert seen.error == pytest.approx((0.15 + 0.05) / 2)
    assert [row["low"] for row in seen.to_rows()] == pytest.approx([0.6, 0.9])


def test_an_edge_belongs_to_the_bin_below():
    """Bins are ((b - 1) / B, b / B], as in the paper: .5 is in the first of two, 1 in the last."""
    outputs = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert reliability(outputs, np.array([0, 1]), bins=2).rows.tolist() == [1, 1]


@given(hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1)), st.integers(1, 20))
def test_every_prediction_is_in_one_bin(second, bins):
    """Whatever the probabilities; and the error is a weighted mean of gaps of at most 1."""
    outputs = np.stack([1 - second, second], axis=1)
    seen = reliability(outputs, np.zeros(len(second), np.int64), bins)
    assert seen.rows.sum() == len(second)
    assert 0 <= seen.error <= 1


def test_description_has_each_run_and_the_diagram_of_all():
    """A temperature per seed from validation, errors as mean and sd, bins over all runs."""
    validation, test = drawn(2, 2.0, rows=2000, seed=3), drawn(2, 2.0, rows=1000, seed=4)
    runs = [
        tuple(Predictions(np.arange(len(targets)), targets, outputs) for _ in (1, 2))
        for outputs, targets in (validation, test)
    ]
    described = describe_calibration(ModelResult("m", (7, 8), 1, *runs))
    assert [run["seed"] for run in described["per_seed"]] == [7, 8]
    temperature = fit_temperature(*validation)
    assert described["temperature"] == {"mean": pytest.approx(temperature), "sd": 0}
    assert described["after"]["ece"]["mean"] < described["before"]["ece"]["mean"]
    assert sum(row["rows"] for row in described["reliability"]["after"]) == 2000
