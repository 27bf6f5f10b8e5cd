"""Naive forecasts of series, and class frequencies."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences

# Names of the baselines.
MEAN, LAST_VALUE, SEASONAL = "mean", "last_value", "seasonal"
FREQUENCIES = "class_frequencies"


def naive_forecasts(
    train: Sequences,
    sequences: Sequences,
    *,
    target: int | None,
    horizon: int,
    season: int | None,
) -> dict[str, NDArray[np.float32]]:
    """Naive forecasts, on the scale of the sequences' targets.

    - `mean`: the mean of the training targets; for relative windows, the last value plus the
      mean change;
    - `last_value`: the target's last value in the window;
    - `seasonal`: the mean of the window's values at the target's phase of the season, that is
      `season`, 2 `season`, … steps before it.

    Args:
        train: the training sequences.
        sequences: the windows to forecast.
        target: its index among the features; None if it isn't one of them, and then only the
            mean is possible.
        horizon: steps from the window's end to the target.
        season: the cycle's length in steps.

    Returns:
        name → <float32>[n]; `seasonal` only if a window extends back that far.
    """
    forecasts = {MEAN: np.full(len(sequences), train.targets.mean(), np.float32)}
    if target is None:
        return forecasts
    steps = int(sequences.lengths[0])
    # past: <float32>[n, time_steps]
    past = sequences.values[:, target].reshape(len(sequences), steps)
    forecasts[LAST_VALUE] = past[:, -1]
    if season is not None:
        before = steps - 1 + horizon - np.arange(steps)  # steps from each position to the target
        same = before % season == 0
        if same.any():
            forecasts[SEASONAL] = past[:, same].mean(axis=1)
    return forecasts


def class_frequencies(
    train: Sequences, sequences: Sequences, *, classes: int
) -> dict[str, NDArray[np.float32]]:
    """Predict each class's share of train, for every row.

    Returns:
        `class_frequencies` → <float32>[n, classes].
    """
    shares = np.bincount(train.targets, minlength=classes) / len(train)
    return {FREQUENCIES: np.tile(shares.astype(np.float32), (len(sequences), 1))}
