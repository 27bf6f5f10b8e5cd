"""Training speed: the implementations take turns on the same rows, several times."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import ceil
from typing import Any

import numpy as np

from pipeline.core.sequences import Sequences
from pipeline.studies.benchmark import arithmetic
from pipeline.studies.benchmark.arithmetic import Order
from pipeline.studies.benchmark.implementations import IMPLEMENTATIONS
from pipeline.studies.benchmark.settings import NAMES, Options
from pipeline.studies.processes import worker

Say = Callable[[str], object]
Rates = dict[str, list[float]]  # implementation → its rate in each repeat
_WARM = 4  # batches before anything is measured, to trace graphs and allocate memory


def measure(
    rows: Sequences, options: Options, implementations: Sequence[str], say: Say
) -> dict[str, Any]:
    """Time every implementation on batches of an epoch, and the matrix limit.

    Args:
        rows: of an epoch.
        options: sizes, batches, repeats, threads.
        implementations: which ones; the first is compared with the others.
        say: prints progress.

    Returns:
        Per implementation: rates, seconds per epoch and memory.
    """
    rates: Rates = {implementation: [] for implementation in implementations}
    by_cpu: Rates = {implementation: [] for implementation in implementations}
    limits: list[float] = []
    with ExitStack() as stack:
        multiplier = stack.enter_context(worker("benchmark.machine", "Multiplier", options.threads))
        workers = {
            implementation: stack.enter_context(start(implementation, rows, options))
            for implementation in implementations
        }
        for implementation in implementations:
            workers[implementation].call(
                "train", _order(implementation, rows, options, repeat=0)[:_WARM]
            )
        ready = {
            implementation: workers[implementation].peak_memory()
            for implementation in implementations
        }
        for repeat in range(1, options.repeats + 1):
            limits.append(multiplier.call("gflops").result)
            for implementation in implementations:
                order = _order(implementation, rows, options, repeat=repeat)
                timed = workers[implementation].call("train", order)
                tokens = arithmetic.tokens(order, rows.lengths)
                rates[implementation].append(tokens / timed.seconds)
                by_cpu[implementation].append(tokens / timed.cpu_seconds)
                say(
                    f"  repeat {repeat}/{options.repeats}  {NAMES[implementation]:<30} "
                    f"{len(order):>4} batches"
                    f"  {timed.seconds:6.1f} s  {rates[implementation][-1]:>9,.0f} tokens/s"
                )
        peaks = {
            implementation: workers[implementation].peak_memory()
            for implementation in implementations
        }
    return _summary(rows, options, rates, by_cpu, limits, peaks=peaks, ready=ready)


def pytorch_ways(rows: Sequences, options: Options) -> dict[str, float]:
    """Seconds per batch of PyTorch's two correct ways to handle padding, on three batches."""
    rng = np.random.default_rng(options.seed)
    order = arithmetic.sample(rows, options.batch_size, 3, rng)
    seconds = {}
    for implementation in ("pytorch", "packed"):
        with start(implementation, rows, options) as process:
            process.call("train", order[:1])
            seconds[implementation] = process.call("train", order).seconds / len(order)
    return {"reversed": seconds["pytorch"], "packed": seconds["packed"]}


def start(implementation: str, rows: Sequences, options: Options) -> Any:
    """An implementation in its own process."""
    place = IMPLEMENTATIONS[implementation]
    return worker(
        f"benchmark.{place.module}",
        place.name,
        options.sizes,
        rows,
        options.batch(implementation),
        options.threads,
    )


def _order(implementation: str, rows: Sequences, options: Options, *, repeat: int) -> Order:
    """An implementation's batches in a repeat: the same number of rows for each."""
    batch_size = options.batch(implementation)
    count = ceil(options.batches * options.batch_size / batch_size)
    return arithmetic.sample(rows, batch_size, count, np.random.default_rng([options.seed, repeat]))


def _summary(
    rows: Sequences,
    options: Options,
    rates: Rates,
    by_cpu: Rates,
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
        "implementations": {
            implementation: {
                "batch_size": options.batch(implementation),
                "tokens_per_second": values,
                "tokens_per_cpu_second": by_cpu[implementation],
                "seconds_per_epoch": arithmetic.spread([tokens / rate for rate in values]),
                "share_of_limit": arithmetic.spread([rate / limit for rate in values]),
                "peak_memory_mb": peaks[implementation],
                "peak_memory_after_warm_up_mb": ready[implementation],
            }
            for implementation, values in rates.items()
        },
        "ratios": arithmetic.ratios(rates, of=first),
        "cpu_ratios": arithmetic.ratios(by_cpu, of=first),
    }
