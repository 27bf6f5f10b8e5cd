"""The stages `encode` and `train`, each to be measured in its own process."""

import tempfile
import time
from math import ceil
from pathlib import Path

import numpy as np

from pipeline.core import params, runtime
from pipeline.core.predictions import SPLITS
from pipeline.core.sequences import read_sequences
from pipeline.workspace import Workspace


def encode(root: str) -> None:
    """Run the whole `encode` stage."""
    from pipeline.stages import encode as stage

    stage.run(Workspace(Path(root)))


def train(root: str, libraries: str, steps: int) -> dict[str, float]:
    """Train as the `train` stage does, without MLflow and with `steps` steps per epoch.

    Returns:
        seconds until the first step, seconds per step, and the steps of a whole epoch.
    """
    with runtime.quiet_imports():
        from pipeline.training.loop import train_model
        from pipeline.training.run import TrainingRun

    begun = time.perf_counter()
    workspace = Workspace(Path(root))
    settings = params.load_params(workspace.params)
    splits = {name: read_sequences(workspace.encoded / f"{name}.parquet") for name in SPLITS}
    run = TrainingRun.for_stage(
        "pipeline.stages.train",
        "bilstm_attention",
        1,
        settings.recipe("bilstm_attention"),
        data=workspace.encoded,
        libraries=Path(libraries),
        threads=settings.threads,
    )
    network = run.build_network()
    batch = run.recipe.batch_size
    some = {
        name: rows.take(np.arange(0, len(rows), ceil(len(rows) / (steps * batch))))
        for name, rows in splits.items()
    }
    loaded = time.perf_counter() - begun
    train_model(network, some["train"], some["validation"], run.recipe, task="binary", seed=0)
    begun = time.perf_counter()
    result = train_model(
        network, some["train"], some["validation"], run.recipe, task="binary", seed=1
    )
    seconds = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        run.write_model(Path(folder), network, result, {"test": some["test"]})
    taken = ceil(len(some["train"]) / batch)
    return {
        "seconds_until_first_step": loaded,
        "seconds_per_step": seconds / taken,
        "steps_per_epoch": ceil(len(splits["train"]) / batch),
    }
