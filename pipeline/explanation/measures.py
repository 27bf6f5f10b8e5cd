"""How well the candidates point at what changes the prediction, and at the evidence."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.explanation.candidates import METHODS, Scores, scores_of
from pipeline.explanation.erasure import Predict, changes_of, ranks
from pipeline.explanation.evidence import average_precision
from pipeline.explanation.rows import Rows
from pipeline.models.network import Network
from pipeline.training import inference

MEASURES = ("comprehensiveness", "sufficiency", "auprc")


class Measured(NamedTuple):
    """One run's candidates.

    Attributes:
        rows: candidate → measure → <float64>[rows]; without "auprc" where there is no evidence.
        error: of the integrated gradients; see `gradients.Attributions`.
    """

    rows: Mapping[str, Mapping[str, NDArray[np.float64]]]
    error: float


def measure(
    sequences: Sequences,
    scores: Scores,
    predict: Predict,
    *,
    evidence: NDArray[np.bool_] | None,
    seed: int,
) -> dict[str, dict[str, NDArray[np.float64]]] | None:
    """Measure candidates on the rows of more than one step; None where those are fewer than two.

    For regression, changes are in standard deviations of the predictions, and a score counts by
    its size: each direction is a change. Several draws of a control are averaged.

    Args:
        sequences: the rows.
        scores: of each candidate.
        predict: the run's outputs for sequences.
        evidence: <bool>[total], where it is known.
        seed: of the order of equal scores.

    Returns:
        Candidate → measure → <float64>[rows]; "auprc" has the rows with evidence alone.
    """
    counted = np.flatnonzero(sequences.lengths > 1)
    if len(counted) < 2:
        return None
    steps = np.repeat(sequences.lengths > 1, sequences.lengths)
    kept, marked = sequences.take(counted), None if evidence is None else evidence[steps]
    ties = np.random.default_rng([seed, 1]).random(len(kept.values))  # not the random control's
    full = predict(kept)
    unit = 1.0 if full.ndim > 1 else float(full.std()) or 1.0
    found = {}
    for name, score in scores.items():
        own = np.atleast_2d(score)[:, steps]  # <float64>[draws, steps]
        if full.ndim == 1 and name in METHODS:
            own = np.abs(own)
        orders = [ranks(kept, draw, ties) for draw in own]
        changes = np.mean([changes_of(kept, order, full, predict) for order in orders], axis=0)
        without, alone = changes.mean(axis=1) / unit  # <float64>[rows] each, over the shares
        found[name] = {"comprehensiveness": without, "sufficiency": alone}
        if marked is not None:
            found[name]["auprc"] = np.mean(
                [average_precision(kept, order, marked) for order in orders], axis=0
            )
    return found


def measure_run(
    network: Network,
    rows: Rows,
    *,
    idf: NDArray[np.float64] | None,
    other: Network | None,
    points: int,
    seed: int,
) -> Measured | None:
    """Score and measure one run's candidates; the arguments are those of `scores_of`."""
    scores, error = scores_of(
        network, rows.sequences, idf=idf, other=other, points=points, seed=seed
    )
    predict = partial(inference.predict, network.predictor)
    found = measure(rows.sequences, scores, predict, evidence=rows.marked, seed=seed)
    return None if found is None else Measured(found, error)
