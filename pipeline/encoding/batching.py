"""Padded batches of sequences of similar length.

All padding happens here: zeros after the last step, up to the longest row of the batch. Grouping
rows of similar length keeps it, and the arithmetic spent on it, small.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, parts_of

# Number of batches whose rows are sorted together: more means less padding, fewer more mixing.
POOL = 50
# Steps in a window: 1 GiB of token ids. More rows than these are shuffled window by window, each
# made of blocks that stand together in the file, since reading single rows from a disk is slow.
WINDOW = 2**28
BLOCKS = 64  # in a window


def batches(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    """Divide rows into ⌈n / batch_size⌉ batches of similar length, each row into exactly one.

    With `rng`, the rows are shuffled and sorted by length within pools of `POOL` batches, and
    then the batches are shuffled. So both their rows and their order change from epoch to epoch,
    and depend only on the state of `rng`. Without it, for inference, batches are sorted by length.
    Of more than `WINDOW` steps, all this is done within one window after the other, so there may be
    a few more batches.

    Args:
        lengths: <int64>[n], steps per row.
        batch_size: rows in a batch, at most.
        rng: random generator for shuffling; None for no shuffling.
    """
    result = []
    for window in windows(lengths, rng):
        order = window if rng is None else rng.permutation(window)
        pool = POOL * batch_size if rng else max(len(order), 1)
        made = [
            batch
            for start in range(0, len(order), pool)
            for batch in _by_length(order[start : start + pool], lengths, batch_size)
        ]
        if rng is not None:
            rng.shuffle(made)
        result += made
    return result


def pad(sequences: Sequences, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Pad rows with zeros after their last step: (batch, longest[, features])."""
    lengths = sequences.lengths[indices]
    real = np.arange(lengths.max()) < lengths[:, None]  # <bool>[batch, longest]
    padded = np.zeros(real.shape + sequences.values.shape[1:], sequences.values.dtype)
    padded[real] = sequences.read(indices)
    return padded


def windows(
    lengths: NDArray[np.int64], rng: np.random.Generator | None
) -> Iterator[NDArray[np.int64]]:
    """Divide rows into windows of about `WINDOW` steps: of random blocks, or in their order."""
    count = max(1, ceil(lengths.sum() / WINDOW))
    if count == 1:
        yield np.arange(len(lengths))
        return
    blocks = np.array_split(np.arange(len(lengths)), count * BLOCKS)
    order = np.arange(len(blocks)) if rng is None else rng.permutation(len(blocks))
    for part in np.array_split(order, count):
        yield np.concatenate([blocks[number] for number in np.sort(part)])


def _by_length(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int
) -> list[NDArray[np.int64]]:
    """Sort rows by length and divide them into batches of nearly equal size."""
    ordered = rows[np.argsort(lengths[rows], kind="stable")]
    return parts_of(ordered, batch_size)
