"""Forecasts and classifiers that need no model."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences

# The references' names.
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
    """Forecasts that need no model, in the scale of the sequences' targets.

    - `mean`: the training targets' mean; of relative windows, the last value and the mean change;
    - `last_value`: the window's last value of the target;
    - `seasonal`: the mean of the window's values at the same phase of the season as the target,
      so `season`, 2 `season`, … steps before it.

    Args:
        train: the training sequences.
        sequences: the windows to forecast.
        target: its place among the features; None if it is none of them, and then there is
            neither a last value nor a season.
        horizon: steps from the window's end to the target.
        season: the cycle's length in steps.

    Returns:
        name → <float32>[n]; `seasonal` only where a window reaches back that far.
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
    """What needs no model where classes are told apart: each one's share of train, for every row.

    Returns:
        `class_frequencies` → <float32>[n, classes].
    """
    shares = np.bincount(train.targets, minlength=classes) / len(train)
    return {FREQUENCIES: np.tile(shares.astype(np.float32), (len(sequences), 1))}
