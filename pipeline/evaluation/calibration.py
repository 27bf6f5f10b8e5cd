"""How well calibrated the probabilities are: temperature scaling and calibration error.

After Guo et al. 2017, "On Calibration of Modern Neural Networks": the confidence of a
prediction is the probability of the predicted class. One number, fitted on the validation
rows, divides the logits of every row. It never changes which class is predicted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from pipeline.core.predictions import SMALLEST_PROBABILITY
from pipeline.evaluation.results import ModelResult, aggregate

BINS = 15
TEMPERATURES = (0.05, 20.0)


def log_probabilities(outputs: NDArray[np.floating]) -> NDArray[np.float64]:
    """<float64>[n, classes], finite even where a probability was rounded to 0."""
    return np.log(np.clip(outputs.astype(np.float64), SMALLEST_PROBABILITY, 1.0))


def negative_log_likelihood(outputs: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """The mean of -log of the probability given to each row's true class."""
    return float(-log_probabilities(outputs)[np.arange(len(targets)), targets].mean())


def fit_temperature(outputs: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """The temperature that minimizes the negative log-likelihood of the validation rows.

    Args:
        outputs: <float>[n, classes] probabilities on validation.
        targets: <int64>[n] classes.

    Returns:
        T within `TEMPERATURES`; above 1, the model was overconfident. It is at the lower end
        if every row is right, because the likelihood then has no maximum.
    """
    logits = log_probabilities(outputs)
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[rows, targets].mean())

    # The loss is convex in 1 / T, so it has one minimum in log T as well.
    best = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(best.x))


def calibrate(outputs: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """<float64>[n, classes]: the probabilities with their logits divided by the temperature."""
    scaled: NDArray[np.float64] = softmax(log_probabilities(outputs) / temperature, axis=1)
    return scaled


@dataclass(frozen=True)
class Reliability:
    """How often predictions of similar confidence are right, in bins of equal width.

    Attributes:
        rows: <int64>[bins], predictions in the bin ((b - 1) / bins, b / bins].
        confidence: <float64>[bins], their mean confidence; NaN in an empty bin.
        accuracy: <float64>[bins], the share of them that are right; NaN in an empty bin.
    """

    rows: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: |accuracy - confidence|, weighted by rows."""
        gaps = np.abs(self.accuracy - self.confidence)[self.rows > 0]
        return float(np.average(gaps, weights=self.rows[self.rows > 0]))

    def to_rows(self) -> list[dict[str, Any]]:
        """The bins that hold a prediction, as plain values."""
        width = 1 / len(self.rows)
        return [
            {
                "low": number * width,
                "high": (number + 1) * width,
                "rows": int(self.rows[number]),
                "confidence": float(self.confidence[number]),
                "accuracy": float(self.accuracy[number]),
            }
            for number in np.flatnonzero(self.rows).tolist()
        ]


def reliability(
    outputs: NDArray[np.floating], targets: NDArray[np.int64], bins: int = BINS
) -> Reliability:
    """Bin predictions by their confidence."""
    confidence = outputs.max(axis=1).astype(np.float64)
    correct = outputs.argmax(axis=1) == targets
    # Whole numbers on the edge belong to the bin below, as in the paper's half-open intervals.
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin gives 0 / 0 = NaN, as documented
        return Reliability(
            rows=rows,
            confidence=np.bincount(number, weights=confidence, minlength=bins) / rows,
            accuracy=np.bincount(number, weights=correct, minlength=bins) / rows,
        )


def expected_calibration_error(
    outputs: NDArray[np.floating], targets: NDArray[np.int64], bins: int = BINS
) -> float:
    """Guo et al. 2017, equation 3, with 15 bins by default."""
    return reliability(outputs, targets, bins).error


def describe_calibration(result: ModelResult) -> dict[str, Any]:
    """Each run's temperature, fitted on validation, and its effect on test: errors and diagram."""
    temperatures = [fit_temperature(run.outputs, run.targets) for run in result.validation]
    outputs = {
        "before": [run.outputs.astype(np.float64) for run in result.test],
        "after": [
            calibrate(run.outputs, temperature)
            for run, temperature in zip(result.test, temperatures, strict=True)
        ],
    }
    targets = result.test[0].targets
    errors = {
        state: [
            {
                "ece": expected_calibration_error(of_run, targets),
                "log_loss": negative_log_likelihood(of_run, targets),
            }
            for of_run in runs
        ]
        for state, runs in outputs.items()
    }
    all_targets = np.tile(targets, len(result.test))
    return {
        "temperature": aggregate(temperatures),
        **{
            state: {
                metric: aggregate([run[metric] for run in runs]) for metric in ("ece", "log_loss")
            }
            for state, runs in errors.items()
        },
        "per_seed": [
            {"seed": seed, "temperature": temperature, "before": before, "after": after}
            for seed, temperature, before, after in zip(
                result.seed_names, temperatures, errors["before"], errors["after"], strict=True
            )
        ],
        "reliability": {
            state: reliability(np.concatenate(runs), all_targets).to_rows()
            for state, runs in outputs.items()
        },
    }
