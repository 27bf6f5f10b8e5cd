from dataclasses import replace
from functools import partial

import keras

from pipeline.core.predictions import read_predictions
from pipeline.core.sequences import read_sequences, write_sequences
from pipeline.stages import train


def test_no_test_row_takes_part_in_training_or_early_stopping(workspace, capsys, monkeypatch):
    """With every test label turned round, weights, history and choice of epoch are the same bytes.

    And an MLflow that can't be reached is one line, not a failure.
    """
    kept = ("model.weights.h5", "history.csv", "validation.parquet")

    def trained():
        keras.backend.clear_session()  # layers are numbered per process, and a process trains once
        train.run(workspace, "bilstm_attention", 1)
        folder = workspace.model("bilstm_attention", 1)
        return {name: (folder / name).read_bytes() for name in kept}, read_predictions(
            folder / "test.parquet"
        )

    monkeypatch.setattr(train, "EpochLogger", partial(train.EpochLogger, delay=0.0))
    files, before = trained()
    assert capsys.readouterr().out.count("Training continues without it") == 1
    path = workspace.encoded / "test.parquet"
    test = read_sequences(path)
    write_sequences(path, replace(test, targets=1 - test.targets))
    again, after = trained()
    assert again == files
    assert (after.targets == 1 - before.targets).all()
