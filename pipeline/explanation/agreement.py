"""How alike the weights of runs are that differ only in their seed."""

import itertools
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

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
    spearman, divergence, shuffled = [], [], []
    for rows in zip(*runs, strict=True):
        if len(rows[0]) < 2:
            continue
        pairs = list(itertools.combinations(rows, 2))
        if all(np.ptp(row) > 0 for row in rows):
            spearman.append(fmean(stats.spearmanr(*pair).statistic for pair in pairs))
        divergence.append(fmean(_divergence(*pair) for pair in pairs))
        shuffled.append(fmean(_divergence(one, rng.permutation(two)) for one, two in pairs))
    if not divergence:
        return None
    return {
        "fits": len(runs),
        "spearman": over_rows(spearman, confidence) if spearman else None,
        "divergence": over_rows(divergence, confidence),
        "divergence_shuffled": over_rows(shuffled, confidence),
    }


def _divergence(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    distance = jensenshannon(one.astype(np.float64), two.astype(np.float64), base=2)
    return float(np.nan_to_num(distance) ** 2)  # rounding may put it below 0, and its root to NaN
