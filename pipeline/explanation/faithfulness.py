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
5. Other weights: could they have given the same prediction? See `explanation.alternatives`.
6. Randomization: do the weights change when what was learned is taken away? See
   `explanation.randomized`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.core.sequences import Sequences
from pipeline.explanation.erasure import SHARES, Predict, changes_of, of_predicted, ranks
from pipeline.explanation.estimates import DIGITS, Document, over_rows
from pipeline.explanation.evidence import on_evidence

Weights = Sequence[NDArray[np.float32]]  # <float32>[length] a row


def measure(
    sequences: Sequences,
    weights: Weights,
    predict: Predict,
    *,
    even: NDArray[np.float32] | NDArray[np.float64],
    evidence: NDArray[np.bool_] | None,
    confidence: float,
    seed: int,
) -> Document:
    """Test the weights of one run on a sample of rows.

    Args:
        predict: the run's outputs for sequences: <float32>[n, classes] probabilities, or [n].
        even: the outputs with equal weights in place of the run's own.
        evidence: <bool>[total], whether each step belongs to the evidence (`evidence_steps`,
            `marked_steps`).
        confidence: of every interval, over rows.
        seed: of the random deletions.

    Returns:
        `evenness`, `deletion` and `evidence`.
    """
    return {
        "rows": len(sequences),
        "evenness": _evenness(sequences, weights, predict, even, confidence),
        "deletion": _deletion(sequences, weights, predict, confidence=confidence, seed=seed),
        "evidence": None
        if evidence is None
        else on_evidence(sequences, weights, evidence, confidence),
    }


def _evenness(
    sequences: Sequences,
    weights: Weights,
    predict: Predict,
    even: NDArray[np.float32] | NDArray[np.float64],
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
        even = even[several]
    lengths = sequences.lengths
    entropy = np.array([float(stats.entropy(row)) for row in weights])
    full = predict(sequences)
    change = np.abs(of_predicted(full, even) - of_predicted(full, full))
    if full.ndim == 1:
        change /= float(full.std()) or 1.0
    return {
        "entropy": over_rows(entropy / np.log(lengths) if len(several) else [1.0], confidence),
        "effective": over_rows(np.exp(entropy) / lengths, confidence),
        "heaviest": over_rows([float(row.max() * len(row)) for row in weights], confidence),
        "change": over_rows(change, confidence),
        "relative": full.ndim == 1,
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
    orders = np.stack([ranks(kept, attended, ties), ranks(kept, shuffle, ties)])
    changes = changes_of(kept, orders, full, predict)
    result: Document = {"rows": len(kept), "shares": list(SHARES)}
    named = zip(("comprehensiveness", "sufficiency"), changes, strict=True)
    for name, (attention, random) in named:
        result[name] = {
            "attention": over_rows(attention.mean(axis=0), confidence),
            "random": over_rows(random.mean(axis=0), confidence),
            "gain": over_rows((attention - random).mean(axis=0), confidence),
            "by_share": {
                "attention": [round(float(mean), DIGITS) for mean in attention.mean(axis=1)],
                "random": [round(float(mean), DIGITS) for mean in random.mean(axis=1)],
            },
        }
    return result
