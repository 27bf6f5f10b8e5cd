"""Answers: reviews per second in batches, and milliseconds for one; the weights are the same."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from pipeline.artifacts import Sequences
from pipeline.benchmark import arithmetic
from pipeline.benchmark.settings import NAMES, Options
from pipeline.benchmark.throughput import start

MANY, SINGLE = 2000, 40  # reviews, spread over all lengths


def measure(
    rows: Sequences, options: Options, arms: Sequence[str], say: Callable[[str], object]
) -> dict[str, Any]:
    """Let every arm answer the same reviews, many in batches and some one by one, in turn.

    Args:
        rows: to choose them from.
        options: sizes, repeats, threads.
        arms: which ones; the first one's weights are given to all, and it is compared with them.
        say: where progress goes.
    """
    many = _spread_over_lengths(rows, MANY)
    single = [rows.take(np.array([index])) for index in _spread_over_lengths(rows, SINGLE)]
    together = rows.take(many)
    rates: dict[str, list[float]] = {arm: [] for arm in arms}
    alone: dict[str, list[float]] = {arm: [] for arm in arms}
    answers = {}
    with ExitStack() as stack:
        workers = {arm: stack.enter_context(start(arm, rows, options)) for arm in arms}
        weights = workers[arms[0]].call("weights").result
        for arm in arms:
            workers[arm].call("load", weights)
            answers[arm] = workers[arm].call("predict", together).result  # traces its graph
        for repeat in range(1, options.repeats + 1):
            for arm in arms:
                seconds = workers[arm].call("predict", together).seconds
                rates[arm].append(len(together) / seconds)
                each = [workers[arm].call("predict", one).seconds for one in single]
                alone[arm].append(1000 * float(np.median(each)))
                say(
                    f"  repeat {repeat}/{options.repeats}  {NAMES[arm]:<12} "
                    f"{rates[arm][-1]:>7,.0f} reviews/s  {alone[arm][-1]:7.1f} ms for one"
                )
    first = answers[arms[0]]
    return {
        "reviews": len(together),
        "arms": {
            arm: {
                "reviews_per_second": rates[arm],
                "milliseconds_for_one": alone[arm],
                "largest_difference": float(np.abs(answers[arm] - first).max()),
            }
            for arm in arms
        },
        "ratios": arithmetic.ratios(rates, of=arms[0]),
    }


def _spread_over_lengths(rows: Sequences, count: int) -> Any:
    """<int64>[count], row numbers at equal distances in the order of lengths."""
    order = np.argsort(rows.lengths, kind="stable")
    return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
