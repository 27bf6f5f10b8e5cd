"""What is computed of measurements: operations, samples of batches, rates, ratios."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Sequences
from pipeline.batching import batches
from pipeline.benchmark.settings import Sizes

Order = list[NDArray[np.int64]]


class Spread(NamedTuple):
    """The median of repeated measurements, and how far they lie apart."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum."""
    return Spread(float(np.median(values)), float(min(values)), float(max(values)))


def flops_per_token(sizes: Sizes) -> int:
    """Floating point operations that training needs for one token that is no padding.

    Counted are the matrix products alone, a multiplication and an addition each: with E inputs,
    u units and d = 2u states,

    1. the gates, 4u of them from input and last state, in two directions: 2 · 4u · (E + u)
    2. the attention's scores, v = W h and u · v: d · d + d
    3. its weighted sum: d

    and backward the same twice, for the gradient of what came in and that of the weights.
    """
    states = 2 * sizes.units
    gates = 2 * 4 * sizes.units * (sizes.embedding + sizes.units)
    attention = states * states + states + states
    forward = 2 * (gates + attention)
    return 3 * forward


def sample(sequences: Sequences, batch_size: int, count: int, rng: np.random.Generator) -> Order:
    """Batches of an epoch: all of them, or `count`, one from each stratum of like length.

    So that a part of an epoch has its lengths and its padding, the epoch's batches are put in
    the order of their length and cut into `count` runs; one is drawn from each.

    Args:
        sequences: the rows of the epoch.
        batch_size: rows in a batch, at most.
        count: how many batches; 0 is all.
        rng: divides the rows among batches, and draws.
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
    """Real tokens of batches: padding is no work that anybody asked for."""
    return int(lengths[np.concatenate(order)].sum())


def padding_share(order: Order, lengths: NDArray[np.int64]) -> float:
    """The share of steps of padded batches that are padding."""
    steps = sum(len(indices) * int(lengths[indices].max()) for indices in order)
    return 1 - tokens(order, lengths) / steps


def ratios(rates: Mapping[str, Sequence[float]], *, of: str) -> dict[str, Spread]:
    """How many times as fast as the others one arm is, repeat by repeat.

    Args:
        rates: arm → its rate in each repeat; the same repeat of all arms saw the same rows.
        of: the arm.
    """
    return {
        arm: spread([ours / theirs for ours, theirs in zip(rates[of], values, strict=True)])
        for arm, values in rates.items()
        if arm != of
    }
