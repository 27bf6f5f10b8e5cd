"""Exporting a trained model, and comparing what was written with what was measured."""

import importlib
import shutil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.core.files import new_folder, read_json, write_json
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.sequences import Sequences, read_sequences
from pipeline.encoding import batching
from pipeline.errors import ArtifactError, SpotlightError
from pipeline.evaluation.calibration import calibrate
from pipeline.export.settings import Run, output_name
from pipeline.serving.inputs import FILES
from pipeline.training.inference import load_model
from pipeline.workspace import Workspace

Format = Literal["onnx", "saved_model"]
WRITERS = {"onnx": "onnx_graph", "saved_model": "saved_model"}
TOLERANCE = 1e-5
# What a program needs to make a network's input of a raw text or window, and to read its output.
SETTINGS = ("kind", "task", "classes", "max_len", "keep", "features", "time_steps")


class ExportError(SpotlightError):
    """A model can't be exported."""


class Parity(NamedTuple):
    """How a written model compares with the measured predictions."""

    rows: int
    largest_difference: float


def export(workspace: Workspace, parts: Path, *, form: Format, destination: Path) -> Parity:
    """Write a model with its vocabulary or scaler and its settings into a new folder.

    Args:
        workspace: has the measured predictions and their rows.
        parts: the folder of the model's parts; see `serving.addresses.find_parts`.
        form: what to write.
        destination: created here.

    Raises:
        ArtifactError: the workspace has no predictions of this model.
        ExportError: a library is missing, the folder exists, or the written model computes
            something else; then nothing is left.
    """
    if destination.exists():
        raise ExportError(f"{destination} exists already.", fix="name another one with --out.")
    writer = _writer(form)
    card = read_json(parts / "model.json")
    rows, measured = _measured(workspace, card)
    network, _ = load_model(parts)
    temperature = read_json(parts / "calibration.json")["temperature"]
    expected = measured.outputs if temperature is None else calibrate(measured.outputs, temperature)
    with new_folder(destination) as folder:
        run = writer.write(folder, network, temperature)
        parity = _compare(run, rows, expected, output_name(network))
        # A registered model has its card beside it.
        for path in (*(parts / name for name in FILES), parts.parents[1] / "README.md"):
            if path.exists():
                shutil.copyfile(path, folder / path.name)
        settings = {name: card[name] for name in SETTINGS if name in card}
        about = {"model": card["model"], "seed": card["seed"], "dataset": card["dataset"]}
        compared = {**parity._asdict(), "tolerance": TOLERANCE}
        write_json(
            folder / "settings.json",
            {**about, **settings, "temperature": temperature, "parity": compared},
        )
    return parity


def _writer(form: Format) -> Any:
    """The module that writes a format."""
    try:
        return importlib.import_module(f"pipeline.export.{WRITERS[form]}")
    except ModuleNotFoundError as error:
        if error.name not in {"onnx", "onnxruntime"}:
            raise
        raise ExportError(
            f"The library {error.name!r} is not installed; the format {form} needs it.",
            fix="make setup, or: python -m pip install 'spotlight-attention[onnx]'",
        ) from None


def _measured(workspace: Workspace, card: dict[str, Any]) -> tuple[Sequences, Predictions]:
    """The test rows, and what `train` predicted for them with the very same model."""
    folder = workspace.model(card["model"], card["seed"])
    if not (folder / "model.json").exists() or read_json(folder / "model.json") != card:
        raise ArtifactError(
            f"{folder} does not hold this model, seed {card['seed']} of {card['model']}, so there "
            "are no predictions to compare an export with.",
            fix="restore its results: dvc repro; or name a model there: --model "
            "results/models/MODEL-SEED.",
        )
    rows = read_sequences(workspace.encoded / "test.parquet")
    measured = read_predictions(folder / "test.parquet")
    if not np.array_equal(rows.rows, measured.rows):
        raise ArtifactError(
            f"{folder} and {workspace.encoded} are of different rows.",
            fix="bring both up to date: dvc repro",
        )
    return rows, measured


def _compare(run: Run, rows: Sequences, expected: Any, name: str) -> Parity:
    """Run what was written on all rows, in batches that are padded.

    Raises:
        ExportError: an output differs by more than `TOLERANCE`.
    """
    outputs = np.empty_like(expected)
    for indices in batching.batches(rows.lengths, 256, None):
        outputs[indices] = run(batching.pad(rows, indices))[name]
    largest = float(np.abs(outputs - expected).max())
    if not largest <= TOLERANCE:
        raise ExportError(
            f"The exported model differs from the measured predictions by {largest:.2g}; at most "
            f"{TOLERANCE:g} is rounding. Nothing was written.",
            fix="please report this, with the versions of onnxruntime and tensorflow.",
        )
    return Parity(len(rows), largest)
