"""Inference: reviews per second in batches, and milliseconds for one, with the same weights."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from pipeline.core.sequences import Sequences
from pipeline.studies.benchmark import arithmetic
from pipeline.studies.benchmark.settings import NAMES, Options
from pipeline.studies.benchmark.throughput import Rates, start

MANY, SINGLE = 2000, 40  # reviews, spread over all lengths


def measure(
    rows: Sequences, options: Options, implementations: Sequence[str], say: Callable[[str], object]
) -> dict[str, Any]:
    """Time predictions for the same reviews, many in batches and some one by one, in turn.

    Args:
        rows: to choose reviews from.
        options: sizes, repeats, threads.
        implementations: which ones; all get the first one's weights and are compared with it.
        say: prints progress.
    """
    many = _spread_over_lengths(rows, MANY)
    single = one_by_one(rows)
    together = rows.take(many)
    rates: Rates = {implementation: [] for implementation in implementations}
    by_cpu: Rates = {implementation: [] for implementation in implementations}
    alone: Rates = {implementation: [] for implementation in implementations}
    alone_by_cpu: Rates = {implementation: [] for implementation in implementations}
    outputs = {}
    with ExitStack() as stack:
        workers = {
            implementation: stack.enter_context(start(implementation, rows, options))
            for implementation in implementations
        }
        weights = workers[implementations[0]].call("weights").result
        for implementation in implementations:
            workers[implementation].call("load", weights)
            # also traces its graph
            outputs[implementation] = workers[implementation].call("predict", together).result
        for repeat in range(1, options.repeats + 1):
            for implementation in implementations:
                timed = workers[implementation].call("predict", together)
                rates[implementation].append(len(together) / timed.seconds)
                by_cpu[implementation].append(len(together) / timed.cpu_seconds)
                each = [workers[implementation].call("predict", one) for one in single]
                alone[implementation].append(_milliseconds(one.seconds for one in each))
                alone_by_cpu[implementation].append(_milliseconds(one.cpu_seconds for one in each))
                say(
                    f"  repeat {repeat}/{options.repeats}  {NAMES[implementation]:<30} "
                    f"{rates[implementation][-1]:>7,.0f} reviews/s  "
                    f"{alone[implementation][-1]:7.1f} ms for one"
                )
    first = outputs[implementations[0]]
    return {
        "reviews": len(together),
        "implementations": {
            implementation: {
                "reviews_per_second": rates[implementation],
                "reviews_per_cpu_second": by_cpu[implementation],
                "milliseconds_for_one": alone[implementation],
                "cpu_milliseconds_for_one": alone_by_cpu[implementation],
                "largest_difference": float(np.abs(outputs[implementation] - first).max()),
            }
            for implementation in implementations
        },
        "ratios": arithmetic.ratios(rates, of=implementations[0]),
        "cpu_ratios": arithmetic.ratios(by_cpu, of=implementations[0]),
    }


def one_by_one(rows: Sequences) -> list[Sequences]:
    """Some rows of all lengths, each alone."""
    return [rows.take(np.array([index])) for index in _spread_over_lengths(rows, SINGLE)]


def _milliseconds(seconds: Iterable[float]) -> float:
    return 1000 * float(np.median([*seconds]))


def _spread_over_lengths(rows: Sequences, count: int) -> Any:
    """<int64>[count], row numbers evenly spaced in the order of length."""
    order = np.argsort(rows.lengths, kind="stable")
    return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
