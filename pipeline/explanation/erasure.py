"""Taking steps out of sequences, and how far that moves a prediction.

Comprehensiveness and sufficiency of DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate
Rationalized NLP Models".
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, starts_of

Predict = Callable[[Sequences], NDArray[np.float32]]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the tokens; ERASER's five, over which it averages


def of_predicted(full: NDArray[np.float32], outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """<float64>[…, n]: the probability of the class that `full` gives, or for regression the value.

    Args:
        full: the outputs for all steps, <float32>[n, classes] or [n].
        outputs: some outputs for the same rows, <float32>[…, n, classes] or […, n].
    """
    if full.ndim > 1:
        outputs = outputs[..., np.arange(len(full)), full.argmax(axis=1)]
    return outputs.astype(np.float64)


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
