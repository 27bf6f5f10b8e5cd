import contextlib
import json
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.files import (
    SEAL,
    map_array,
    read_array,
    read_arrays,
    read_csv,
    read_json,
    read_text,
    sealed_folder,
    write_array,
    write_arrays,
    write_csv,
    write_json,
    write_sealed_json,
    write_text,
)
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.sequences import read_sequences, write_sequences
from pipeline.errors import ArtifactError
from tests.support.training import rows

READERS = {
    "train.parquet": read_sequences,
    "train.values.npy": map_array,
    "test.parquet": read_predictions,
    "card.json": read_json,
    "history.csv": read_csv,
    "inside/tokenizer.json": read_text,
    "vectors.npy": read_array,
    "bilstm.npz": read_arrays,
}


def fill(path, seed=0, *, stage="made@it"):
    """A folder of every kind of file that a stage reads."""
    numbers = np.random.default_rng(seed).random((4, 2)).astype(np.float32)
    with sealed_folder(path, stage=stage) as folder:
        write_sequences(folder / "train.parquet", rows(12, seed=seed))
        predictions = Predictions(np.arange(4), np.arange(4) % 2, numbers)
        write_predictions(folder / "test.parquet", predictions)
        write_json(folder / "card.json", {"seed": seed})
        write_csv(folder / "history.csv", [{"epoch": 1, "loss": seed}])
        write_text(folder / "inside" / "tokenizer.json", f"Zoë {seed}")
        write_array(folder / "vectors.npy", numbers)
        write_arrays(folder / "bilstm.npz", [numbers, numbers])


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """The folder, for tests that leave it as it was."""
    path = tmp_path_factory.mktemp("project") / "results" / "made"
    fill(path)
    return path


def test_what_a_stage_wrote_can_be_read(sealed):
    """Also by the usual tool for sums, which finds the same."""
    for name, read in READERS.items():
        read(sealed / name)
    sums = subprocess.run(
        ["sha256sum", "--check", "--strict", SEAL],
        cwd=sealed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sums.stdout.count(": OK") == len(READERS)


@given(data=st.data())
def test_a_flipped_bit_is_found_in_every_file(sealed, data):
    """In parquet, too, where most flips give other numbers and no error."""
    name = data.draw(st.sampled_from(sorted(READERS)))
    path = sealed / name
    content = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        with pytest.raises(ArtifactError, match=f"{name} was changed") as caught:
            READERS[name](path)
    finally:
        path.write_bytes(content)
    assert f"dvc checkout --force {sealed};" in caught.value.fix
    assert "dvc repro --force --single-item made@it" in caught.value.fix


@given(data=st.data())
def test_damaged_sums_let_nothing_else_in(sealed, data):
    """A file is as it was written, or refused."""
    path = sealed / SEAL
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        with contextlib.suppress(ArtifactError):
            assert read_json(sealed / "card.json") == {"seed": 0}
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_run_is_refused(sealed, tmp_path, name):
    """It is whole and of the right kind, but not this folder's."""
    own, other = tmp_path / "results" / "made", tmp_path / "results" / "other"
    fill(own)
    fill(other, seed=1)
    shutil.copy(other / name, own / name)
    with pytest.raises(ArtifactError, match=f"{name} was changed"):
        READERS[name](own / name)


def test_a_folder_in_anothers_place_is_refused(tmp_path):
    """With its sums; but a copy elsewhere may have any name."""
    own, other = tmp_path / "models" / "bilstm-1", tmp_path / "models" / "bilstm-2"
    fill(other, stage="train@bilstm-2")
    shutil.copytree(other, own)
    with pytest.raises(ArtifactError, match="bilstm-1 holds models/bilstm-2") as caught:
        read_json(own / "card.json")
    assert "make it again: dvc repro --force --single-item train@bilstm-1" in caught.value.fix
    shutil.copytree(other, tmp_path / "kept" / "best")
    assert read_json(tmp_path / "kept" / "best" / "card.json") == {"seed": 0}


def test_a_single_file_carries_its_own_sum(tmp_path):
    """As the comparison does, which no folder of one stage holds."""
    path = tmp_path / "comparison.json"
    write_sealed_json(path, {"mean": 0.1 + 0.2, "classes": ("a", "é")}, stage="evaluate")
    document = read_json(path)
    assert document["mean"] == 0.1 + 0.2
    for changed in ({"mean": 0.31}, {"more": 1}, {"seal": None}, {"seal": {"sha256": "0"}}):
        path.write_text(json.dumps({**document, **changed}))
        with pytest.raises(ArtifactError, match=r"comparison.json was changed.*evaluate|None"):
            read_json(path)
