"""The relative area between curves, RACU, of Madsen et al. 2022, with its interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.significance import Bootstrap, Difference, paired_difference


class Estimate(NamedTuple):
    """A figure with the ends of its interval."""

    estimate: float
    low: float
    high: float


def area(right: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """<float64>[seeds, n]: the area under each row's curve, by the trapezoidal rule.

    From a ratio of 0 to 1 it is the row's mean over the ratios.

    Args:
        right: <float64>[seeds, ratios, n], 1 where a run is right.
        ratios: <float64>[ratios], ascending.
    """
    return np.asarray(np.trapezoid(right, ratios, axis=1))


def area_between(
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    ratios: NDArray[np.float64],
    bootstrap: Bootstrap,
) -> Difference:
    """By how much one curve lies below another, over rows and seeds.

    A seed is one experiment: its curves begin with the same network, so they are paired.

    Args:
        lower, upper: <float64>[seeds, ratios, n], 1 where a run is right.
        ratios: <float64>[ratios].
        bootstrap: resamples, seed, confidence.
    """
    return _mean(area(upper - lower, ratios), bootstrap)


def racu(
    method: NDArray[np.float64],
    random: NDArray[np.float64],
    ratios: NDArray[np.float64],
    bootstrap: Bootstrap,
) -> Estimate | None:
    """The area between the method's curve and the random one, as a share of the possible one.

    1. between = area of random - method; it is negative where random masks cost more.
    2. possible = area of random - random at the last ratio, where all is masked.
    3. RACU = between / possible, of their means over rows and seeds.
    4. The interval is that of the ratio's linearization: (between - RACU · possible) / possible has
       mean 0 and the ratio's deviations (Cochran 1977, 6.3).

    Args:
        method, random: <float64>[seeds, ratios, n], 1 where a run is right.
        ratios: <float64>[ratios], from 0 to 1.
        bootstrap: resamples, seed, confidence.

    Returns:
        None if random masks cost nothing: there is no area to take a share of.
    """
    between = area(random - method, ratios)
    possible = area(random - random[:, -1:], ratios)
    whole = float(possible.mean())
    if whole <= 0:
        return None
    ratio = float(between.mean()) / whole
    deviation = _mean((between - ratio * possible) / whole, bootstrap)
    return Estimate(ratio, ratio + deviation.low, ratio + deviation.high)


def _mean(values: NDArray[np.float64], bootstrap: Bootstrap) -> Difference:
    """The mean of <float64>[seeds, n], with its interval: its difference from 0."""
    return paired_difference(values, np.zeros((1, values.shape[1])), bootstrap)
