"""The test rows that are shown, and each run's predictions and weights for them."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences
from pipeline.core.texts import LINE_BREAK

Span = tuple[int, int]
DRAWN = 8  # features of a series that are shown


def choose(
    runs: Sequence[Predictions], lengths: NDArray[np.int64], *, count: int, seed: int
) -> NDArray[np.int64]:
    """Choose test rows that differ: both classes, short and long, mostly right and mostly wrong.

    1. Describe each row by three aspects: its class, whether it is longer than the median, and
       whether the majority of the runs got it right. (Regression: target above the median;
       mean absolute error of the runs up to the median.)
    2. Put the rows in a seeded order.
    3. Repeatedly take the next row of the kind whose aspects have been taken least so far.

    Args:
        runs: each model's and seed's predictions on the same rows.
        lengths: <int64>[n], steps per row.

    Returns:
        <int64>[min(count, n)], ascending positions in the split, the same for every model.
    """
    kinds, kind_of = np.unique(_aspects(runs, lengths), axis=0, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(lengths))
    waiting = [list(order[kind_of[order] == kind][::-1]) for kind in range(len(kinds))]
    taken: Counter[tuple[int, int]] = Counter()
    chosen: list[int] = []
    while len(chosen) < min(count, len(lengths)):
        open_kinds = [kind for kind, rows in enumerate(waiting) if rows]
        kind = min(
            open_kinds, key=lambda kind: sum(taken[aspect] for aspect in enumerate(kinds[kind]))
        )
        taken.update(enumerate(kinds[kind]))
        chosen.append(waiting[kind].pop())
    return np.array(sorted(chosen), np.int64)


def _aspects(runs: Sequence[Predictions], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """<int64>[n, 3]: class, long?, right?"""
    targets = runs[0].targets
    if runs[0].outputs.ndim == 1:
        error = np.mean([np.abs(run.outputs - targets) for run in runs], axis=0)
        right = error <= np.median(error)
        targets = targets > np.median(targets)
    else:
        right = np.mean([run.labels == targets for run in runs], axis=0) > 0.5
    return np.stack([targets, lengths > np.median(lengths), right], axis=1).astype(np.int64)


def drawn_features(test: Sequences, *, count: int = DRAWN) -> list[int]:
    """The features of a series that are shown, ascending; the same for every run.

    If there are more than `count`, those whose mean or last value in a window has the strongest
    correlation with the target.

    Args:
        test: all test rows, of equal length, with <float32>[total, features].
    """
    rows, features = len(test), test.values.shape[1]
    if features <= count:
        return list(range(features))
    windows = test.values.reshape(rows, -1, features)
    targets = test.targets
    if targets.dtype.kind == "i":  # classes: each against the others
        targets = np.eye(targets.max() + 1)[targets]
    targets = _standard(targets.reshape(rows, -1))
    # <float64>[features, targets]
    correlations = [_standard(one).T @ targets for one in (windows.mean(axis=1), windows[:, -1])]
    strength = np.abs(correlations).max(axis=(0, 2))
    return sorted(np.argsort(-strength, kind="stable")[:count].tolist())


def _standard(values: NDArray[Any]) -> NDArray[np.float64]:
    """<float>[rows, columns] → columns of length 1 around 0; constant ones become 0."""
    centered = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(centered, axis=0)
    return np.asarray(centered / np.where(length > 0, length, 1.0))


def document(
    *,
    model: str,
    seed: int,
    classes: Sequence[str],
    texts: Sequence[str],
    sequences: Sequences,
    predictions: Predictions,
    weights: Sequence[NDArray[np.float32]] | None,
    max_len: int,
    evidence: Sequence[Collection[Span]] | None = None,
    disagreements: Collection[int] = (),
) -> dict[str, Any]:
    """One run's predictions and weights for the chosen texts, as kept in `samples.json`.

    Every sequence argument has one item for each chosen row, in the same order.

    Args:
        classes: their names; empty where the task is regression.
        weights: <float32>[length] a row; None when the model has none.
        max_len: length to which sequences were truncated.
        evidence: character spans of the deciding passages, where they are known.
        disagreements: numbers of the rows that were chosen because the models disagree on them.
    """
    assert sequences.spans is not None, "text sequences carry the spans of their tokens"
    rows = []
    for number, (start, end) in enumerate(_bounds(sequences)):
        spans = sequences.spans[start:end].tolist()
        unread = _unread(texts[number], spans) if len(spans) >= max_len else []
        rows.append(
            {
                "row": int(sequences.rows[number]),
                **_outcome(predictions, number),
                "disagreement": int(sequences.rows[number]) in disagreements,
                "text": texts[number],
                "tokens": [
                    {"start": first, "end": last, "weight": weight}
                    for (first, last), weight in zip(
                        spans, _weights(weights, number, len(spans)), strict=True
                    )
                ],
                "truncated": bool(unread),
                "unread": unread,
                "evidence": [list(span) for span in evidence[number]] if evidence else [],
            }
        )
    return {
        "kind": "text",
        "model": model,
        "seed": seed,
        "classes": list(classes),
        "has_weights": weights is not None,
        "samples": rows,
    }


def series_document(
    *,
    model: str,
    seed: int,
    classes: Sequence[str],
    features: Sequence[str],
    drawn: Sequence[int],
    sequences: Sequences,
    predictions: Predictions,
    weights: Sequence[NDArray[np.float32]] | None,
    disagreements: Collection[int] = (),
) -> dict[str, Any]:
    """As `document`, for windows of a series: with values instead of texts.

    Args:
        features: name of each column of `sequences.values`.
        drawn: the columns that are kept.
    """
    rows = []
    for number, (start, end) in enumerate(_bounds(sequences)):
        values = sequences.values[start:end, drawn]  # <float32>[time_steps, drawn features]
        rows.append(
            {
                "row": int(sequences.rows[number]),
                **_outcome(predictions, number),
                "disagreement": int(sequences.rows[number]) in disagreements,
                "weights": _weights(weights, number, len(values)),
                "values": [[round(float(value), 4) for value in step] for step in values],
            }
        )
    return {
        "kind": "series",
        "model": model,
        "seed": seed,
        "classes": list(classes),
        "features": [features[column] for column in drawn],
        "features_in_all": len(features),
        "has_weights": weights is not None,
        "samples": rows,
    }


def _bounds(sequences: Sequences) -> list[Span]:
    return list(zip(sequences.starts[:-1].tolist(), sequences.starts[1:].tolist(), strict=True))


def _outcome(predictions: Predictions, number: int) -> Mapping[str, Any]:
    """Label and prediction of one row; `correct` is None where the task is regression."""
    target, output = predictions.targets[number], predictions.outputs[number]
    if predictions.outputs.ndim == 1:
        return {
            "label": round(float(target), 6),
            "probabilities": [],
            "predicted": round(float(output), 6),
            "correct": None,
        }
    predicted = int(output.argmax())
    return {
        "label": int(target),
        "probabilities": [round(float(probability), 6) for probability in output],
        "predicted": predicted,
        "correct": predicted == int(target),
    }


def _weights(
    weights: Sequence[NDArray[np.float32]] | None, number: int, length: int
) -> list[float | None]:
    if weights is None:
        return [None] * length
    return [round(float(weight), 6) for weight in weights[number]]


def _unread(text: str, spans: Sequence[Span]) -> list[list[int]]:
    """Stretches that hold words but no token: what truncation cut off."""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    gaps = [[start, end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return [
        [start, end]
        for start, end in gaps
        if any(character.isalnum() for character in re.sub(LINE_BREAK, " ", text[start:end]))
    ]


def disputed(
    comparison: Mapping[str, Any], *, per_pair: int = 5
) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The test rows on which the champion and each other model disagree most.

    Args:
        comparison: `comparison.json`.

    Returns:
        (first model, second model, the comparison's entry of the row), most disputed first
        within each pair.
    """
    champion = comparison["champion"]["model"]
    return [
        (pair["first"], pair["second"], entry)
        for pair in comparison["disagreements"]
        if champion in (pair["first"], pair["second"])
        for entry in pair["rows"][:per_pair]
    ]


def disputed_rows(comparison: Mapping[str, Any]) -> set[int]:
    """The numbers of the rows that `disputed` names."""
    return {entry["row"] for _, _, entry in disputed(comparison)}
