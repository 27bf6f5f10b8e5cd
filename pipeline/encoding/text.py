"""Encoding texts as sequences, finding frequent n-grams, and reporting what was lost."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, pack_pairs, starts_of, unpack_pairs
from pipeline.encoding.tokenizer import UNKNOWN_ID, Keep, Tokenizer

_CHUNK = 5000  # rows whose bigrams are counted at once
MOST_PAIRS = 2**24  # different bigrams; counting them takes 1.5 GB at most


def encode_texts(
    batches: Iterable[tuple[NDArray[np.int64], list[str], NDArray[Any]]],
    tokenizer: Tokenizer,
    *,
    max_len: int,
    keep: Keep = "head",
    spans: bool = True,
) -> Iterator[Sequences]:
    """Encode batches of (row numbers, texts, targets), one after the other.

    Args:
        batches: read as they are encoded.
        tokenizer: of the dataset.
        max_len, keep: as in `Tokenizer.encode`.
        spans: whether each token's place in its text is wanted, too.
    """
    for numbers, texts, labels in batches:
        encoded = tokenizer.encode(texts, max_len=max_len, keep=keep, spans=spans)
        yield Sequences(
            rows=numbers,
            targets=labels,
            starts=starts_of([len(row.ids) for row in encoded]),
            values=np.concatenate([row.ids for row in encoded]),
            spans=np.concatenate([row.spans for row in encoded]) if spans else None,
            totals=np.array([row.total for row in encoded], np.int64),
        )


def frequent_bigrams(sequences: Sequences, count: int) -> NDArray[np.int32]:
    """The pairs of neighboring tokens that occur in the most rows, and in at least two.

    Of more than `MOST_PAIRS` different pairs, the rarest half is forgotten, and counted anew if
    it comes again (Manku & Motwani 2002): hardly any is frequent enough to be chosen.

    Args:
        sequences: of token ids.
        count: maximum number of pairs.

    Returns:
        <int32>[n, 2], sorted by id. Of equally frequent pairs, those with lower ids are taken.
    """
    return _frequent(sequences.parts(_CHUNK), count)


def frequent_trigrams(
    sequences: Sequences, pairs: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    """The trigrams that occur in the most rows, of those that consist of two known bigrams.

    Args:
        sequences: of token ids.
        pairs: what `frequent_bigrams` returned.
        count: maximum number of trigrams.

    Returns:
        <int32>[n, 2], the numbers of a trigram's two bigrams among `pairs`, from 1; sorted.
    """
    if not len(pairs):
        return np.empty((0, 2), np.int32)
    return _frequent((_numbered(part, pairs) for part in sequences.parts(_CHUNK)), count)


def _numbered(part: Sequences, pairs: NDArray[np.int32]) -> Sequences:
    """Each token's bigram in its place, as `models.bigrams` numbers them; 0 if it is unknown."""
    ids, known = part.values.astype(np.int64), pack_pairs(*pairs.astype(np.int64).T)
    wanted = pack_pairs(ids, np.append(ids[1:], 0))
    wanted[part.starts[1:] - 1] = 0  # a row's last token
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    numbers = np.where(known[place] == wanted, place + 1, 0).astype(np.int32)
    return replace(part, values=numbers)


def _frequent(parts: Iterable[Sequences], count: int) -> NDArray[np.int32]:
    """The pairs of neighbors in the most rows; see `frequent_bigrams`."""
    pairs, rows_with = np.empty(0, np.int64), np.empty(0, np.int64)
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for part in parts:
        waiting.append(_rows_with(part))
        # Not after each part: that would sort all pairs so far again and again.
        if sum(len(found) for found, _ in waiting) > len(pairs):
            pairs, rows_with = _added([(pairs, rows_with), *waiting])
            waiting.clear()
            if len(pairs) > MOST_PAIRS:
                kept = np.sort(np.argsort(-rows_with, kind="stable")[: MOST_PAIRS // 2])
                pairs, rows_with = pairs[kept], rows_with[kept]
    pairs, rows_with = _added([(pairs, rows_with), *waiting])
    repeated = np.flatnonzero(rows_with > 1)
    chosen = repeated[np.argsort(-rows_with[repeated], kind="stable")[:count]]
    kept = pairs[np.sort(chosen)]
    return np.stack(unpack_pairs(kept), axis=1).astype(np.int32)


def _rows_with(part: Sequences) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different pairs of neighbors but 0, ascending, and in how many rows each occurs."""
    ids = part.values.astype(np.int64)
    row = np.repeat(np.arange(len(part)), part.lengths)
    within = (row[1:] == row[:-1]) & (ids[1:] != 0) & (ids[:-1] != 0)
    both = pack_pairs(ids[:-1][within], ids[1:][within])
    # sort by row, then by pair, to count each pair once per row
    order = np.lexsort((both, row[1:][within]))
    both, row = both[order], row[1:][within][order]
    first = np.ones(len(both), bool)
    first[1:] = (both[1:] != both[:-1]) | (row[1:] != row[:-1])
    return np.unique(both[first], return_counts=True)


def _added(
    counted: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different pairs of all, ascending, and the sums of their counts."""
    pairs, inverse = np.unique(np.concatenate([each for each, _ in counted]), return_inverse=True)
    counts = np.concatenate([each for _, each in counted])
    return pairs, np.bincount(inverse, counts, len(pairs)).astype(np.int64)


def split_report(sequences: Sequences, *, classes: list[str]) -> dict[str, Any]:
    """Report on one split: lengths in tokens, truncation, unknown tokens."""
    totals = sequences.totals
    assert totals is not None, "texts carry the number of all their tokens"
    unknown = sum(np.count_nonzero(part.values == UNKNOWN_ID) for part in sequences.parts())
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
        "unknown_token_share": round(unknown / len(sequences.values), 6),
    }
