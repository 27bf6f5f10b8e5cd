"""The passages that decide, where a dataset knows them, and what of them scores find."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.explanation.estimates import Document, over_rows

TOP = 5  # heaviest tokens that are looked up in the evidence


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


def on_evidence(
    sequences: Sequences,
    weights: Sequence[NDArray[np.float32]],
    evidence: NDArray[np.bool_],
    confidence: float,
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
        "mass": over_rows(mass, confidence),
        "expected": over_rows(even, confidence),
        "excess": over_rows(np.subtract(mass, even), confidence),
        "top": TOP,
        "precision": over_rows(precision, confidence),
    }


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


def rationales(
    sequences: Sequences, order: NDArray[np.int64], evidence: NDArray[np.bool_], share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How well each row's first-ranked steps match its evidence, as ERASER scores rationales.

    A rationale is the first share · length steps, rounded, and at least one.

    1. Token F1: of the steps.
    2. IOU F1: of the passages, runs of neighboring steps. A passage of the rationale is right if
       it shares at least half of its union with a passage of the evidence.

    Args:
        sequences: the rows.
        order: <int64>[total], each step's rank in its row, from 0.
        evidence: <bool>[total].
        share: of the steps.

    Returns:
        Two <float64>[rows with evidence].
    """
    tokens, passages = [], []
    for start, end in zip(sequences.starts[:-1], sequences.starts[1:], strict=True):
        marked = evidence[start:end]
        if marked.any():
            chosen = order[start:end] < max(1, round(share * (end - start)))
            tokens.append(2 * float((chosen & marked).sum()) / float(chosen.sum() + marked.sum()))
            found, true = _passages(chosen), _passages(marked)
            right = sum(any(_overlap(one, other) >= 0.5 for other in true) for one in found)
            passages.append(2 * right / (len(found) + len(true)))
    return np.array(tokens), np.array(passages)


def _passages(steps: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where runs of neighboring steps start and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], steps.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
    """What two passages share, as a part of their union."""
    shared = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)
