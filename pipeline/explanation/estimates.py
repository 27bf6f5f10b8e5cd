"""Means over rows with their intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Document = dict[str, Any]

DIGITS = 6


def over_rows(values: Sequence[float] | NDArray[np.float64], confidence: float) -> Document:
    """Mean over rows with Student's interval; without one where there is a single row.

    Rows count as independent: a sample of few among many hardly has two of the same group.
    """
    from scipy import stats  # half a second, which those that only read estimates are spared

    sample = np.asarray(values, np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return {"mean": round(mean, DIGITS), "low": None, "high": None}
    half = float(stats.t.ppf((1 + confidence) / 2, len(sample) - 1) * stats.sem(sample))
    return {
        "mean": round(mean, DIGITS),
        "low": round(mean - half, DIGITS),
        "high": round(mean + half, DIGITS),
    }


def above(estimate: Document, bound: float) -> bool:
    """Whether the whole interval is above the bound; False without an interval."""
    return estimate["low"] is not None and estimate["low"] > bound


def below(estimate: Document, bound: float) -> bool:
    """Whether it is below."""
    return estimate["high"] is not None and estimate["high"] < bound
