"""Encoding texts as sequences, finding frequent bigrams, and reporting what was lost."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, starts_of
from pipeline.encoding.tokenizer import UNKNOWN_ID, Keep, Tokenizer

_CHUNK = 5000  # rows whose bigrams are counted at once


def encode_texts(
    batches: Iterable[tuple[NDArray[np.int64], list[str], NDArray[Any]]],
    tokenizer: Tokenizer,
    *,
    max_len: int,
    keep: Keep = "head",
) -> tuple[Sequences, NDArray[np.int64]]:
    """Encode batches of (row numbers, texts, targets), keeping one in memory at a time.

    Returns:
        The sequences, and <int64>[n], each text's number of tokens before truncation.
    """
    rows, targets, values, spans = [], [], [], []
    lengths: list[int] = []
    totals: list[int] = []
    for numbers, texts, labels in batches:
        encoded = tokenizer.encode(texts, max_len=max_len, keep=keep)
        rows.append(numbers)
        targets.append(labels)
        values.append(np.concatenate([row.ids for row in encoded]))
        spans.append(np.concatenate([row.spans for row in encoded]))
        lengths.extend(len(row.ids) for row in encoded)
        totals.extend(row.total for row in encoded)
    sequences = Sequences(
        rows=np.concatenate(rows),
        targets=np.concatenate(targets),
        starts=starts_of(lengths),
        values=np.concatenate(values),
        spans=np.concatenate(spans),
    )
    return sequences, np.array(totals, np.int64)


def frequent_bigrams(sequences: Sequences, count: int) -> NDArray[np.int32]:
    """The pairs of neighboring tokens that occur in the most rows, and in at least two.

    Args:
        sequences: of token ids.
        count: maximum number of pairs.

    Returns:
        <int32>[n, 2], sorted by id. Of equally frequent pairs, those with lower ids are taken.
    """
    pairs = np.empty(0, np.int64)
    rows_with = np.empty(0, np.int64)
    for start in range(0, len(sequences), _CHUNK):
        stop = min(start + _CHUNK, len(sequences))
        begin, end = sequences.starts[start], sequences.starts[stop]
        ids = sequences.values[begin:end].astype(np.int64)
        row = np.repeat(np.arange(stop - start), sequences.lengths[start:stop])
        within = row[1:] == row[:-1]
        both = ids[:-1][within] << 32 | ids[1:][within]
        # sort by row, then by pair, to count each pair once per row
        order = np.lexsort((both, row[1:][within]))
        both, row = both[order], row[1:][within][order]
        first = np.ones(len(both), bool)
        first[1:] = (both[1:] != both[:-1]) | (row[1:] != row[:-1])
        found, times = np.unique(both[first], return_counts=True)
        # add the counts of this chunk to those of the earlier ones
        pairs, inverse = np.unique(np.concatenate([pairs, found]), return_inverse=True)
        counts = np.concatenate([rows_with, times])
        rows_with = np.bincount(inverse, weights=counts, minlength=len(pairs)).astype(np.int64)
    repeated = np.flatnonzero(rows_with > 1)
    chosen = repeated[np.argsort(-rows_with[repeated], kind="stable")[:count]]
    kept = pairs[np.sort(chosen)]
    return np.stack([kept >> 32, kept & 0xFFFFFFFF], axis=1).astype(np.int32)


def split_report(
    sequences: Sequences, totals: NDArray[np.int64], *, classes: list[str]
) -> dict[str, Any]:
    """Report on one split: lengths in tokens, truncation, unknown tokens."""
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
