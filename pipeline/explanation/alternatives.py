"""Could other weights have done? The same network's output under weights that aren't its own.

1. Permuted: the run's weights in another order, over random orders (Jain & Wallace 2019, "Attention
   is not Explanation").
2. Even: the same weight at each step.
3. Another seed's: what that network weighs, read by this one.
4. The most different: weights as far from the run's own as can be, by their Jensen-Shannon
   divergence, that leave the output within a bound. Jain & Wallace search for them by gradient
   ascent. Here they are found: the divergence is convex, so over the weights whose one logit stays
   between two bounds it is largest at a corner, and a corner has at most two steps with weight.
   With several logits the mixtures of two steps are only some of the weights, and what is found is
   a lower bound.

How far weights differ between seeds is the measuring rod (Wiegreffe & Pinter 2019, "Attention is
not not Explanation").
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from pipeline.explanation.agreement import surprise
from pipeline.explanation.estimates import Document, over_rows
from pipeline.explanation.readout import Readout

PERMUTATIONS = 100  # Jain & Wallace's
_GRID = np.linspace(0, 1, 17)  # mixtures that are looked at where there are several logits
_LIGHTEST = 128  # steps of a row that are mixed there


def distance(
    one: NDArray[np.float64], two: NDArray[np.float64], *, unit: float | None
) -> NDArray[np.float64]:
    """Total variation of probabilities, […, classes] -> […]; of numbers the change, in `unit`."""
    if unit is not None:
        return np.abs(one - two) / unit
    return np.asarray(np.abs(one - two).sum(axis=-1) / 2)


def unit_of(outputs: NDArray[np.float64]) -> float | None:
    """What changes of a number are counted in: the predictions' deviation; None for classes."""
    return None if outputs.ndim > 1 else float(outputs.std()) or 1.0


def measure(
    run: Readout,
    other: Readout | None,
    targets: NDArray[np.int64] | NDArray[np.float32],
    *,
    bound: float,
    confidence: float,
    seed: int,
) -> Document:
    """What other weights do to one run's outputs.

    Args:
        run: the run's states and weights.
        other: the next seed's, of the same rows; None if there is none.
        targets: of the rows.
        bound: how far the output may move for the most different weights.
        confidence: of every interval.
        seed: of the permutations.

    Returns:
        The mean change of the output by `permuted` (of each row the median), `even` and
        `other_seed` weights, and the divergence, in bits, of the `most_different` weights whose
        output stays within the bound. `conicity`: how alike a row's states are; if they are all
        alike, any weights give the same output. `accuracy`, by weights: `own`, `even`,
        `other_seed`; None for a number.
    """
    own = run.outputs(run.weights)
    unit = unit_of(own)
    weights = {"own": run.weights, "even": run.even()}
    if other is not None:
        weights["other_seed"] = other.weights
    outputs = {name: run.outputs(of) for name, of in weights.items()}
    return {
        "permuted": over_rows(permuted_change(run, unit=unit, seed=seed), confidence),
        **{
            name: over_rows(distance(of, own, unit=unit), confidence)
            for name, of in outputs.items()
            if name != "own"
        },
        "most_different": over_rows(most_different(run, bound=bound, unit=unit), confidence),
        "bound": bound,
        "conicity": over_rows(run.conicity, confidence),
        "accuracy": None
        if unit is not None
        else {
            name: round(float((of.argmax(axis=1) == targets).mean()), 6)
            for name, of in outputs.items()
        },
    }


def permuted_change(
    run: Readout, *, unit: float | None, seed: int, count: int = PERMUTATIONS
) -> NDArray[np.float64]:
    """<float64>[n]: each row's median change over random orders of its weights."""
    rng = np.random.default_rng(seed)
    own, found = run.outputs(run.weights), np.empty(len(run.offsets))
    for number, offset in enumerate(run.offsets):
        weights, values = run.row(number)
        orders = rng.permuted(np.tile(weights, (count, 1)), axis=1)  # <float64>[count, length]
        moved = distance(run.activate(orders @ values + offset), own[number], unit=unit)
        found[number] = np.median(moved)
    return found


def most_different(run: Readout, *, bound: float, unit: float | None) -> NDArray[np.float64]:
    """<float64>[n]: the largest divergence, in bits, of weights that give about the same output."""
    own = run.outputs(run.weights)
    found = np.zeros(len(run.offsets))
    for number, offset in enumerate(run.offsets):
        weights, values = run.row(number)
        if values.shape[1] == 1:
            firsts, seconds, parts = _corners(
                values[:, 0] + offset[0], *_logits_within(own[number], bound, unit)
            )
        else:
            firsts, seconds, parts = _mixtures(run, number, own[number], bound)
        if len(parts):
            found[number] = _divergences(weights, firsts, seconds, parts).max()
    return found


Mixtures = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def _logits_within(
    output: NDArray[np.float64], bound: float, unit: float | None
) -> tuple[float, float]:
    """The smallest and the largest logit whose output is within the bound."""
    if unit is not None:
        return float(output) - bound * unit, float(output) + bound * unit
    ends = np.clip([output[1] - bound, output[1] + bound], 0, 1)
    low, high = logit(ends)
    return float(low), float(high)


def _corners(logits: NDArray[np.float64], low: float, high: float) -> Mixtures:
    """The corners of the weights whose logit is between two bounds.

    Args:
        logits: <float64>[length], of each step alone.
        low, high: the bounds.

    Returns:
        The first step, the second, and the first's part of the weight.
    """
    inside = np.flatnonzero((logits >= low) & (logits <= high))
    corners = [(inside, inside, np.ones(len(inside)))]
    for end in (low, high):
        if np.isfinite(end):
            above, below = np.flatnonzero(logits > end), np.flatnonzero(logits < end)
            first, second = np.repeat(above, len(below)), np.tile(below, len(above))
            part = (end - logits[second]) / (logits[first] - logits[second])
            corners.append((first, second, part))
    first, second, part = (np.concatenate(each) for each in zip(*corners, strict=True))
    return first, second, part


def _mixtures(run: Readout, number: int, output: NDArray[np.float64], bound: float) -> Mixtures:
    """Mixtures of two of a row's lightest steps whose output is within the bound."""
    weights, values = run.row(number)
    lightest = np.argsort(weights, kind="stable")[:_LIGHTEST]
    one, two = (each.ravel() for each in np.meshgrid(lightest, lightest, indexing="ij"))
    firsts, seconds, parts = [], [], []
    for part in _GRID:
        mixed = part * values[one] + (1 - part) * values[two] + run.offsets[number]
        near = distance(run.activate(mixed), output, unit=None) <= bound
        firsts.append(one[near])
        seconds.append(two[near])
        parts.append(np.full(near.sum(), part))
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(parts)


def _divergences(
    weights: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    part: NDArray[np.float64],
) -> NDArray[np.float64]:
    """<float64>[mixtures]: Jensen-Shannon, in bits, of a row's weights and each mixture."""
    alone = first == second
    rest = np.where(alone, 0.0, 1 - part)
    halves = surprise(weights / 2)
    middle = (
        halves.sum()
        - halves[first]
        - np.where(alone, 0.0, halves[second])
        + surprise((weights[first] + np.where(alone, 1.0, part)) / 2)
        + np.where(alone, 0.0, surprise((weights[second] + rest) / 2))
    )
    mixed = np.where(alone, 0.0, surprise(part) + surprise(rest))
    found: NDArray[np.float64] = middle - (mixed + surprise(weights).sum()) / 2
    return found.clip(0, 1)


def steps_to_flip(run: Readout, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """<float64>[n]: the share of a row's steps whose weight must go before the class changes.

    The first-ranked go first, and the remaining weights are scaled to add up to 1 (Serrano & Smith
    2019, "Is Attention Interpretable?"). 1 if the class never changes.

    Args:
        run: of a classifier.
        order: <int64>[total], each step's rank in its row, from 0.
    """
    own = run.outputs(run.weights).argmax(axis=1)
    found = np.ones(len(own))
    for number, offset in enumerate(run.offsets):
        weights, values = run.row(number)
        last_first = np.argsort(-order[run.starts[number] : run.starts[number + 1]])
        kept = weights[last_first]
        total = np.cumsum(kept)[:-1, None]  # of the last one, the last two, … without the first
        sums = np.cumsum(kept[:, None] * values[last_first], axis=0)[:-1]
        real = total[:, 0] > 0
        labels = run.activate(sums[real] / total[real] + offset).argmax(axis=1)
        flipped = np.flatnonzero(labels != own[number])
        if len(flipped):
            remaining = np.flatnonzero(real)[flipped[-1]] + 1
            found[number] = (len(kept) - remaining) / len(kept)
    return found
