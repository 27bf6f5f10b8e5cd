import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.core.files import read_json, write_json
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.sequences import write_sequences
from pipeline.encoding.tokenizer import load_tokenizer
from pipeline.errors import ArtifactError
from pipeline.evaluation.calibration import calibrate
from pipeline.export import run
from pipeline.serving.inputs import Texts
from pipeline.serving.model import collect_parts
from pipeline.workspace import Workspace
from tests.support.served import MAX_LEN, TEMPERATURE, TEXTS, trained

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

# What docs/serving.md shows: no library of ours, no TensorFlow.
PROGRAM = """
import json, sys
from pathlib import Path
import numpy, onnxruntime, tokenizers

folder = Path(sys.argv[1])
settings = json.loads((folder / "settings.json").read_text())
tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
session = onnxruntime.InferenceSession(folder / "model.onnx")
found = []
for text in json.load(sys.stdin):
    ids = tokenizer.encode(text, add_special_tokens=False).ids[: settings["max_len"]] or [1]
    probabilities, _ = session.run(None, {"tokens": numpy.array([ids], numpy.int32)})
    found.append(probabilities[0].tolist())
assert not {"pipeline", "tensorflow", "keras"} & set(sys.modules)
print(json.dumps(found))
"""


@pytest.fixture
def project(tmp_path):
    """A workspace with a tiny trained model and its predictions, and the model's parts."""
    made = Workspace(tmp_path)
    models, encoded = trained(tmp_path / "trained", "additive")
    made.models.mkdir(parents=True)
    models.rename(made.model("tiny", 1))
    made.encoded.parent.mkdir()
    encoded.rename(made.encoded)
    tokenizer = load_tokenizer((made.encoded / "tokenizer.json").read_text(encoding="utf-8"))
    rows = Texts(TEXTS, tokenizer.encode(TEXTS, max_len=MAX_LEN)).sequences
    write_sequences(made.encoded / "test.parquet", rows)
    card = made.model("tiny", 1) / "model.json"
    write_json(card, {**read_json(card), "model": "tiny", "seed": 1, "dataset": "four"})
    parts = tmp_path / "parts"
    collect_parts(
        parts, folder=made.model("tiny", 1), encoded=made.encoded, temperature=TEMPERATURE
    )
    return made, parts


def test_another_program_gets_what_was_measured(project, tmp_path):
    """With ONNX Runtime, the tokenizer and the settings alone."""
    workspace, parts = project
    goal = tmp_path / "exported"
    rows, largest = run.export(workspace, parts, form="onnx", destination=goal)
    settings = read_json(goal / "settings.json")
    assert (rows, settings["classes"], settings["dataset"]) == (4, ["neg", "pos"], "four")
    assert settings["parity"]["largest_difference"] == largest <= settings["parity"]["tolerance"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, goal],
        cwd=tmp_path,
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = read_predictions(workspace.model("tiny", 1) / "test.parquet").outputs
    expected = calibrate(measured, TEMPERATURE)
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-5)


def test_a_saved_model_is_written_with_its_settings(project, tmp_path):
    """Beside TensorFlow's own files."""
    workspace, parts = project
    run.export(workspace, parts, form="saved_model", destination=tmp_path / "exported")
    names = {path.name for path in (tmp_path / "exported").iterdir()}
    assert {"saved_model.pb", "variables", "tokenizer.json", "settings.json"} <= names


def test_an_export_that_differs_from_the_measured_predictions_is_not_left(project, tmp_path):
    """A difference beyond rounding is an error with its size; the folder is not there."""
    workspace, parts = project
    path = workspace.model("tiny", 1) / "test.parquet"
    found = read_predictions(path)
    moved = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [-0.01, 0.01]], np.float32)
    write_predictions(path, Predictions(found.rows, found.targets, found.outputs + moved))
    with pytest.raises(run.ExportError, match=r"measured predictions by 0\.00"):
        run.export(workspace, parts, form="onnx", destination=tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def test_a_model_without_predictions_here_is_refused(project, tmp_path):
    """Another seed, or a model trained again: there is nothing to compare with."""
    workspace, parts = project
    card = parts / "model.json"
    write_json(card, {**read_json(card), "best_epoch": 9})
    with pytest.raises(ArtifactError, match="does not hold this model, seed 1 of tiny"):
        run.export(workspace, parts, form="onnx", destination=tmp_path / "exported")


def test_an_existing_folder_is_left_alone(project, tmp_path):
    """Whatever it holds."""
    workspace, parts = project
    (tmp_path / "kept").mkdir()
    with pytest.raises(run.ExportError, match="kept exists already"):
        run.export(workspace, parts, form="onnx", destination=tmp_path / "kept")


def test_a_missing_library_is_named_with_its_remedy(project, tmp_path, monkeypatch):
    """Before anything is read or written."""
    workspace, parts = project
    monkeypatch.delitem(sys.modules, "pipeline.export.onnx_graph", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(run.ExportError, match=r"'onnx' is not installed(.|\n)*\[onnx\]"):
        run.export(workspace, parts, form="onnx", destination=tmp_path / "exported")
