"""Ridge regression on a window's numbers, the linear baseline for series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences

RIDGE = "ridge"
PENALTIES = tuple(10.0**power for power in range(-6, 3))  # for each row of train
MOST_NUMBERS = 2000  # of a window; the cost grows with the cube
_ROWS = 4096


@dataclass(frozen=True)
class FittedRidge:
    """A fitted ridge regression.

    Attributes:
        predictions: on validation and test.
        penalty: of the squared coefficients, for each row of train; the one in `PENALTIES` with
            the least squared error on validation.
        validation_loss: the mean squared error of each penalty.
        steps: how many of a window's last steps it reads.
        parameters: number of coefficients, and the intercept.
    """

    predictions: dict[str, Predictions]
    penalty: float
    validation_loss: dict[float, float]
    steps: int
    parameters: int


def fit_ridge(train: Sequences, validation: Sequences, test: Sequences) -> FittedRidge | None:
    """Fit on train, choose the penalty on validation, predict validation and test.

    Args:
        train, validation, test: windows of equal length with a number as target. Of wide windows,
            the last steps are read, up to 2,000 numbers.

    Returns:
        None if the sequences differ in length, or a single step has more than 2,000 features.
    """
    splits = {"train": train, "validation": validation, "test": test}
    lengths = {int(length) for rows in splits.values() for length in np.unique(rows.lengths)}
    features = train.values.shape[1]
    if len(lengths) != 1 or features > MOST_NUMBERS:
        return None
    steps = min(*lengths, MOST_NUMBERS // features)

    numbers = {
        name: rows.values.reshape(len(rows), -1)[:, -steps * features :]
        for name, rows in splits.items()
    }
    centers = numbers["train"].mean(axis=0, dtype=np.float64)
    targets = train.targets.astype(np.float64)
    gram, products = np.zeros((len(centers),) * 2), np.zeros(len(centers))
    for start in range(0, len(train), _ROWS):
        part = numbers["train"][start : start + _ROWS] - centers
        gram += part.T @ part
        products += part.T @ (targets[start : start + _ROWS] - targets.mean())
    # With the Gram matrix's eigenvectors, every penalty costs a division.
    values, vectors = np.linalg.eigh(gram / len(train))
    projected = vectors.T @ products / len(train)

    def forecast(split: str, penalty: float) -> NDArray[np.float64]:
        coefficients = vectors @ (projected / (np.maximum(values, 0) + penalty))
        return np.asarray(numbers[split] @ coefficients + targets.mean() - centers @ coefficients)

    losses = {
        penalty: float(np.mean((forecast("validation", penalty) - validation.targets) ** 2))
        for penalty in PENALTIES
    }
    best = min(losses, key=losses.__getitem__)
    return FittedRidge(
        predictions={
            name: Predictions(
                splits[name].rows, splits[name].targets, forecast(name, best).astype(np.float32)
            )
            for name in ("validation", "test")
        },
        penalty=best,
        validation_loss=losses,
        steps=steps,
        parameters=len(centers) + 1,
    )
