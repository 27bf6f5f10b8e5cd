"""Arithmetic of the measurements: operations, sampled batches, rates, ratios."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.encoding.batching import batches
from pipeline.studies.benchmark.settings import Sizes

Order = list[NDArray[np.int64]]


class Spread(NamedTuple):
    """The median and range of repeated measurements."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum."""
    return Spread(float(np.median(values)), float(min(values)), float(max(values)))


def flops_per_token(sizes: Sizes) -> int:
    """Floating point operations that training needs for one real token.

    Only matrix products are counted, as a multiplication and an addition each. With E inputs,
    u units and d = 2u states:

    1. the gates, 4u of them from input and last state, in two directions: 2 · 4u · (E + u)
    2. the attention's scores, v = W h and u · v: d · d + d
    3. its weighted sum: d

    The backward pass takes twice as many: for the gradients of the inputs and of the weights.
    """
    states = 2 * sizes.units
    gates = 2 * 4 * sizes.units * (sizes.embedding + sizes.units)
    attention = states * states + states + states
    forward = 2 * (gates + attention)
    return 3 * forward


def sample(sequences: Sequences, batch_size: int, count: int, rng: np.random.Generator) -> Order:
    """Batches of an epoch: all of them, or `count`, one from each stratum of similar length.

    The epoch's batches are sorted by length and cut into `count` strata; one batch is drawn from
    each. So the sample has the epoch's lengths and padding.

    Args:
        sequences: the rows of the epoch.
        batch_size: rows in a batch, at most.
        count: how many batches; 0 is all.
        rng: divides the rows into batches, and draws.
    """
    order = batches(sequences.lengths, batch_size, rng)
    if not count or count >= len(order):
        return order
    longest = [int(sequences.lengths[indices].max()) for indices in order]
    strata = np.array_split(np.argsort(longest, kind="stable"), count)
    chosen = [int(rng.choice(stratum)) for stratum in strata]
    rng.shuffle(chosen)
    return [order[number] for number in chosen]


def tokens(order: Order, lengths: NDArray[np.int64]) -> int:
    """Real tokens of batches; padding does not count as work."""
    return int(lengths[np.concatenate(order)].sum())


def ratios(rates: Mapping[str, Sequence[float]], *, of: str) -> dict[str, Spread]:
    """How many times as fast as each other implementation one is, repeat by repeat.

    Args:
        rates: implementation → its rate in each repeat; a repeat has the same rows for all.
        of: the implementation.
    """
    return {
        implementation: spread(
            [ours / theirs for ours, theirs in zip(rates[of], values, strict=True)]
        )
        for implementation, values in rates.items()
        if implementation != of
    }
