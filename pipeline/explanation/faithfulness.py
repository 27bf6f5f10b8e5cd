"""How far attention weights can be trusted: tests, and a verdict in words.

0. Evenness: do the weights differ at all, and does that change the predictions? If they are
   even they say nothing, whatever the other tests find.
1. Evidence: do the weights fall on the deciding passages, where those are known?
2. Deletion: does removing the tokens with the most weight change the prediction more than
   removing as many random ones, and are they enough by themselves? Comprehensiveness and
   sufficiency of DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models".
3. Agreement: do runs that differ only in their seed give similar weights? If not, a weight
   says more about the run than about the text: Jain & Wallace 2019, "Attention is not
   Explanation"; Wiegreffe & Pinter 2019, "Attention is not not Explanation".
4. Controls: are the weights better than scores that know too little? Nearly every score passes the
   deletion test, even weights of another network: see `explanation.controls`.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences, starts_of

Predict = Callable[[Sequences], NDArray[np.float32]]
Weights = Sequence[NDArray[np.float32]]  # <float32>[length] a row
Document = dict[str, Any]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the tokens; ERASER's five, over which it averages
TOP = 5  # heaviest tokens that are looked up in the evidence
DIGITS = 6

CLEARLY_ON_EVIDENCE = 2.0  # times an even share
CLEAR_AGREEMENT = 0.5  # Spearman's rho
# Weights are even if, by their entropy, they are spread over more than this share of the steps.
# They then have at least 77 % of their mass in common with equal weights (Pinsker's inequality).
EVEN_ABOVE = 0.9
# Weights make no difference if equal ones in their place change the predictions by less than a
# point of probability, or for regression by less than 1 % of the predictions' standard deviation.
NO_CHANGE = 0.01

LEVELS = UNSUPPORTED, PARTLY, SUPPORTED = "not supported", "partly supported", "supported"
EVEN = "the weights say nothing: they are even"

LIMITS = (
    "A sequence with steps taken out is unlike anything the model was trained on, and part of the "
    "change comes from that; this is why random deletions stand beside it. A weight belongs to a "
    "hidden state, into which the Bi-LSTM has mixed the whole sequence: attention on a word does "
    "not mean that the word alone was read there. Passing these tests makes the weights a fair "
    "pointer to what matters on average; it does not make the highlights of a single text the "
    "reason for its prediction."
)
REFERENCES = (
    "DeYoung et al. 2020, ERASER: A Benchmark to Evaluate Rationalized NLP Models (ACL)",
    "Jain & Wallace 2019, Attention is not Explanation (NAACL)",
    "Wiegreffe & Pinter 2019, Attention is not not Explanation (EMNLP)",
    "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks (ICML)",
)


# ── one run ──────────────────────────────────────────────────────────────────────────────


def measure(
    sequences: Sequences,
    weights: Weights,
    predict: Predict,
    *,
    predict_evenly: Predict,
    evidence: NDArray[np.bool_] | None,
    confidence: float,
    seed: int,
) -> Document:
    """Test the weights of one run on a sample of rows.

    Args:
        predict: the run's outputs for sequences: <float32>[n, classes] probabilities, or [n].
        predict_evenly: the same with equal weights in place of the run's own.
        evidence: <bool>[total], whether each step belongs to the evidence (`evidence_steps`,
            `marked_steps`).
        confidence: of every interval, over rows.
        seed: of the random deletions.

    Returns:
        `evenness`, `deletion` and `evidence`.
    """
    return {
        "rows": len(sequences),
        "evenness": _evenness(sequences, weights, predict, predict_evenly, confidence),
        "deletion": _deletion(sequences, weights, predict, confidence=confidence, seed=seed),
        "evidence": None
        if evidence is None
        else _on_evidence(sequences, weights, evidence, confidence),
    }


def evidence_steps(
    sequences: Sequences, passages: Sequence[Sequence[tuple[int, int]]]
) -> NDArray[np.bool_]:
    """<bool>[total]: whether each token shares a character with a passage of its row's text."""
    assert sequences.spans is not None, "text sequences carry the spans of their tokens"
    marked = np.zeros(len(sequences.values), bool)
    for row, spans in enumerate(passages):
        steps = slice(sequences.starts[row], sequences.starts[row + 1])
        for start, end in spans:
            first, last = sequences.spans[steps].T
            marked[steps] |= (first < end) & (last > start)
    return marked


def marked_steps(sequences: Sequences, steps: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """<bool>[total]: whether each step is among its row's `steps`, which count from 0."""
    marked = np.zeros(len(sequences.values), bool)
    for start, of_row in zip(sequences.starts[:-1].tolist(), steps, strict=True):
        marked[[start + step for step in of_row]] = True
    return marked


def _evenness(
    sequences: Sequences,
    weights: Weights,
    predict: Predict,
    predict_evenly: Predict,
    confidence: float,
) -> Document:
    """How even the weights are, and how far equal ones would change the predictions.

    Returns:
        `entropy`: normalized, 1 if all weights are equal. `effective`: the share of the steps
        that equal weights of the same entropy would be spread over. `heaviest`: the largest
        weight, in even shares. `change`: of the prediction, as `NO_CHANGE` counts it, and
        `relative`: whether that is in standard deviations of the predictions.
    """
    several = np.flatnonzero(sequences.lengths > 1)
    if len(several):  # the others have nothing to spread
        sequences, weights = sequences.take(several), [weights[row] for row in several.tolist()]
    lengths = sequences.lengths
    entropy = np.array([float(stats.entropy(row)) for row in weights])
    full, even = predict(sequences), predict_evenly(sequences)
    change = np.abs(of_predicted(full, even) - of_predicted(full, full))
    if full.ndim == 1:
        change /= float(full.std()) or 1.0
    return {
        "entropy": _over_rows(entropy / np.log(lengths) if len(several) else [1.0], confidence),
        "effective": _over_rows(np.exp(entropy) / lengths, confidence),
        "heaviest": _over_rows([float(row.max() * len(row)) for row in weights], confidence),
        "change": _over_rows(change, confidence),
        "relative": full.ndim == 1,
    }


def of_predicted(full: NDArray[np.float32], outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """<float64>[…, n]: the probability of the class that `full` gives, or for regression the value.

    Args:
        full: the outputs for all steps, <float32>[n, classes] or [n].
        outputs: some outputs for the same rows, <float32>[…, n, classes] or […, n].
    """
    if full.ndim > 1:
        outputs = outputs[..., np.arange(len(full)), full.argmax(axis=1)]
    return outputs.astype(np.float64)


def _on_evidence(
    sequences: Sequences, weights: Weights, evidence: NDArray[np.bool_], confidence: float
) -> Document | None:
    """The share of weight on the evidence, next to the share of even weights; None without any.

    Rows whose evidence was truncated away don't count.
    """
    mass, even, precision = [], [], []
    for row, start, end in zip(weights, sequences.starts[:-1], sequences.starts[1:], strict=True):
        marked = evidence[start:end]
        if marked.any():
            mass.append(float(row[marked].sum()))
            even.append(float(marked.mean()))
            heaviest = np.argsort(-row, kind="stable")[:TOP]
            precision.append(float(marked[heaviest].mean()))
    if not mass:
        return None
    return {
        "rows": len(mass),
        "mass": _over_rows(mass, confidence),
        "expected": _over_rows(even, confidence),
        "excess": _over_rows(np.subtract(mass, even), confidence),
        "top": TOP,
        "precision": _over_rows(precision, confidence),
    }


def _deletion(
    sequences: Sequences, weights: Weights, predict: Predict, *, confidence: float, seed: int
) -> Document | None:
    """Comprehensiveness and sufficiency of the heaviest tokens and of random ones.

    Each is the mean over `SHARES`; `gain` is attention's minus random's, row by row, so what
    attention adds is `comprehensiveness.gain` above 0 and `sufficiency.gain` below 0.
    Rows of one step don't count: nothing can be removed from them.
    """
    counted = np.flatnonzero(sequences.lengths > 1)
    if not len(counted):
        return None
    kept = sequences.take(counted)
    attended = np.concatenate([weights[row] for row in counted.tolist()]).astype(np.float64)
    shuffle, ties = np.random.default_rng(seed).random((2, len(attended)))
    full = predict(kept)
    changes = {
        "attention": changes_of(kept, ranks(kept, attended, ties), full, predict),
        "random": changes_of(kept, ranks(kept, shuffle, ties), full, predict),
    }
    result: Document = {"rows": len(kept), "shares": list(SHARES)}
    for measure_number, name in enumerate(("comprehensiveness", "sufficiency")):
        attention, random = (changes[of][measure_number] for of in ("attention", "random"))
        result[name] = {
            "attention": _over_rows(attention.mean(axis=0), confidence),
            "random": _over_rows(random.mean(axis=0), confidence),
            "gain": _over_rows((attention - random).mean(axis=0), confidence),
            "by_share": {
                "attention": [round(float(mean), DIGITS) for mean in attention.mean(axis=1)],
                "random": [round(float(mean), DIGITS) for mean in random.mean(axis=1)],
            },
        }
    return result


def ranks(
    sequences: Sequences, scores: NDArray[np.float64], ties: NDArray[np.float64]
) -> NDArray[np.int64]:
    """<int64>[total]: each step's place in its row, 0 = highest score, ties by `ties`."""
    row_of = np.repeat(np.arange(len(sequences)), sequences.lengths)
    order = np.lexsort((ties, -scores, row_of))
    places = np.empty(len(scores), np.int64)
    places[order] = np.arange(len(scores)) - np.repeat(sequences.starts[:-1], sequences.lengths)
    return places


def changes_of(
    sequences: Sequences, order: NDArray[np.int64], full: NDArray[np.float32], predict: Predict
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How the prediction changes without, and with only, the steps that rank highest.

    1. For each share s, the top of a row is its s · length first-ranked steps, rounded up,
       but never all of them.
    2. comprehensiveness = p(all steps) - p(all but the top), of the class first predicted
    3. sufficiency = p(all steps) - p(the top alone)
    For regression p is the prediction, and the changes are absolute.

    Args:
        order: <int64>[total], each step's rank in its row, from 0.
        full: the outputs for all steps.

    Returns:
        Two <float64>[shares, n].
    """
    without, alone = [], []
    for share in SHARES:
        size = np.ceil((share * sequences.lengths).round(9)).clip(1, sequences.lengths - 1)
        top = order < np.repeat(size, sequences.lengths)
        without.append(keep(sequences, ~top))
        alone.append(keep(sequences, top))
    outputs = predict(Sequences.concatenate([*without, *alone]))
    outputs = outputs.reshape(2, len(SHARES), *full.shape)
    change = of_predicted(full, full) - of_predicted(full, outputs)  # <float64>[2, shares, n]
    if full.ndim == 1:
        change = np.abs(change)
    return change[0], change[1]


def keep(sequences: Sequences, steps: NDArray[np.bool_]) -> Sequences:
    """The sequences shortened to `steps`, <bool>[total]."""
    lengths = np.add.reduceat(steps, sequences.starts[:-1], dtype=np.int64)
    return Sequences(
        rows=sequences.rows,
        targets=sequences.targets,
        starts=starts_of(lengths),
        values=sequences.values[steps],
        spans=None if sequences.spans is None else sequences.spans[steps],
    )


def _over_rows(values: Sequence[float] | NDArray[np.float64], confidence: float) -> Document:
    """Mean over rows with Student's interval; without one where there is a single row."""
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


# ── all runs of a model ──────────────────────────────────────────────────────────────────


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
        "spearman": _over_rows(spearman, confidence) if spearman else None,
        "divergence": _over_rows(divergence, confidence),
        "divergence_shuffled": _over_rows(shuffled, confidence),
    }


def _divergence(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    distance = jensenshannon(one.astype(np.float64), two.astype(np.float64), base=2)
    return float(np.nan_to_num(distance) ** 2)  # rounding may put it below 0, and its root to NaN


def attended_words(
    texts: Sequence[str],
    sequences: Sequences,
    runs: Sequence[tuple[Weights, Predictions]],
    classes: Sequence[str],
    *,
    count: int = 20,
) -> dict[str, list[Document]]:
    """For each class, the words with the most attention in rows where it was predicted.

    A word's score is its weight in even shares (weight · length), averaged over its
    occurrences in all runs and five more with no weight: a rare word needs more to rank high.
    """
    assert sequences.spans is not None, "text sequences carry the spans of their tokens"
    shares: dict[int, dict[str, list[float]]] = {
        number: defaultdict(list) for number in range(len(classes))
    }
    for weights, predictions in runs:
        for row, predicted in enumerate(predictions.labels.tolist()):
            steps = slice(sequences.starts[row], sequences.starts[row + 1])
            even = weights[row] * len(weights[row])
            for (start, end), share in zip(sequences.spans[steps].tolist(), even, strict=True):
                shares[predicted][texts[row][start:end].lower()].append(float(share))
    return {
        name: [
            {"word": word, "share": round(score, 3), "count": found}
            for score, found, word in sorted(
                ((sum(got) / (len(got) + 5), len(got), word) for word, got in words.items()),
                key=lambda item: (-item[0], item[2]),
            )[:count]
        ]
        for name, words in zip(classes, shares.values(), strict=True)
    }


def summarize(
    runs: Mapping[int, Document],
    agreed: Document | None,
    words: Mapping[str, list[Document]] | None = None,
    compared: Document | None = None,
) -> Document:
    """What `faithfulness.json` says about one model: its runs by seed, and the verdict."""
    level, sentences = verdict(list(runs.values()), agreed, compared)
    return {
        "level": level,
        "verdict": " ".join(sentences),
        "seeds": {str(seed): run for seed, run in runs.items()},
        "agreement": agreed,
        "words": words,
    }


def document(
    models: Mapping[str, Document], candidates: Mapping[str, Document], *, confidence: float
) -> Document:
    """The content of `results/explanations/faithfulness.json`.

    Args:
        models: from `summarize`, those with attention.
        candidates: from `controls.summarize`, every model's.
        confidence: of every interval.
    """
    return {
        "confidence": confidence,
        "models": dict(models),
        "candidates": dict(candidates),
        "limits": LIMITS,
        "references": list(REFERENCES),
    }


# ── in words ─────────────────────────────────────────────────────────────────────────────


def verdict(
    runs: Sequence[Document], agreed: Document | None, compared: Document | None = None
) -> tuple[str, list[str]]:
    """How far to trust a model's weights, and a sentence for each test that was made.

    Supported: every test that could be made passed clearly, for every seed. Not supported:
    none did for any seed. Partly supported: anything in between. Weights that are even for every
    seed say nothing. Those that are even for some, or make no difference, are at best partly
    supported; to differ is no merit by itself, since random weights do. And the level is no higher
    than the comparison with controls allows (`controls.summarize`), since weights that know little
    pass these tests too.
    """
    tests = (_say_deletion(runs), _say_evidence(runs), _say_agreement(agreed))
    made = [test for test in tests if test is not None]
    passed = [share for share, _ in made]
    even = _even(runs)
    if all(even):
        level = EVEN
    elif not passed or max(passed) == 0:
        level = UNSUPPORTED
    elif min(passed) == 1 and not any(even) and _change(runs) >= NO_CHANGE:
        level = SUPPORTED
    else:
        level = PARTLY
    if compared is not None and level != EVEN:
        level = min(level, compared["level"], key=LEVELS.index)
    said = [] if compared is None else compared["sentences"]
    return level, [_say_evenness(runs), *(sentence for _, sentence in made), *said]


def _even(runs: Sequence[Document]) -> list[bool]:
    return [run["evenness"]["effective"]["mean"] > EVEN_ABOVE for run in runs]


def _change(runs: Sequence[Document]) -> float:
    return fmean(run["evenness"]["change"]["mean"] for run in runs)


def _say_evenness(runs: Sequence[Document]) -> str:
    even, change = _even(runs), _change(runs)
    effective, heaviest = (
        fmean(run["evenness"][of]["mean"] for run in runs) for of in ("effective", "heaviest")
    )
    unit = " of its standard deviation" if runs[0]["evenness"]["relative"] else ""
    return (
        f"The weights are{'' if any(even) else ' not'} even{f' {_for_seeds(even)}' * any(even)}: "
        f"they are spread over {100 * effective:.0f} % of the steps, the heaviest has "
        f"{heaviest:.1f} times an even share, and equal weights would change the prediction by "
        f"{change:.3f}{unit}{'' if change >= NO_CHANGE else ', which is no difference'}."
    )


def _say_deletion(runs: Sequence[Document]) -> tuple[float, str] | None:
    deletions = [run["deletion"] for run in runs if run["deletion"]]
    if not deletions:
        return None
    clear = [
        _above(deletion["comprehensiveness"]["gain"], 0.0)
        and _below(deletion["sufficiency"]["gain"], 0.0)
        for deletion in deletions
    ]
    attention, random = (
        np.mean([deletion["comprehensiveness"][of]["mean"] for deletion in deletions])
        for of in ("attention", "random")
    )
    return float(np.mean(clear)), (
        f"Taking away the steps with the most attention changes the prediction by {attention:.3f}, "
        f"taking away as many random ones by {random:.3f}; that the attended steps matter more, "
        f"and suffice better alone, is clear {_for_seeds(clear)}."
    )


def _say_evidence(runs: Sequence[Document]) -> tuple[float, str] | None:
    found = [run["evidence"] for run in runs if run["evidence"]]
    if not found:
        return None
    clear = [
        _above(on["excess"], 0.0)
        and on["mass"]["mean"] >= CLEARLY_ON_EVIDENCE * on["expected"]["mean"]
        for on in found
    ]
    mass, even = (np.mean([on[of]["mean"] for on in found]) for of in ("mass", "expected"))
    return float(np.mean(clear)), (
        f"{100 * mass:.0f} % of the attention falls on the evidence, {mass / even:.1f} times an "
        f"even share; it is at least twice an even share {_for_seeds(clear)}."
    )


def _say_agreement(agreed: Document | None) -> tuple[float, str] | None:
    if agreed is None:
        return None
    if agreed["spearman"] is None:
        return 0.0, "The weights of a row are all alike: there is no order to agree on."
    if _above(agreed["spearman"], CLEAR_AGREEMENT):
        passed, text = 1.0, "Runs that differ in their seed alone weigh the same rows alike"
    elif _above(agreed["spearman"], 0.0):
        passed, text = 0.5, "Runs that differ in their seed alone agree on the weights only loosely"
    else:
        passed, text = 0.0, "Runs that differ in their seed alone do not agree on the weights"
    return passed, f"{text} (Spearman’s ρ = {agreed['spearman']['mean']:.2f})."


def _above(estimate: Document, bound: float) -> bool:
    """Whether the whole interval is above the bound; False without an interval."""
    return estimate["low"] is not None and estimate["low"] > bound


def _below(estimate: Document, bound: float) -> bool:
    return estimate["high"] is not None and estimate["high"] < bound


def _for_seeds(clear: Sequence[bool]) -> str:
    if not any(clear):
        return "for no seed"
    return "for every seed" if all(clear) else f"for {sum(clear)} of {len(clear)} seeds"
