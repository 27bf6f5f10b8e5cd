import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import EpochLogger
from pipeline.workspace import Workspace
from tests.support import project_results as results
from tests.support.short_names import short_name
from tests.support.tracked import NAMES, SETTINGS, connected, finish, history, paths, runs_of


def live(workspace, lines, *, delay=0.0, **options):
    """The logger of one run, whose lines are kept; it begins at once."""
    return EpochLogger(
        workspace,
        SETTINGS,
        model="bilstm_attention",
        seed=1,
        fingerprint=results.fingerprint("bilstm_attention", 1),
        say=lines.append,
        delay=delay,
        **options,
    )


def test_epochs_are_there_while_training_goes_on_and_are_completed_later(untracked):
    """A live run, `track` and a forced re-run end as one run, with each step once."""
    lines = []
    with live(untracked, lines) as logger:
        logger.epoch(1, {"loss": 0.6812345, "val_loss": 0.6})
        logger.epoch(2, {"loss": 0.5, "val_loss": np.float32(0.45)})
    run = runs_of(untracked)["bilstm_attention-1"]
    assert history(untracked, run, "epoch/loss") == [(1, 0.6812345), (2, 0.5)]
    assert run.info.status == "FINISHED"

    finish(untracked)
    assert runs_of(untracked).keys() == NAMES
    with live(untracked, lines) as logger:  # dvc repro --force
        logger.epoch(1, {"loss": 0.6812345, "val_loss": 0.6})
    run = runs_of(untracked)["bilstm_attention-1"]
    assert history(untracked, run, "epoch/loss") == [(1, 0.6812345), (2, 0.5), (3, 0.4)]
    assert lines == []


def test_a_training_of_a_moment_is_left_to_track(untracked):
    """Nothing is logged, nor said, and it isn't waited for."""
    lines = []
    with live(untracked, lines, delay=3600.0) as logger:
        logger.epoch(1, {"loss": 0.5})
    assert lines == []
    assert connected(untracked).get_experiment_by_name("demo") is None


def test_an_interrupted_training_ends_its_run(untracked):
    """The interruption itself goes on to whoever awaits it."""

    def train():
        with live(untracked, []) as logger:
            logger.epoch(1, {"loss": 0.7})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert runs_of(untracked)["bilstm_attention-1"].info.status == "KILLED"
    finish(untracked)
    assert runs_of(untracked)["bilstm_attention-1"].info.status == "FINISHED"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "foo://bar", "sqlite:////proc/none/x.db"])
def test_out_of_reach_is_said_once_and_stops_nothing(tmp_path, uri, monkeypatch):
    """One line, whatever is wrong."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    lines = []
    with live(Workspace(tmp_path), lines) as logger:
        for number in (1, 2, 3):
            logger.epoch(number, {"loss": 0.5})
    (line,) = lines
    assert uri in line
    assert "python -m pipeline track" in line
    assert "\n" not in line


def test_a_server_that_never_answers_holds_nothing_up(tmp_path, monkeypatch):
    """It accepts the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        lines = []
        with live(Workspace(tmp_path), lines, patience=0.5) as logger:
            logger.epoch(1, {"loss": 0.5})
        assert logger._thread.is_alive()  # it waits on; training does not
        assert len(lines) == 1
    logger._thread.join(60)  # the closed socket ends the wait
    assert not logger._thread.is_alive()
    assert len(lines) == 1


@pytest.fixture
def server(database, tmp_path):
    """Starts MLflow's own server; the port and the runs stay the same after it was killed."""
    folder = tmp_path / "server"
    folder.mkdir()
    uri = f"sqlite:///{shutil.copy(database, folder)}"
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": (folder / "artifacts").as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # It imports MLflow once, and for each server forks.
    program = (
        "import os, signal, sys\n"
        "from mlflow.server import app; from werkzeug.serving import make_server\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in sys.stdin:\n"
        "    if not os.fork():\n"
        f"        server = make_server('127.0.0.1', {port}, app, threaded=True)\n"
        "        print(os.getpid(), flush=True); server.serve_forever()"
    )
    running = []

    def start():
        forker.stdin.write("\n")
        forker.stdin.flush()
        running.append(psutil.Process(int(forker.stdout.readline())))
        return f"http://127.0.0.1:{port}"

    def kill():
        while running:
            process = running.pop()
            process.kill()
            process.wait()

    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as forker:
        yield start, kill
        kill()


@pytest.mark.slow
def test_a_server_killed_halfway_loses_nothing(server, tmp_path, monkeypatch):
    """Training ends well and says so once; `track` completes the run when it is back."""
    start, kill = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", start())
    workspace = results.write(tmp_path / "project", SETTINGS)
    lines = []
    with live(workspace, lines) as logger:
        logger.epoch(1, {"loss": 0.68, "val_loss": 0.6})
        for _ in range(600):
            if "bilstm_attention-1" in _measured(workspace):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the first epoch never arrived")
        kill()
        logger.epoch(2, {"loss": 0.5, "val_loss": 0.45})
    (line,) = lines
    assert "Connection refused" in line
    with pytest.raises(TrackingError, match="Connection refused"):
        finish(workspace)

    start()
    summary = finish(workspace)
    assert summary.states["bilstm_attention-1"] == "completed"
    assert "spotlight-demo version 1" in summary.champion
    runs = runs_of(workspace)
    assert runs.keys() == NAMES
    run = runs["bilstm_attention-1"]
    assert [step for step, _ in history(workspace, run, "epoch/loss")] == [1, 2, 3]
    assert "attention.html" in set(paths(connected(workspace), run))
    assert set(finish(workspace).states.values()) == {"unchanged"}


def _measured(workspace):
    """Short names of the runs that have a metric by now."""
    client = connected(workspace)
    experiment = client.get_experiment_by_name("demo")
    if experiment is None:
        return set()
    found = client.search_runs([experiment.experiment_id])
    return {short_name(run) for run in found if run.data.metrics}


def test_the_logger_itself_loads_no_library():
    """Training imports it; MLflow loads in its thread, and what measures results nowhere."""
    program = """if True:
        import sys, pipeline.tracking
        print({"mlflow", "sklearn", "tensorflow"} & {*sys.modules})
        import pipeline.tracking.records
        print({"sklearn", "scipy.stats", "tensorflow"} & {*sys.modules})"""
    shown = subprocess.run([sys.executable, "-c", program], check=True, stdout=-1, text=True)
    assert shown.stdout == "set()\n" * 2
