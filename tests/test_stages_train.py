import shutil
from dataclasses import replace
from pathlib import Path

import keras
import pytest

from pipeline import artifacts
from pipeline.artifacts import Workspace
from pipeline.stages import train
from tests.test_pipeline import change
from tests.test_training import rows

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Encoded rows of which the first token decides, and an MLflow that is out of reach."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr("pipeline.runtime.pin_threads", lambda _: None)  # TensorFlow runs already
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    shutil.copytree(PROJECT / "locks", tmp_path / "locks")
    small = {"embedding": 6, "units": 4, "epochs": 2, "min_epochs": 1}
    change(tmp_path, {"datasets.demo.training": small})
    made = Workspace(tmp_path)
    made.encoded.mkdir(parents=True)
    for seed, split in enumerate(artifacts.SPLITS):
        artifacts.write_sequences(made.encoded / f"{split}.parquet", rows(48, seed=seed))
    about = {"dataset": "demo", "kind": "text", "task": "binary", "classes": ["neg", "pos"]}
    artifacts.write_json(
        made.encoded / "encoding.json", {**about, "vocabulary_size": 20, "max_len": 9}
    )
    return made


def test_no_test_row_takes_part_in_training_or_early_stopping(workspace, capsys):
    """With every test label turned round, weights, history and choice of epoch are the same bytes.

    And an MLflow that can't be reached is one line, not a failure.
    """
    kept = ("model.weights.h5", "history.csv", "validation.parquet")

    def trained():
        keras.backend.clear_session()  # layers are numbered per process, and a process trains once
        train.run(workspace, "bilstm_attention", 1)
        folder = workspace.model("bilstm_attention", 1)
        return {name: (folder / name).read_bytes() for name in kept}, artifacts.read_predictions(
            folder / "test.parquet"
        )

    files, before = trained()
    assert capsys.readouterr().out.count("Training goes on without it") == 1
    path = workspace.encoded / "test.parquet"
    test = artifacts.read_sequences(path)
    artifacts.write_sequences(path, replace(test, targets=1 - test.targets))
    again, after = trained()
    assert again == files
    assert (after.targets == 1 - before.targets).all()
