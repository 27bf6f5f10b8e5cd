"""Stages, each to be measured in its own process."""

import contextlib
import time
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import params, runtime
from pipeline.core.files import write_json
from pipeline.core.predictions import NAIVE_BAYES, SPLITS, Predictions, write_predictions
from pipeline.core.sequences import Sequences, read_sequences
from pipeline.workspace import Workspace

_LEAST = 20  # steps that are trained
_PREDICTED = 10_000  # rows


class _EnoughError(Exception):
    """Ends a training within an epoch."""


def run(stage: str, root: str) -> None:
    """Run a whole stage."""
    with runtime.quiet_imports():
        module = import_module(f"pipeline.stages.{stage}")
    module.run(Workspace(Path(root)))


def train(root: str) -> dict[str, float]:
    """Train as the `train` stage does, but for a tenth of an epoch, and predict some test rows.

    Returns:
        seconds and CPU seconds of a step, and the steps of a whole epoch.
    """
    with runtime.quiet_imports():
        import keras

        from pipeline.training import inference
        from pipeline.training.loop import train_model

    workspace = Workspace(Path(root))
    splits = {name: read_sequences(workspace.encoded / f"{name}.parquet") for name in SPLITS}
    trained = _run(workspace, "bilstm_attention", 1)
    network = trained.build_network()
    steps_per_epoch = ceil(len(splits["train"]) / trained.recipe.batch_size)
    times: list[tuple[float, float]] = []

    def after(number: int, **_: Any) -> None:
        times.append((time.perf_counter(), time.process_time()))
        if number + 1 >= max(_LEAST, steps_per_epoch / 10):
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        train_model(
            network,
            splits["train"],
            splits["validation"],
            trained.recipe,
            task="binary",
            seed=1,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=after)],
        )
    some = np.arange(min(_PREDICTED, len(splits["test"])))
    inference.predict(network, splits["test"].take(some))
    seconds, cpu_seconds = (np.array(times[-1]) - times[0]) / (len(times) - 1)
    return {
        "seconds_per_step": float(seconds),
        "cpu_seconds_per_step": float(cpu_seconds),
        "steps_per_epoch": steps_per_epoch,
    }


def draw_results(root: str) -> None:
    """Write what the later stages read: networks as they are before training, and drawn outputs."""
    with runtime.quiet_imports():
        from pipeline.training.loop import TrainingResult

    workspace = Workspace(Path(root))
    settings = params.load_params(workspace.params)
    splits = {
        name: read_sequences(workspace.encoded / f"{name}.parquet")
        for name in ("validation", "test")
    }
    rng = np.random.default_rng(0)
    epoch = {"epoch": 1, "loss": 0.6, "val_loss": 0.6, "val_accuracy": 0.7, "learning_rate": 0.001}
    for model, seed in settings.runs:
        folder = workspace.model(model, seed)
        folder.mkdir(parents=True)
        trained = _run(workspace, model, seed)
        trained.write_model(folder, trained.build_network(), TrainingResult([epoch], 1, [1.0]), {})
        _draw(folder, splits, rng)
    folder = workspace.reference(NAIVE_BAYES)
    folder.mkdir(parents=True)
    _draw(folder, splits, rng)
    about = {key: trained.about[key] for key in ("dataset", "kind", "task", "classes")}
    card = {"model": NAIVE_BAYES, **about, "parameters": 1, "fingerprint": "drawn"}
    write_json(folder / "model.json", card)
    write_json(workspace.references / "references.json", [NAIVE_BAYES])


def _run(workspace: Workspace, model: str, seed: int) -> Any:
    with runtime.quiet_imports():
        from pipeline.training.run import TrainingRun

    settings = params.load_params(workspace.params)
    return TrainingRun.for_stage(
        "pipeline.stages.train",
        model,
        seed,
        settings.recipe(model),
        data=workspace.encoded,
        libraries=workspace.libraries,
        threads=settings.threads,
    )


def _draw(folder: Path, splits: dict[str, Sequences], rng: np.random.Generator) -> None:
    """Probabilities that are right in three rows of four."""
    for name, rows in splits.items():
        one = 1 / (1 + np.exp(-rng.normal(2 * rows.targets - 1, 1.5)))
        outputs = np.stack([1 - one, one], axis=1).astype(np.float32)
        write_predictions(folder / f"{name}.parquet", Predictions(rows.rows, rows.targets, outputs))
