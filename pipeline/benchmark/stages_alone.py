"""The stages `encode` and `train` as they run, for a process of their own that is measured."""

import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline import params, runtime
from pipeline.artifacts import SPLITS, Workspace, read_sequences


def encode(root: str) -> None:
    """All of `encode`."""
    from pipeline.stages import encode as stage

    stage.run(Workspace(Path(root)))


def train(root: str, libraries: str, steps: int) -> dict[str, float]:
    """What `train` does, with MLflow left out, and with so many steps for an epoch.

    Returns:
        seconds until the first step, seconds per step, and the steps of a whole epoch.
    """
    with runtime.quiet_imports():
        from pipeline import training
        from pipeline.stages.fits import Fit

    begun = time.perf_counter()
    workspace = Workspace(Path(root))
    settings = params.load(workspace.params)
    splits = {
        name: read_sequences(workspace.encoded / f"{name}.parquet", spans=False) for name in SPLITS
    }
    fit = Fit.of(
        "stages.train",
        "bilstm_attention",
        1,
        settings.recipe("bilstm_attention"),
        data=workspace.encoded,
        libraries=Path(libraries),
        threads=settings.threads,
    )
    network = fit.build()
    batch = fit.recipe.batch_size
    some = {
        name: rows.take(np.arange(0, len(rows), -(-len(rows) // (steps * batch))))
        for name, rows in splits.items()
    }
    loaded = time.perf_counter() - begun
    training.fit(network, some["train"], some["validation"], fit.recipe, task="binary", seed=0)
    begun = time.perf_counter()
    fitted = training.fit(
        network, some["train"], some["validation"], fit.recipe, task="binary", seed=1
    )
    seconds = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        fit.write(Path(folder), network, fitted, {"test": some["test"]})
    taken = -(-len(some["train"]) // batch)
    return {
        "seconds_until_first_step": loaded,
        "seconds_per_step": seconds / taken,
        "steps_per_epoch": -(-len(splits["train"]) // batch),
    }
