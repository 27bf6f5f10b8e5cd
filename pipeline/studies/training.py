"""A training that is kept until code, parameters or data change."""

from pathlib import Path
from typing import Any

import keras

from pipeline.core.files import new_folder, read_json
from pipeline.core.predictions import SPLITS
from pipeline.core.sequences import read_sequences
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun


def train_once(run: TrainingRun, folder: Path, checkpoint: Path, *, name: str) -> dict[str, Any]:
    """Train a run that `folder` doesn't hold yet; returns its `model.json`.

    Args:
        run: the run.
        folder: where weights, history and the predictions of validation and test go.
        checkpoint: the file from which an interrupted training goes on.
        name: shown with the progress.
    """
    if not is_trained(run, folder):
        keras.backend.clear_session()  # layers are numbered per process
        splits = {one: read_sequences(run.data / f"{one}.parquet") for one in SPLITS}
        network = run.build_network()
        saved = Checkpoint(checkpoint, run.fingerprint)
        result = train_model(
            network,
            splits["train"],
            splits["validation"],
            run.recipe,
            task=run.about["task"],
            seed=run.seed,
            unlabeled=run.read_unlabeled(),
            name=name,
            checkpoint=saved,
        )
        with new_folder(folder) as new:
            run.write_model(new, network, result, {one: splits[one] for one in SPLITS[1:]})
        saved.remove()
    found: dict[str, Any] = read_json(folder / "model.json")
    return found


def is_trained(run: TrainingRun, folder: Path) -> bool:
    """Whether `folder` holds the run's result."""
    card = folder / "model.json"
    return card.exists() and bool(read_json(card)["fingerprint"] == run.fingerprint)
