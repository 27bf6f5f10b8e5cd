import numpy as np
import pytest

from pipeline.core.predictions import Predictions
from pipeline.evaluation import data_change
from pipeline.evaluation.significance import (
    Bootstrap,
    Difference,
    paired_difference,
    unpaired_difference,
)

BOOTSTRAP = Bootstrap(confidence=0.9, resamples=400, seed=0)


@pytest.mark.parametrize("seed_effect", [0.0, 0.05])
def test_unpaired_interval_covers_the_truth_at_its_rate(seed_effect: float) -> None:
    """Simulated: accuracies 0.8 and 0.7 on other rows, three seeds each that may matter."""
    generator = np.random.default_rng(0)

    def drawn(accuracy: float, rows: int) -> np.ndarray:
        of_row = generator.normal(0, 0.1, rows)
        of_seed = generator.normal(0, seed_effect, (3, 1))
        return (generator.random((3, rows)) < accuracy + of_row + of_seed).astype(np.float64)

    held = 0
    for _ in range(300):
        found = unpaired_difference(drawn(0.8, 500), drawn(0.7, 300), BOOTSTRAP)
        held += found.low <= 0.1 <= found.high
    assert 0.85 <= held / 300 <= 0.97


def test_the_same_rows_make_the_interval_narrower() -> None:
    """Where rows are what varies, drawing them once for both cancels it."""
    generator = np.random.default_rng(1)
    hard = generator.random(400) < 0.3
    first = np.where(hard, 0.0, 1.0)[None].repeat(3, axis=0)
    second = first.copy()
    second[:, :8] = 1 - second[:, :8]
    paired = paired_difference(first, second, BOOTSTRAP)
    unpaired = unpaired_difference(first, second, BOOTSTRAP)
    assert paired.estimate == unpaired.estimate
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def runs(right: list[bool]) -> list[Predictions]:
    """One run on rows of class 0, of which these are right."""
    outputs = np.array([[0.9, 0.1] if ok else [0.1, 0.9] for ok in right], np.float32)
    return [Predictions(np.arange(len(right)), np.zeros(len(right), np.int64), outputs)]


def test_scores_of_common_models_are_compared() -> None:
    """A model that only one version has is left out; the new score less the old one is told."""
    old = {"bilstm": runs([True, True, False, False]), "gone": runs([True])}
    new = {"bilstm": runs([True, True, True, False, True]), "fresh": runs([True])}
    moved = data_change.score_changes(old, new, task="binary", same_rows=False, bootstrap=BOOTSTRAP)
    assert set(moved) == {"bilstm"}
    assert moved["bilstm"].estimate == pytest.approx(0.3)
    told = data_change.describe_change(
        "bilstm", Difference(0.3, -0.1, 0.6, 0.2), task="binary", confidence=0.9
    )
    assert told == "bilstm: +30.0 points of test accuracy (90 % interval −10.0 to +60.0)"
    errors = data_change.describe_change(
        "m", Difference(-0.5, -1, 0.25, 0.2), task="regression", confidence=0.9
    )
    assert errors == "m: −0.5 test MSE (90 % interval −1 to +0.25)"
