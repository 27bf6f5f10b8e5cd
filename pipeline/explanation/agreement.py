"""How alike the weights of runs are that differ only in their seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.explanation.estimates import Document, over_rows
from pipeline.explanation.faithfulness import Weights


def agreement(runs: Sequence[Weights], *, confidence: float, seed: int) -> Document | None:
    """How similar the weights of runs that differ only in the seed are; None for a single run.

    Returns:
        `spearman`: rank correlation (1 = same order, 0 = unrelated), None where every row's
        weights are all equal; `divergence`: Jensen-Shannon in bits (0 = same, 1 = disjoint);
        `divergence_shuffled`: the same after one run's weights were put in a random order,
        which is what unrelated weights of this shape would give. Means over pairs of runs,
        interval over rows.
    """
    if len(runs) < 2:
        return None
    rng = np.random.default_rng(seed)
    one, two = np.triu_indices(len(runs), 1)  # every pair of runs
    spearman, divergence, shuffled = [], [], []
    for rows in zip(*runs, strict=True):
        if len(rows[0]) < 2:
            continue
        weights = np.stack(rows).astype(np.float64)  # <float64>[runs, length]
        weights /= weights.sum(axis=1, keepdims=True)
        if np.ptp(weights, axis=1).min() > 0:
            ranks = stats.rankdata(weights, axis=1)
            spearman.append(np.corrcoef(ranks)[one, two].mean())
        others = rng.permuted(weights[two], axis=1)
        divergence.append(jensen_shannon(weights[one], weights[two]).mean())
        shuffled.append(jensen_shannon(weights[one], others).mean())
    if not divergence:
        return None
    return {
        "fits": len(runs),
        "spearman": over_rows(spearman, confidence) if spearman else None,
        "divergence": over_rows(divergence, confidence),
        "divergence_shuffled": over_rows(shuffled, confidence),
    }


def jensen_shannon(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    """The divergence in bits, […, length] and […, length] -> […]: 0 = same, 1 = disjoint."""
    middle = surprise((one + two) / 2)
    found: NDArray[np.float64] = (middle - (surprise(one) + surprise(two)) / 2).sum(axis=-1)
    return found.clip(0, 1)  # rounding may put it outside


def surprise(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """-x log₂ x, and 0 for 0."""
    positive = np.where(shares > 0, shares, 1.0)
    found: NDArray[np.float64] = -positive * np.log2(positive)
    return found
