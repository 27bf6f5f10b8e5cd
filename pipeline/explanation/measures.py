"""How well the candidates point at what changes the prediction, and at the evidence."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.core import params
from pipeline.core.sequences import Sequences
from pipeline.explanation import lime, randomized, readout
from pipeline.explanation.alternatives import steps_to_flip
from pipeline.explanation.candidates import Scores, controls_of, methods_of
from pipeline.explanation.erasure import BATCH, Predict, changes_of, moved, ranks, tops
from pipeline.explanation.evidence import average_precision, rationales
from pipeline.explanation.names import MEASURES, METHODS
from pipeline.explanation.readout import Readout
from pipeline.explanation.rows import Rows, draw_sample
from pipeline.explanation.zeroing import Zeroed, zeroing
from pipeline.models.network import Network
from pipeline.training import inference

COMPARED_ORDERS = ("attention", "gradient_input", "leave_one_out")

Measures = dict[str, NDArray[np.float64]]


class Measured(NamedTuple):
    """One run's candidates.

    Attributes:
        rows: candidate → measure → <float64>[rows]; without "auprc" where there is no evidence.
        error: of the integrated gradients; see `gradients.Attributions`.
        orders: two methods → <float64>[rows], Kendall's τ of their scores' sizes.
        randomized: method → level → <float64>[rows]; see `randomized.correlations`.
        lime: LIME's few rows; None if they are fewer than two.
    """

    rows: Mapping[str, Mapping[str, NDArray[np.float64]]]
    error: float
    orders: Mapping[tuple[str, str], NDArray[np.float64]] = {}
    randomized: Mapping[str, Mapping[str, NDArray[np.float64]]] = {}
    lime: "Lime | None" = None


class Lime(NamedTuple):
    """LIME and every method on the few rows that LIME explains.

    Attributes:
        rows: "lime" or a method → measure → <float64>[rows].
        orders: method → <float64>[rows], Kendall's τ of its scores' sizes with LIME's.
    """

    rows: Mapping[str, Mapping[str, NDArray[np.float64]]]
    orders: Mapping[str, NDArray[np.float64]]


def measure_run(
    network: Network,
    rows: Rows,
    settings: params.Explain,
    *,
    idf: NDArray[np.float64] | None,
    other: Network | None,
) -> Measured | None:
    """Score and measure one run's candidates.

    Args:
        network: the run's.
        rows: the rows.
        settings: how many integration steps, and the seed.
        idf: of each token; None for a series.
        other: the network of another seed; None if there is none.
    """
    sequences, points, seed = rows.sequences, settings.integration_steps, settings.seed
    methods, error = methods_of(network, sequences, points=points)
    controls = controls_of(network, sequences, idf=idf, other=other, seed=seed)
    attends = network.explainer is not None
    predict = partial(inference.predict, network.predictor, batch_size=BATCH)
    found = measure(
        sequences,
        {**methods, **controls},
        predict,
        evidence=rows.marked,
        share=settings.rationale_share,
        zeroed=zeroing(network.predictor),
        read=partial(readout.read, network.predictor) if attends else None,
        seed=seed,
    )
    if found is None:
        return None
    few, again, _ = _some(rows, methods, size=settings.randomized_rows, seed=seed + 1)
    remaining = randomized.correlations(
        network.predictor,
        few,
        again,
        lambda: methods_of(network, few, points=points)[0],
        seed=seed,
    )
    return Measured(
        found,
        error,
        orders(sequences, methods),
        remaining,
        lime_beside(rows, methods, predict, settings),
    )


def _some(
    rows: Rows, scores: Scores, *, size: int, seed: int
) -> tuple[Sequences, dict[str, NDArray[np.float64]], NDArray[np.bool_] | None]:
    """Some rows of more than one step, by chance, with their scores and their evidence."""
    several = np.flatnonzero(rows.sequences.lengths > 1)
    chosen = several[draw_sample(len(several), size=size, seed=seed)]
    own = np.repeat(np.isin(np.arange(len(rows.sequences)), chosen), rows.sequences.lengths)
    marked = None if rows.marked is None else rows.marked[own]
    return (
        rows.sequences.take(chosen),
        {name: score[own] for name, score in scores.items()},
        marked,
    )


def lime_beside(
    rows: Rows, methods: Scores, predict: Predict, settings: params.Explain
) -> Lime | None:
    """Explain a few rows by LIME, and measure the methods on the same ones.

    Args:
        rows: all compared rows.
        methods: their scores.
        predict: the run's outputs for sequences.
        settings: how many rows and samples, and the seed.
    """
    few, scores, marked = _some(rows, methods, size=settings.lime_rows, seed=settings.seed + 2)
    scores["lime"] = lime.explain(few, predict, samples=settings.lime_samples, seed=settings.seed)
    found = measure(few, scores, predict, evidence=marked, seed=settings.seed)
    if found is None:
        return None
    return Lime(
        {name: {of: own[of] for of in MEASURES if of in own} for name, own in found.items()},
        {
            other: tau
            for (first, other), tau in orders(few, scores, ("lime", *COMPARED_ORDERS)).items()
            if first == "lime"
        },
    )


def measure(
    sequences: Sequences,
    scores: Scores,
    predict: Predict,
    *,
    evidence: NDArray[np.bool_] | None,
    seed: int,
    share: float | None = None,
    zeroed: Zeroed | None = None,
    read: Callable[[Sequences], Readout] | None = None,
) -> dict[str, Measures] | None:
    """Measure candidates on the rows of more than one step; None where those are fewer than two.

    For regression, changes are in standard deviations of the predictions, and a score counts by
    its size: each direction is a change. Several draws of a control are averaged; the details have
    the first draw alone.

    Args:
        sequences: the rows.
        scores: of each candidate.
        predict: the run's outputs for sequences.
        evidence: <bool>[total], where it is known.
        seed: of the order of equal scores, and of the soft measures.
        share: of the steps that make a rationale; None: the evidence's share of the rows.
        zeroed: the run's outputs with zeroed vectors, for those measures.
        read: the run's states, for what flips the class.

    Returns:
        Candidate → measure → <float64>[rows]; those of evidence have the rows with evidence alone.
    """
    counted = np.flatnonzero(sequences.lengths > 1)
    if len(counted) < 2:
        return None
    steps = np.repeat(sequences.lengths > 1, sequences.lengths)
    kept, marked = sequences.take(counted), None if evidence is None else evidence[steps]
    random = np.random.default_rng([seed, 1])  # not the random control's
    ties, chances = random.random((2, len(kept.values)))
    full = predict(kept)
    unit = 1.0 if full.ndim > 1 else float(full.std()) or 1.0
    states = read(kept) if read is not None and full.ndim > 1 else None
    if marked is not None and share is None and marked.any():
        share = float(marked.mean())
    own = {name: np.atleast_2d(score)[:, steps] for name, score in scores.items()}
    if full.ndim == 1:
        own |= {name: np.abs(score) for name, score in own.items() if name in {*METHODS, "lime"}}
    ordered = {
        name: np.stack([ranks(kept, draw, ties) for draw in draws]) for name, draws in own.items()
    }
    changes = np.stack(changes_of(kept, np.concatenate([*ordered.values()]), full, predict))
    last = np.cumsum([len(orders) for orders in ordered.values()])
    softer = (
        None
        if zeroed is None
        else _by_zeroing(kept, ordered, own, full=full, zeroed=zeroed, chances=chances)
    )
    found: dict[str, Measures] = {}
    for (name, orders), change in zip(
        ordered.items(), np.split(changes, last[:-1], axis=1), strict=True
    ):
        without, alone = change.mean(axis=(1, 2)) / unit  # of draws and shares: <float64>[rows]
        found[name] = {"comprehensiveness": without, "sufficiency": alone}
        if marked is not None:
            found[name]["auprc"] = np.mean(
                [average_precision(kept, order, marked) for order in orders], axis=0
            )
        if marked is not None and share is not None:
            token, passage = rationales(kept, orders[0], marked, share)
            found[name] |= {"token_f1": token, "iou_f1": passage}
        if softer is not None:
            found[name] |= {measure: value / unit for measure, value in softer[name].items()}
        if states is not None:
            found[name]["flip"] = steps_to_flip(states, orders[0])
    return found


def _by_zeroing(
    sequences: Sequences,
    orders: Mapping[str, NDArray[np.int64]],
    scores: Scores,
    *,
    full: NDArray[np.float32],
    zeroed: Zeroed,
    chances: NDArray[np.float64],
) -> dict[str, Measures]:
    """The measures when vectors become zero: the highest steps', and softly by each step's score.

    Soft: a step keeps its vector with the probability of its `importance`, or for comprehensiveness
    of one minus that (Zhao & Aletras 2023, "Incorporating Attribution Importance for Improving
    Faithfulness Metrics"; here by whole vectors, and as a change of the probability).

    Args:
        sequences: the rows.
        orders: candidate → <int64>[draws, total], ranks; the first draw counts.
        scores: candidate → <float64>[draws, total].
        full: the outputs for all steps.
        zeroed: the outputs with zeroed vectors.
        chances: <float64>[total], uniform from 0 to 1: whether a step softly goes.
    """
    masks = []
    for name, (order, *_) in orders.items():
        top, softly = tops(sequences, order), chances < importance(sequences, scores[name][0])
        masks += [*~top, *top, ~softly, softly]
    changes = moved(full, zeroed(sequences, np.stack(masks)))
    found = {}
    for name, change in zip(orders, np.split(changes, len(orders)), strict=True):
        without, alone = change[:-2].reshape(2, -1, len(sequences)).mean(axis=1)
        found[name] = {
            "zeroed_comprehensiveness": without,
            "zeroed_sufficiency": alone,
            "soft_comprehensiveness": change[-2],
            "soft_sufficiency": change[-1],
        }
    return found


def importance(sequences: Sequences, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """<float64>[total]: each row's scores from 0 to 1; a half where all are equal."""
    starts, lengths = sequences.starts[:-1], sequences.lengths
    low = np.repeat(np.minimum.reduceat(score, starts), lengths)
    spread = np.repeat(np.maximum.reduceat(score, starts), lengths) - low
    return np.where(spread > 0, (score - low) / np.where(spread > 0, spread, 1), 0.5)


def orders(
    sequences: Sequences, scores: Scores, names: Sequence[str] = COMPARED_ORDERS
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Kendall's τ of the sizes of each two methods' scores, <float64>[rows where both differ]."""
    compared = [name for name in names if name in scores]
    parts = {name: np.split(np.abs(scores[name]), sequences.starts[1:-1]) for name in compared}
    found = {}
    for one, other in combinations(compared, 2):
        pairs = zip(parts[one], parts[other], strict=True)
        both = [pair for pair in pairs if all(np.ptp(each) > 0 for each in pair)]
        found[one, other] = np.array([stats.kendalltau(*pair).statistic for pair in both])
    return found
