import os
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.files import read_array, read_json, write_json
from pipeline.core.sequences import read_sequences
from pipeline.errors import SpotlightError
from pipeline.studies.benchmark import recipe, table
from pipeline.studies.benchmark.corpus import draw
from pipeline.studies.benchmark.settings import Options
from pipeline.workspace import Workspace
from tests.support.bench_document import DOCUMENT

# A stage that trains nothing: it says what the true one does after each epoch.
STAGE = """
import json, pathlib, sys, time
asked = json.loads(pathlib.Path("params.yaml").read_text())
assert asked["dataset"] == "imdb" and asked["threads"] == 3
assert asked["datasets"]["imdb"]["training"] == {"dropout": 0.5, "epochs": 3, "min_epochs": 3}
assert pathlib.Path("locks", "run.txt").read_text() == "numpy"
assert pathlib.Path("data", "encoded", "train.parquet").exists()
code = pathlib.Path(__file__).parents[1]
assert sys.argv[1:] == json.loads((code / "dvc.yaml").read_text())["asked"], sys.argv
for epoch in (1, 2, 3):
    print("a line of something else")
    print(f"model-1  epoch {epoch}/3  loss 0.5", flush=True)
time.sleep(60)
"""
ENTRY = {"encode": {"bigrams": 5}, "training": {"dropout": 0.5, "epochs": 7}}
OPTIONS = Options(
    parts=(),
    implementations=(),
    data=None,
    rows=40,
    vocabulary=20,
    embedding=4,
    units=2,
    max_len=6,
    batch_size=4,
    spotlight_batch_size=4,
    batches=3,
    repeats=2,
    threads=3,
    lengths=(),
    scales=(),
    stages=(),
    growth=(),
    epochs=1,
    seeds=(),
    seed=0,
    against="first",
    out=None,
    plot=None,
)


@pytest.fixture
def project(tmp_path):
    """A repository with two commits of a pipeline; the first, tagged, has another command."""

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    def commit(command, asked):
        stages = {"train": {"cmd": f"python -m pipeline {command}"}}
        write_json(tmp_path / "dvc.yaml", {"stages": stages, "asked": asked.split()})
        git("add", "--all")
        git("-c", "user.name=N", "-c", "user.email=n@example.org", "commit", "--message", "M")

    git("init")
    for folder in ("pipeline", "locks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipeline" / "__main__.py").write_text(STAGE, encoding="utf-8")
    (tmp_path / "locks" / "run.txt").write_text("numpy", encoding="utf-8")
    write_json(tmp_path / "params.yaml", {"datasets": {"imdb": ENTRY}})
    commit("train ${item.model} ${item.seed}", "train bilstm_attention 1")
    git("tag", "first")
    commit("train ${item}", "train --model bilstm_attention --seed 1")
    return Workspace(tmp_path)


@pytest.fixture
def rows():
    """Sixty rows of a few words."""
    return draw(60, vocabulary=20, max_len=6, rng=np.random.default_rng(0))


def test_two_commits_train_in_turn_each_with_its_own_command(project, rows, monkeypatch):
    """First epochs don't count; of each other one, that of few batches is subtracted."""
    # before and after an epoch: four first ones; then, twice, a short and a long one of each
    seconds = iter([*(0, 9) * 4, *(9, 10, 9, 10.3, 9, 10.5, 9, 11.1) * 2])
    monkeypatch.setattr(recipe, "cpu_seconds", lambda _: next(seconds))
    said = []
    found = recipe.measure(project, rows, OPTIONS, said.append)
    of_this, of_first = found["cpu_milliseconds"].values()
    assert of_this == pytest.approx([100, 100])  # 0.3 s for 3 batches
    assert of_first == pytest.approx([200, 200])
    assert found["cpu_ratio"] == pytest.approx((2, 2, 2))
    assert found["recipes"] == {"this": ENTRY["training"], "first": ENTRY["training"]}
    assert len(said) == 4
    shown = table.markdown({**DOCUMENT, "recipe": found})
    assert "| commit first | 200 ms (200 to 200) | 2.00 × (2.00 to 2.00) |" in shown


def test_cpu_time_is_that_of_the_process():
    """As it tells itself, within a tick of the kernel's clock."""
    begun = time.process_time()
    while time.process_time() < begun + 0.05:
        pass
    assert recipe.cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


def test_an_epoch_has_as_many_rows_as_its_batches(rows, tmp_path):
    """And pairs of words, as `encode` writes them."""
    workspace = Workspace(tmp_path)
    pairs = np.array([[2, 3]], np.int32)
    recipe.encode_rows(workspace, rows, OPTIONS, batches=3, pairs=pairs)
    assert len(read_sequences(workspace.encoded / "train.parquet")) == 12
    assert read_array(workspace.encoded / "bigrams.npy").tolist() == [[2, 3]]
    assert read_json(workspace.encoded / "encoding.json")["bigrams"] == 1


def test_a_commit_that_git_does_not_know(project, rows):
    """It says what to name instead."""
    with pytest.raises(SpotlightError, match="no commit second"):
        recipe.measure(project, rows, replace(OPTIONS, against="second"), print)


def test_a_training_that_ends_early_is_told(project, rows):
    """With the end of what it said."""
    (project.root / "pipeline" / "__main__.py").write_text("raise SystemExit('no memory')")
    with pytest.raises(SpotlightError, match="ended early: no memory"):
        recipe.measure(project, rows, OPTIONS, print)
