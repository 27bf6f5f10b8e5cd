"""Two workers on a core each beside one on one core; and, on paper, what more machines would take.

On paper means: computed from the time measured here, from what a step sends, and from the speed of
the network between machines.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np

from pipeline.core import runtime
from pipeline.core.sequences import Sequences
from pipeline.errors import SpotlightError
from pipeline.studies.benchmark import arithmetic
from pipeline.studies.benchmark.arithmetic import Order
from pipeline.studies.benchmark.settings import Options
from pipeline.studies.processes import Timed, Worker

MACHINES = (2, 8, 64)
GIGABITS = 10  # a second, between machines
_WARM = 4  # batches before anything is measured
_BATCHES = 4  # whose words are counted


def measure(rows: Sequences, options: Options, say: Callable[[str], object]) -> dict[str, Any]:
    """Train the same batches with one worker and with two, in turn, each pinned to a core.

    Args:
        rows: to draw from.
        options: sizes, batch size, batches, repeats.
        say: prints progress.

    Returns:
        By number of workers, milliseconds of a step in each repeat: on the clock; of CPU time, by
        all workers together and by the busiest one, which a step would take on idle cores at
        best. And what more machines would take, see `on_paper`.

    Raises:
        SpotlightError: there is only one core.
    """
    with runtime.quiet_imports():
        from pipeline.training.workers import local_cluster

    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SpotlightError(
            "Two workers need a core each, but this process may use only one.",
            fix="leave out the part `workers`, or start it without taskset.",
        )
    batch_size = options.spotlight_batch_size
    groups: dict[int, list[Worker]] = {}
    clock: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    busiest: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:

        def start(core: int, config: str) -> Worker:
            given = (options.sizes, rows, batch_size, core, config)
            made = Worker("benchmark.implementations.pinned", "Pinned", *given)
            stack.callback(made.close)
            return made

        def train(count: int, order: Order) -> list[Timed]:
            return list(pool.map(lambda one: one.call("train", order), groups[count]))

        rng = np.random.default_rng(options.seed)
        for count, configs in {1: [""], 2: local_cluster(2)}.items():
            groups[count] = list(pool.map(start, cores, configs))
            train(count, arithmetic.sample(rows, batch_size, _WARM, rng))
        numbers: dict[str, int] = groups[1][0].call("numbers").result
        for repeat in range(1, options.repeats + 1):
            order = arithmetic.sample(rows, batch_size, options.batches, rng)
            for count in groups:
                timed = train(count, order)
                clock[count].append(1000 * max(one.seconds for one in timed) / len(order))
                used = [1000 * one.cpu_seconds / len(order) for one in timed]
                cpu[count].append(sum(used))
                busiest[count].append(max(used))
                say(
                    f"  repeat {repeat}/{options.repeats}  workers: {count}  "
                    f"{clock[count][-1]:6.0f} ms a step, {cpu[count][-1]:6.0f} ms of CPU time"
                )
    step = float(np.median(cpu[1])) / 1000
    return {
        "batch_size": batch_size,
        "milliseconds": {str(count): values for count, values in clock.items()},
        "cpu_milliseconds": {str(count): values for count, values in cpu.items()},
        "busiest_milliseconds": {str(count): values for count, values in busiest.items()},
        "numbers": numbers,
        "paper": on_paper(rows, numbers, batch_size=batch_size, seconds=step, seed=options.seed),
    }


def on_paper(
    rows: Sequences, numbers: dict[str, int], *, batch_size: int, seconds: float, seed: int
) -> list[dict[str, float]]:
    """What a step computes and sends on some machines, with batches cut, and with larger ones.

    In a ring of n, a machine sends 2 (n - 1) / n of the dense gradients, and n - 1 machines'
    words. Latency and waiting for the slowest are left out.

    Args:
        rows: to draw batches from.
        numbers: `dense` ones that a step sends, and those of a `word`; 4 bytes each.
        batch_size: of one machine alone.
        seconds: that a step of one machine alone computes.
        seed: of the batches whose words are counted.

    Returns:
        For each, machines, rows on each of them, words, seconds that it computes and sends,
        bytes, and how many times as many rows a second as one machine alone.
    """
    found = []
    for machines in MACHINES:
        for own in (batch_size // machines, batch_size):
            if not own:
                continue
            order = arithmetic.sample(rows, own * machines, _BATCHES, np.random.default_rng(seed))
            words = _words(rows, order, machines)
            sent = 4 * (
                2 * (machines - 1) / machines * numbers["dense"]
                + (machines - 1) * words * numbers["word"]
            )
            computes, sends = seconds * own / batch_size, 8 * sent / (GIGABITS * 1e9)
            found.append(
                {
                    "machines": machines,
                    "rows": own,
                    "words": words,
                    "computes": computes,
                    "bytes": sent,
                    "sends": sends,
                    "times": machines * computes / (computes + sends),
                }
            )
    return found


def _words(rows: Sequences, order: Sequence[Any], machines: int) -> float:
    """How many different words the rows of one machine have in a batch, on average."""
    return float(np.mean([len(np.unique(rows.take(batch[::machines]).values)) for batch in order]))
