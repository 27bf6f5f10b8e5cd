"""Other scores of the steps beside attention: methods that might point better, and controls.

A method claims to point at what changes the prediction. A control knows too little to be believed,
so a method that is no better than a control isn't either. All are measured alike: by the change
when their highest steps are deleted, or kept alone, and by the known evidence.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.explanation import gradients
from pipeline.explanation.equal_weights import untrained_weights
from pipeline.explanation.faithfulness import Predict, changes_of, keep, of_predicted, ranks
from pipeline.explanation.rows import Rows
from pipeline.models.network import Network
from pipeline.training import inference

Scores = Mapping[str, NDArray[np.float64]]  # name → <float64>[total], or [draws, total]

METHODS = {
    "attention": "attention",
    "gradient_input": "gradient × input",
    "gradient_norm": "gradient norm",
    "integrated_gradients": "integrated gradients",
    "leave_one_out": "leave-one-out",
}
CONTROLS = {
    "other_seed": "another seed’s attention",
    "untrained_attention": "untrained attention",
    "idf": "rare words (IDF)",
    "position": "early steps",
    "random": "random steps",
}
MEASURES = ("comprehensiveness", "sufficiency", "auprc")
# Of the random controls: a single untrained layer may point at what matters, or away from it, by
# chance, and that chance would drown any lead.
DRAWS = 4
ROWS_AT_ONCE = 8  # whose steps are left out together: it bounds the memory


class Measured(NamedTuple):
    """One run's candidates.

    Attributes:
        rows: candidate → measure → <float64>[rows]; without "auprc" where there is no evidence.
        error: of the integrated gradients; see `gradients.Attributions`.
    """

    rows: Mapping[str, Mapping[str, NDArray[np.float64]]]
    error: float


# ── scores ───────────────────────────────────────────────────────────────────────────────


def leave_one_out(sequences: Sequences, predict: Predict) -> NDArray[np.float64]:
    """<float64>[total]: by how much the prediction falls without each step; 0 in rows of one."""
    scores = np.zeros(len(sequences.values))
    several = np.flatnonzero(sequences.lengths > 1)
    for rows in np.array_split(several, max(1, -(-len(several) // ROWS_AT_ONCE))):
        kept = sequences.take(rows)
        repeated = kept.take(np.repeat(np.arange(len(rows)), kept.lengths))
        left_out = repeated.starts[:-1] + np.concatenate([np.arange(n) for n in kept.lengths])
        steps = np.ones(len(repeated.values), bool)
        steps[left_out] = False
        full = np.repeat(predict(kept), kept.lengths, axis=0)
        fall = of_predicted(full, full) - of_predicted(full, predict(keep(repeated, steps)))
        own = np.isin(np.repeat(np.arange(len(sequences)), sequences.lengths), rows)
        scores[own] = fall
    return scores


def inverse_frequencies(train: Sequences, vocabulary: int) -> NDArray[np.float64]:
    """<float64>[vocabulary]: log((1 + texts) / (1 + texts with the token)), in train."""
    row_of = np.repeat(np.arange(len(train), dtype=np.int64), train.lengths)
    tokens = np.unique(row_of * vocabulary + train.values) % vocabulary
    return np.log((1 + len(train)) / (1 + np.bincount(tokens, minlength=vocabulary)))


def plain_controls(
    sequences: Sequences, idf: NDArray[np.float64] | None, *, seed: int
) -> dict[str, NDArray[np.float64]]:
    """The controls that know no network.

    Args:
        sequences: the rows.
        idf: of each token; None for a series.
        seed: of the random scores.
    """
    place = np.arange(len(sequences.values)) - np.repeat(sequences.starts[:-1], sequences.lengths)
    return {
        **({} if idf is None else {"idf": idf[sequences.values]}),
        "position": -place.astype(np.float64),
        "random": np.random.default_rng(seed).random((DRAWS, len(place))),
    }


def scores_of(
    network: Network,
    sequences: Sequences,
    *,
    idf: NDArray[np.float64] | None,
    other: Network | None,
    points: int,
    seed: int,
) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Every candidate's scores for one run, attention first, and the integrated gradients' error.

    Args:
        network: the run's.
        sequences: the rows.
        idf: of each token; None for a series.
        other: the network of another seed; None if there is none.
        points: of the integrated gradients.
        seed: of the random scores and the untrained attention.
    """
    found = gradients.attribute(sequences, gradients.reader(network.predictor), points=points)
    scores = {
        **({} if network.explainer is None else {"attention": _weights(network, sequences)}),
        "gradient_input": found.gradient_input,
        "gradient_norm": found.gradient_norm,
        "integrated_gradients": found.integrated,
        "leave_one_out": leave_one_out(sequences, partial(inference.predict, network.predictor)),
        **plain_controls(sequences, idf, seed=seed),
    }
    if network.explainer is not None:
        untrained = untrained_weights(network.predictor, sequences, draws=DRAWS, seed=seed)
        if untrained is not None:
            scores["untrained_attention"] = untrained
        if other is not None:
            scores["other_seed"] = _weights(other, sequences)
    return scores, found.error


def _weights(network: Network, sequences: Sequences) -> NDArray[np.float64]:
    return np.concatenate(inference.predict_with_weights(network, sequences)[1], dtype=np.float64)


# ── measures ─────────────────────────────────────────────────────────────────────────────


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


def average_precision(
    sequences: Sequences, order: NDArray[np.int64], evidence: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """<float64>[rows with evidence]: the area under each row's precision-recall curve.

    Args:
        sequences: the rows.
        order: <int64>[total], each step's rank in its row, from 0.
        evidence: <bool>[total].
    """
    row_of = np.repeat(np.arange(len(sequences)), sequences.lengths)[evidence]
    place = order[evidence]
    by_rank = np.lexsort((place, row_of))
    row_of, place = row_of[by_rank], place[by_rank]
    _, first, counts = np.unique(row_of, return_index=True, return_counts=True)
    found = np.arange(len(place)) - np.repeat(first, counts) + 1  # evidence up to this rank
    return np.bincount(np.repeat(np.arange(len(counts)), counts), found / (place + 1)) / counts
