"""Training, arm against arm: in turn, repeatedly, on the same rows of the same lengths."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from pipeline.artifacts import Sequences
from pipeline.benchmark import arithmetic
from pipeline.benchmark.arithmetic import Order
from pipeline.benchmark.arms import ARMS
from pipeline.benchmark.processes import worker
from pipeline.benchmark.settings import NAMES, Options

Say = Callable[[str], object]
_WARM = 4  # batches before anything is measured: graphs are traced, memory is taken


def measure(rows: Sequences, options: Options, arms: Sequence[str], say: Say) -> dict[str, Any]:
    """Time every arm on batches of an epoch, `options.repeats` times, and the matrix limit.

    Args:
        rows: of an epoch.
        options: sizes, batches, repeats, threads.
        arms: which ones; the first is compared with the others.
        say: where progress goes.

    Returns:
        Per arm rates, seconds per epoch and memory.
    """
    rates: dict[str, list[float]] = {arm: [] for arm in arms}
    limits: list[float] = []
    with ExitStack() as stack:
        multiplier = stack.enter_context(worker("machine", "Multiplier", options.threads))
        workers = {arm: stack.enter_context(start(arm, rows, options)) for arm in arms}
        for arm in arms:
            workers[arm].call("train", _order(arm, rows, options, repeat=0)[:_WARM])
        ready = {arm: workers[arm].peak_memory() for arm in arms}
        for repeat in range(1, options.repeats + 1):
            limits.append(multiplier.call("gflops").result)
            for arm in arms:
                order = _order(arm, rows, options, repeat=repeat)
                seconds = workers[arm].call("train", order).seconds
                rates[arm].append(arithmetic.tokens(order, rows.lengths) / seconds)
                say(
                    f"  repeat {repeat}/{options.repeats}  {NAMES[arm]:<12} {len(order):>4} batches"
                    f"  {seconds:6.1f} s  {rates[arm][-1]:>9,.0f} tokens/s"
                )
        peaks = {arm: workers[arm].peak_memory() for arm in arms}
    return _summary(rows, options, rates, limits, peaks=peaks, ready=ready)


def pytorch_ways(rows: Sequences, options: Options) -> dict[str, float]:
    """Seconds per batch of PyTorch's two right ways through padding, on one batch of each third."""
    rng = np.random.default_rng(options.seed)
    order = arithmetic.sample(rows, options.batch_size, 3, rng)
    seconds = {}
    for arm in ("pytorch", "packed"):
        with start(arm, rows, options) as process:
            process.call("train", order[:1])
            seconds[arm] = process.call("train", order).seconds / len(order)
    return {"reversed": seconds["pytorch"], "packed": seconds["packed"]}


def start(arm: str, rows: Sequences, options: Options) -> Any:
    """An arm in a process of its own."""
    place = ARMS[arm]
    return worker(
        place.module, place.name, options.sizes, rows, options.batch(arm), options.threads
    )


def _order(arm: str, rows: Sequences, options: Options, *, repeat: int) -> Order:
    """An arm's batches in a repeat: as many rows for each, and the same where the sizes agree."""
    batch_size = options.batch(arm)
    count = -(-options.batches * options.batch_size // batch_size)
    return arithmetic.sample(rows, batch_size, count, np.random.default_rng([options.seed, repeat]))


def _summary(
    rows: Sequences,
    options: Options,
    rates: dict[str, list[float]],
    limits: list[float],
    *,
    peaks: dict[str, float],
    ready: dict[str, float],
) -> dict[str, Any]:
    flops = arithmetic.flops_per_token(options.sizes)
    tokens = int(rows.lengths.sum())
    limit = 1e9 * float(np.median(limits)) / flops  # tokens per second
    first = next(iter(rates))
    return {
        "rows": len(rows),
        "tokens": tokens,
        "repeats": options.repeats,
        "share_of_epoch": min(1.0, options.batches * options.batch_size / len(rows) or 1.0),
        "flops_per_token": flops,
        "gflops": limits,
        "limit_tokens_per_second": limit,
        "arms": {
            arm: {
                "batch_size": options.batch(arm),
                "tokens_per_second": values,
                "seconds_per_epoch": arithmetic.spread([tokens / rate for rate in values]),
                "share_of_limit": arithmetic.spread([rate / limit for rate in values]),
                "peak_memory_mb": peaks[arm],
                "peak_memory_after_warm_up_mb": ready[arm],
            }
            for arm, values in rates.items()
        },
        "ratios": arithmetic.ratios(rates, of=first),
    }
