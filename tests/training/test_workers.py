import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tensorflow as tf

from pipeline.core.files import read_csv, read_json, write_json
from pipeline.core.params import load_params
from pipeline.core.predictions import read_predictions
from pipeline.core.sequences import write_sequences
from pipeline.errors import ParamsError, SpotlightError
from pipeline.stages import train
from pipeline.training import workers
from tests.support.paths import PROJECT
from tests.support.processes import free_port
from tests.support.project import change
from tests.support.training import rows

CLUSTER = {"cluster": {"chief": ["a:1"], "worker": ["b:2", "c:3"]}}


def config(job, index, **others):
    """A `TF_CONFIG` of three."""
    return json.dumps({**CLUSTER, "task": {"type": job, "index": index}, **others})


# ── whole trainings ──────────────────────────────────────────────────────────────────────


def _train(workspace):
    """The command, which starts another worker; its output."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "train", "--model", "bilstm_attention", "--seed", "1"],
        cwd=workspace.root,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_workers_train_as_one_does_even_if_one_is_killed(workspace):
    """Losses of every epoch, and predictions, are those of a single process, to 1e-5.

    With words and features dropped, clipped gradients, averages, rows without labels, and batches
    of an odd size. After the kill, training goes on from the last epoch.
    """
    write_sequences(workspace.encoded / "unsupervised.parquet", rows(20, seed=3))
    about = read_json(workspace.encoded / "encoding.json")
    write_json(workspace.encoded / "encoding.json", {**about, "unlabeled": {"rows": 20}})
    change(workspace.root, {"datasets.demo.source": {"kind": "files", "path": "never read"}})
    recipe = {"embedding": 6, "units": 4, "epochs": 6, "min_epochs": 6, "batch_size": 7,
              "word_dropout": 0.2, "clip_norm": 0.1, "averaging": 0.9, "virtual_adversarial": 0.1,
              "entropy": 0.1, "unlabeled_batch_size": 5, "unlabeled_embeddings": True}  # fmt: skip
    change(workspace.root, {"datasets.demo.training": recipe})
    train.run(workspace, "bilstm_attention", 1)
    folder = workspace.model("bilstm_attention", 1)
    alone = read_csv(folder / "history.csv"), read_predictions(folder / "test.parquet").outputs

    change(workspace.root, {"datasets.demo.training": {**recipe, "workers": 2}})
    with _train(workspace) as chief:
        lines = iter(chief.stdout.readline, "")
        assert any("epoch 2/6" in line for line in lines)
        (other,) = psutil.Process(chief.pid).children()
        other.kill()
        output = "".join(lines)
    assert chief.returncode == 1
    assert "A worker of this training has ended: exit code -9" in output
    assert "Traceback" not in output

    with _train(workspace) as chief:
        output = chief.stdout.read()
    assert chief.returncode == 0, output
    assert "resuming after epoch" in output
    together = read_csv(folder / "history.csv")
    assert together.columns.tolist() == alone[0].columns.tolist()
    # A divergence of 1e-6 nats is the difference of two float32 numbers near 0.7.
    np.testing.assert_allclose(together, alone[0], rtol=1e-5, atol=1e-7)
    outputs = read_predictions(folder / "test.parquet").outputs
    np.testing.assert_allclose(outputs, alone[1], rtol=1e-5)
    assert read_json(folder / "model.json")["recipe"]["workers"] == 2


# ── meeting ──────────────────────────────────────────────────────────────────────────────


def _meet(prints):
    """Let workers meet that train what these fingerprints tell; returns each one's error."""
    address, errors = ("127.0.0.1", free_port()), {}

    def worker(index, given):
        try:
            workers.meet(index, len(prints), address, given, lambda: None)
            errors[index] = None
        except SpotlightError as error:
            errors[index] = error.message

    threads = [threading.Thread(target=worker, args=one) for one in enumerate(prints)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [errors[index] for index in range(len(prints))]


def test_workers_wait_for_each_other():
    """In any order; and all of them refuse if one trains something else."""
    assert _meet(["a", "a", "a"]) == [None] * 3
    (error,) = set(_meet(["a", "a", "b"]))
    assert error == "The workers have different data, parameters, code or libraries."


def test_workers_that_do_not_come_are_named(monkeypatch):
    """By worker 0; the others name its address."""
    monkeypatch.setattr(workers, "_PATIENCE", 0)
    address = ("127.0.0.1", free_port())
    with pytest.raises(SpotlightError, match=r"waited 0 minutes for these: 1, 2\."):
        workers.meet(0, 3, address, "a", lambda: None)
    with pytest.raises(SpotlightError, match=r"waited 0 minutes for worker 0 at \('127"):
        workers.meet(1, 3, address, "a", lambda: None)


def test_a_port_in_use_is_an_error():
    """Rather than a wait."""
    with workers.socket.create_server(("", 0)) as other:
        address = ("127.0.0.1", other.getsockname()[1])
        with pytest.raises(SpotlightError, match=f"can't use port {address[1]}"):
            workers.meet(0, 2, address, "a", lambda: None)


def test_a_worker_that_ends_at_once_is_not_waited_for(tmp_path, monkeypatch):
    """Its exit code and what it wrote are in the error, and the environment is as before."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    fails = [sys.executable, "-c", "print('no such library'); raise SystemExit(3)"]
    with (
        pytest.raises(SpotlightError, match=r"exit code 3, the end of .*1\.log:\nno such library"),
        workers.connected(2, "a", fails, folder=tmp_path, logs=tmp_path / "logs"),
    ):
        pytest.fail("connected")
    assert "TF_CONFIG" not in os.environ


def test_one_worker_alone_starts_nothing(tmp_path, monkeypatch):
    """With or without a cluster of one in `TF_CONFIG`."""
    alone = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    for given in (None, json.dumps(alone)):
        if given:
            monkeypatch.setenv("TF_CONFIG", given)
        with workers.connected(1, "a", [], folder=tmp_path, logs=tmp_path / "logs") as team:
            assert (team.count, team.chief) == (1, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("message", "expected", "said"),
    [
        ("Collective ops is aborted by: Socket closed\nmore", SpotlightError, "ended: Socket clos"),
        ("a matrix of no size", tf.errors.UnavailableError, "a matrix of no size"),
    ],
)
def test_a_lost_worker_is_no_traceback(message, expected, said, tmp_path, monkeypatch):
    """Another error of TensorFlow's stays what it is."""
    monkeypatch.setenv("TF_CONFIG", config("worker", 1))
    monkeypatch.setattr(workers, "meet", lambda *_: None)
    strategy = SimpleNamespace(num_replicas_in_sync=3)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: strategy)

    def fail(team):
        assert (team.count, team.index, team.strategy) == (3, 2, strategy)
        raise tf.errors.UnavailableError(None, None, message)

    with (
        pytest.raises(expected, match=said),
        workers.connected(3, "a", [], folder=tmp_path, logs=tmp_path) as team,
    ):
        fail(team)


def test_each_worker_computes_on_one_device(tmp_path, monkeypatch):
    """With more GPUs than workers, TensorFlow would cut batches another way."""
    monkeypatch.setenv("TF_CONFIG", config("chief", 0))
    monkeypatch.setattr(workers, "meet", lambda *_: None)
    strategy = SimpleNamespace(num_replicas_in_sync=6)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: strategy)
    with (
        pytest.raises(SpotlightError, match="3 workers have 6 GPUs"),
        workers.connected(3, "a", [], folder=tmp_path, logs=tmp_path),
    ):
        pytest.fail("connected")


def test_workers_that_are_started_together_do_not_share_a_gpu(tmp_path, monkeypatch):
    """They stop before they begin; a single process may use it."""
    monkeypatch.setattr(tf.config, "list_physical_devices", {"GPU": ["the only one"]}.get)
    with (
        pytest.raises(ParamsError, match="is 2, but workers that are started together can't share"),
        workers.connected(2, "a", [], folder=tmp_path, logs=tmp_path),
    ):
        pytest.fail("connected")
    with workers.connected(1, "a", [], folder=tmp_path, logs=tmp_path) as team:
        assert team.count == 1


@pytest.mark.parametrize(
    "given",
    [
        "{",
        "[]",
        '{"cluster": {"worker": 3}}',
        config("worker", 2),
        config("ps", 0),
        config("worker", 0, cluster={"worker": ["a:1", "b:2"]}),
        config("worker", 0, cluster={"worker": ["a", "b:2", "c:3"]}),
    ],
)
def test_a_cluster_that_does_not_fit_is_refused(given, tmp_path, monkeypatch):
    """What is not JSON, of another size, without ports, or does not name this process."""
    monkeypatch.setenv("TF_CONFIG", given)
    with (
        pytest.raises(ParamsError, match=r"`training\.workers` is 3, but TF_CONFIG"),
        workers.connected(3, "a", [], folder=tmp_path, logs=tmp_path),
    ):
        pytest.fail("connected")


def test_the_number_of_workers_is_checked(workspace):
    """At least one; and batch normalization, whose means are of whole batches, has but one."""
    for recipe, said in {
        ("workers", 0): "`workers`: Input should be greater than or equal to 1",
        ("workers", 2.0): "`workers`",
        ("normalization", "batch"): "`workers`: `normalization: batch` needs each batch whole",
    }.items():
        change(workspace.root, {"datasets.demo.training": {"workers": 2, **dict([recipe])}})
        with pytest.raises(ParamsError, match=said):
            load_params(workspace.params)
