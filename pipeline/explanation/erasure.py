"""Taking steps out of sequences, and how far that moves a prediction.

Comprehensiveness and sufficiency of DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate
Rationalized NLP Models".
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, parts_of, starts_of
from pipeline.explanation.threads import side_by_side

Predict = Callable[[Sequences], NDArray[np.float32]]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the tokens; ERASER's five, over which it averages
# Whose shortened forms are predicted together: these share most of their words, which the network
# multiplies once for each batch, and it bounds the memory.
ROWS_AT_ONCE = 8
# Of shortened or masked rows. Larger batches have more padding, and OpenBLAS multiplies matrices
# faster up to 1,000,000 products: here 61 rows · 64 · 256.
BATCH = 60


def of_predicted(full: NDArray[Any], outputs: NDArray[Any]) -> NDArray[np.float64]:
    """<float64>[…, n]: the probability of the class that `full` gives, or for regression the value.

    Args:
        full: the outputs for all steps, [n, classes] or [n].
        outputs: some outputs for the same rows, […, n, classes] or […, n].
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


def tops(sequences: Sequences, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """<bool>[shares, total]: whether a step is among the first-ranked of its row, for each share.

    Those are share · length steps, rounded up, but never all of them.

    Args:
        sequences: the rows.
        order: <int64>[total], each step's rank in its row, from 0.
    """
    found = []
    for share in SHARES:
        size = np.ceil((share * sequences.lengths).round(9)).clip(1, sequences.lengths - 1)
        found.append(order < np.repeat(size, sequences.lengths))
    return np.stack(found)


def few_at_a_time(
    sequences: Sequences,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """The rows of more than one step, some of like length at a time, which takes little padding.

    The longest come first, so that threads end at about the same time.

    Yields:
        The rows, and <bool>[total], whether a step is theirs.
    """
    several = np.flatnonzero(sequences.lengths > 1)
    alike = several[np.argsort(sequences.lengths[several], kind="stable")]
    row_of = np.repeat(np.arange(len(sequences)), sequences.lengths)
    for some in reversed(parts_of(alike, ROWS_AT_ONCE)):
        rows = np.sort(some)
        yield rows, np.isin(row_of, rows)


def changes_of(
    sequences: Sequences, orders: NDArray[np.int64], full: NDArray[np.float32], predict: Predict
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How the prediction changes without, and with only, the steps that rank highest.

    1. For each share, the top of a row; see `tops`.
    2. comprehensiveness = p(all steps) - p(all but the top), of the class first predicted
    3. sufficiency = p(all steps) - p(the top alone)
    For regression p is the prediction, and the changes are absolute.

    Args:
        sequences: the rows, each of more than one step.
        orders: <int64>[orders, total], each step's rank in its row, from 0, by several scores.
        full: the outputs for all steps.
        predict: the outputs for other sequences.

    Returns:
        Two <float64>[orders, shares, n].
    """
    top = np.stack([tops(sequences, order) for order in orders])
    kept = np.stack([~top, top])
    outputs = np.empty((*kept.shape[:-1], *full.shape), np.float32)

    def shorten(group: tuple[NDArray[np.int64], NDArray[np.bool_]]) -> None:
        rows, steps = group
        few, masks = sequences.take(rows), kept[..., steps]
        shortened = [keep(few, mask) for mask in masks.reshape(-1, masks.shape[-1])]
        found = predict(Sequences.concatenate(shortened))
        outputs[:, :, :, rows] = found.reshape(*kept.shape[:-1], len(rows), *full.shape[1:])

    side_by_side(shorten, few_at_a_time(sequences))
    without, alone = moved(full, outputs)
    return without, alone


def moved(full: NDArray[np.float32], outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """<float64>[…, n]: by how much the prediction falls; for a number, how far it moves."""
    change = of_predicted(full, full) - of_predicted(full, outputs)
    return change if full.ndim > 1 else np.abs(change)


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
