"""What an epoch of each case costs on this machine: CPU time of its steps, and memory."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from math import ceil
from typing import Any

import keras
import numpy as np

from pipeline.core.sequences import Sequences, read_sequences
from pipeline.studies.kept import Cell, Row
from pipeline.studies.parts.runs import Training
from pipeline.studies.processes import alone
from pipeline.training.loop import train_model

_STEPS = 8  # in each pass
_PASSES = 4  # the first doesn't count: functions are compiled in it


def measure(
    cells: Mapping[str, Cell], say: Callable[[str], object], known: Sequence[Row] = ()
) -> list[Row]:
    """A row for each case and model of which a run is finished: what its training takes.

    It is reckoned from CPU time of some steps, each case in a process of its own. The fastest of
    several passes counts, since what else the machine does only slows them. What an epoch takes
    besides, validation and the checkpoint, isn't counted.

    Args:
        cells: the study's.
        say: called with each row.
        known: rows that were measured before, and aren't again.

    Raises:
        ParamsError: there are no rows without labels.
        SpotlightError: memory ran out.
    """
    # Earlier versions measured no memory.
    complete = [row for row in known if row.get("peak_memory_mb")]
    measured = {(row["case"], row["model"]): dict(row) for row in complete}
    trainings = [
        cell.make for cell in cells.values() if isinstance(cell.make, Training) and cell.kept.valid
    ]
    rows: list[Row] = []
    for (case, model), some in groupby(trainings, lambda one: (one.case, one.model)):
        if (case, model) not in measured:
            training = next(some)
            training.data.prepare()
            told, peak = alone("parts.costs", "time_steps", training)
            steps, seconds = told.result
            measured[case, model] = {
                "case": case,
                "model": model,
                "step_cpu_ms": round(1000 * seconds),
                "epoch_cpu_minutes": round(steps * seconds / 60, 1),
                "peak_memory_mb": round(peak),
            }
            say(
                f"{case}, {model}: {measured[case, model]['epoch_cpu_minutes']} CPU minutes an "
                f"epoch, {peak:,.0f} MB"
            )
        rows.append(measured[case, model])
    return rows


def time_steps(training: Training) -> tuple[int, float]:
    """How many steps an epoch has, and how many seconds of CPU time one takes."""
    run = training.run()
    train = read_sequences(run.data / "train.parquet")
    clock = _Clock()
    train_model(
        run.build_network(),
        _sample(train, _STEPS * run.recipe.batch_size),
        _sample(read_sequences(run.data / "validation.parquet"), run.recipe.batch_size),
        run.recipe.model_copy(update={"epochs": _PASSES, "min_epochs": _PASSES}),
        task=run.about["task"],
        seed=run.seed,
        unlabeled=run.read_unlabeled(),
        name=training.case,
        callbacks=[clock],
    )
    return ceil(len(train) / run.recipe.batch_size), min(clock.seconds[1:]) / _STEPS


def _sample(rows: Sequences, count: int) -> Sequences:
    """That many rows, evenly by length, so that the same steps are long in every case."""
    order = np.argsort(rows.lengths, kind="stable")
    return rows.take(order[np.linspace(0, len(rows) - 1, count).astype(int)])


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """CPU time of this process in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._begun = self._last = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun = time.process_time()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._last = time.process_time()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(self._last - self._begun)
