"""Raw splits → sequences, and a report of what that cost."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Sequences
from pipeline.text import UNKNOWN_ID, Tokenizer


def encode(
    batches: Iterable[tuple[NDArray[np.int64], list[str], NDArray[Any]]],
    tokenizer: Tokenizer,
    *,
    max_len: int,
) -> tuple[Sequences, NDArray[np.int64]]:
    """Encode batches of (row numbers, texts, targets), of which one is in memory at a time.

    Returns:
        The sequences, and <int64>[n], each text's tokens before truncation.
    """
    rows, targets, values, spans = [], [], [], []
    lengths: list[int] = []
    totals: list[int] = []
    for numbers, texts, labels in batches:
        encoded = tokenizer.encode(texts, max_len=max_len)
        rows.append(numbers)
        targets.append(labels)
        values.append(np.concatenate([row.ids for row in encoded]))
        spans.append(np.concatenate([row.spans for row in encoded]))
        lengths.extend(len(row.ids) for row in encoded)
        totals.extend(row.total for row in encoded)
    sequences = Sequences(
        rows=np.concatenate(rows),
        targets=np.concatenate(targets),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        values=np.concatenate(values),
        spans=np.concatenate(spans),
    )
    return sequences, np.array(totals, np.int64)


def split_report(
    sequences: Sequences, totals: NDArray[np.int64], *, classes: list[str]
) -> dict[str, Any]:
    """What became of one split: lengths in tokens, what was cut off, what is unknown."""
    unknown = float(np.mean(sequences.values == UNKNOWN_ID))
    quantiles = np.quantile(totals, [0, 0.25, 0.5, 0.75, 0.95, 1]).tolist()
    labels = np.bincount(sequences.targets, minlength=len(classes)).tolist()
    return {
        "rows": len(sequences),
        "labels": dict(zip(classes, labels, strict=True)),
        "tokens": {
            "mean": round(float(totals.mean()), 2),
            **dict(zip(["min", "q25", "median", "q75", "q95", "max"], quantiles, strict=True)),
        },
        "truncated_rows": int(np.sum(totals > sequences.lengths)),
        "tokens_cut_share": round(1 - float(sequences.lengths.sum() / max(totals.sum(), 1)), 6),
        "unknown_token_share": round(unknown, 6),
    }
