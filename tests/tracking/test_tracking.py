import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
import sqlalchemy

from pipeline.core.files import read_json, write_json
from pipeline.core.params import Recipe
from pipeline.core.predictions import TFIDF, Predictions, write_predictions
from pipeline.core.sequences import NETWORK_INPUTS
from pipeline.errors import TrackingError
from pipeline.evaluation.significance import Bootstrap
from pipeline.tracking import EpochLogger, provenance, records, registry
from pipeline.workspace import Workspace
from tests.support import project_results as results

from mlflow.models import Model  # isort: skip  (after pipeline.tracking: it keeps MLflow quiet)
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache  # isort: skip
from pipeline.tracking import store  # isort: skip
from pipeline.tracking.sync import sync_runs  # isort: skip

SETTINGS = results.settings(models=("bilstm_attention",))
NAMES = {
    "bilstm_attention",
    "bilstm_attention-1",
    "bilstm_attention-2",
    TFIDF,
    "comparison",
}


def pack(destination, **_):
    """A model folder, without a model."""
    destination.mkdir()
    Model().save(str(destination / "MLmodel"))


def finish(workspace, settings=SETTINGS, pack=pack, **options):
    """Complete MLflow."""
    return sync_runs(workspace, settings, pack=pack, **options)


@pytest.fixture(autouse=True)
def no_other_store(monkeypatch):
    """Neither the reader's own settings nor an earlier test's reach into a test."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", autouse=True)
def without_waiting_for_the_disk():
    """Nothing here has to outlive a power cut."""

    def set_up(connection, _):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", set_up)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", set_up)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty store: MLflow takes seconds to make one, so the tests copy it."""
    home = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.connect(store.locate(home))
    return home / "mlflow.db"


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, database):
    """A workspace whose runs are in MLflow. For reading only."""
    root = tmp_path_factory.mktemp("tracked") / "Spot light ü"
    root.mkdir()
    shutil.copy(database, root)
    workspace = results.write(root, SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        summary = finish(workspace)
    return workspace, summary


@pytest.fixture
def workspace(tmp_path, tracked):
    """A copy of the tracked workspace, to be changed."""
    # MLflow remembers where a run's artifacts are by the run's id, which the copy shares.
    _artifact_repos_cache.clear()
    root = tmp_path / "project"
    shutil.copytree(tracked[0].root, root)
    return Workspace(root)


@pytest.fixture
def untracked(tmp_path, database):
    """A workspace that MLflow knows nothing of."""
    shutil.copy(database, tmp_path)
    return results.write(tmp_path, SETTINGS)


def connected(workspace):
    """A client of the workspace's store."""
    return store.connect(store.locate(workspace.home))


def runs_of(workspace, dataset="demo"):
    """Name → run, of the runs that MLflow shows; of one name the latest, of one identity one."""
    client = connected(workspace)
    experiment = client.get_experiment_by_name(dataset)
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    identities = [run.data.tags["fingerprint"] for run in found]
    assert len(set(identities)) == len(identities), "a run is there twice"
    return {run.info.run_name: run for run in found}


def history(workspace, run, key):
    """Each step of a metric, with its value."""
    metrics = connected(workspace).get_metric_history(run.info.run_id, key)
    return sorted((metric.step, metric.value) for metric in metrics)


def paths(client, run, folder=None):
    """Every artifact of a run."""
    for entry in client.list_artifacts(run.info.run_id, folder):
        if entry.is_dir:
            yield from paths(client, run, entry.path)
        else:
            yield entry.path


# ── the store ────────────────────────────────────────────────────────────────────────────


def test_the_store_is_inside_the_project_and_absolute(tmp_path):
    """Whatever the current folder, so that `dvc exp run --temp` finds it too."""
    found = store.locate(tmp_path)
    assert found.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert found.artifacts == tmp_path / "mlartifacts"


def test_under_a_temporary_experiment_the_store_is_the_projects(tmp_path, untracked, monkeypatch):
    """`dvc exp run --temp` copies the workspace elsewhere, and DVC_ROOT tells where it was."""
    elsewhere = tmp_path / "copy"
    results.write(elsewhere, SETTINGS)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("DVC_EXP_NAME", "quick-fox")
    finish(Workspace(elsewhere))
    assert not (elsewhere / "mlflow.db").exists()
    run = runs_of(untracked)["bilstm_attention-1"]
    assert run.data.tags["dvc.experiment"] == "quick-fox"


def test_a_server_decides_where_artifacts_go(tmp_path, monkeypatch):
    """MLFLOW_TRACKING_URI overrides everything."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    found = store.locate(tmp_path)
    assert (found.artifacts, found.database) == (None, None)


def test_a_database_that_another_process_made_meanwhile_stays(database, tmp_path, monkeypatch):
    """Parallel first starts end with one store, and nothing half-made beside it."""
    goal = tmp_path / "mlflow.db"

    class OvertakenClient:
        """Makes the database as MLflow does, while another process finishes first."""

        def __init__(self, tracking_uri):
            shutil.copy(database, tracking_uri.removeprefix("sqlite:///"))

        def search_experiments(self, **_):
            goal.write_text("the other's")

    monkeypatch.setattr(store.mlflow, "MlflowClient", OvertakenClient)
    store._create(goal, tmp_path / "mlartifacts")
    assert goal.read_text() == "the other's"
    assert list(tmp_path.iterdir()) == [goal]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "nonsense",
        "foo://bar",
        "sqlite:////proc/none/mlflow.db",
        "postgresql+psycopg2://me:secret@127.0.0.1:9/runs",
    ],
)
def test_a_store_that_cannot_be_used_is_one_clear_error(workspace, uri, monkeypatch):
    """At once, with the address, without the password, and with what to do."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    begun = time.monotonic()
    with pytest.raises(TrackingError) as raised:
        finish(workspace)
    assert time.monotonic() - begun < 10
    assert "secret" not in str(raised.value)
    assert uri.rpartition("@")[2] in raised.value.message
    assert "\n" not in raised.value.message
    assert "python -m pipeline track" in raised.value.fix


def test_a_moved_project_keeps_its_artifacts(workspace):
    """MLflow stores their place as an absolute address, which a move leaves behind."""
    before = {name: run.info.run_id for name, run in runs_of(workspace).items()}
    moved = Workspace(workspace.root.with_name("moved ß"))
    workspace.root.rename(moved.root)
    after = runs_of(moved)
    assert {name: run.info.run_id for name, run in after.items()} == before
    client = connected(moved)
    assert "history.csv" in set(paths(client, after["bilstm_attention-1"]))
    (version,) = client.search_model_versions("name = 'spotlight-demo'")
    place = client.get_model_version_download_uri("spotlight-demo", version.version)
    assert place.startswith(moved.root.as_uri())
    (moved.root / "mlartifacts" / "demo").exists()
    assert set(finish(moved).states.values()) == {"unchanged"}


# ── everything, once ─────────────────────────────────────────────────────────────────────


def test_each_run_is_there_once_under_its_models(tracked):
    """Runs by model and seed below their model's run, the reference, and the comparison."""
    workspace, summary = tracked
    runs = runs_of(workspace)
    assert runs.keys() == NAMES == summary.states.keys()
    assert set(summary.states.values()) == {"created"}
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    model = runs["bilstm_attention"].info.run_id
    assert parents == {name: model if "-" in name else None for name in NAMES}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_a_runs_metrics_are_the_files(tracked):
    """Epochs with their steps, both splits' metrics, and what it cost."""
    workspace, _ = tracked
    run = runs_of(workspace)["bilstm_attention-2"]
    assert history(workspace, run, "epoch/val_loss") == [(1, 0.6), (2, 0.45), (3, 0.47)]
    assert run.data.metrics["test/accuracy"] == 0.9
    assert run.data.metrics["validation/accuracy"] == 0.9
    assert run.data.metrics["usage/wall_seconds"] == 30.0
    assert run.info.end_time - run.info.start_time == 30_000


def test_a_models_run_holds_mean_and_spread(tracked):
    """As `metrics.json` does."""
    workspace, _ = tracked
    document = read_json(workspace.metrics)["models"]["bilstm_attention"]["test"]
    metrics = runs_of(workspace)["bilstm_attention"].data.metrics
    for name, spread in document.items():
        assert metrics[f"test/{name}"] == pytest.approx(spread["mean"], abs=2e-6)
        assert metrics[f"test_sd/{name}"] == pytest.approx(spread["sd"], abs=2e-6)


def test_a_run_tells_what_it_came_from(tracked):
    """Data by DVC's own hash, stage, threads, versions; parameters flat."""
    workspace, _ = tracked
    run = runs_of(workspace)["bilstm_attention-1"]
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.digest == "0123456789abcdef0123456789abcdef.dir"
    assert json.loads(used.dataset.source)["seed"] == 20
    tags = run.data.tags
    assert tags["dvc.stage"] == "train@bilstm_attention-1"
    assert tags["threads"] == str(SETTINGS.threads)
    assert tags["version.tensorflow"].startswith("2.")
    assert run.data.params["pooling"] == "additive"
    assert run.data.params["seed"] == "1"
    inputs = set(run.data.params) - {"model", "seed", "parameters", *Recipe.model_fields}
    assert inputs <= set(NETWORK_INPUTS)
    assert set(Recipe.model_fields) <= set(run.data.params)


def test_artifacts_have_the_same_path_in_every_run(tracked):
    """At the top, where Compare looks for what it shows side by side."""
    workspace, _ = tracked
    client, runs = connected(workspace), runs_of(workspace)
    first, second = (set(paths(client, runs[f"bilstm_attention-{seed}"])) for seed in (1, 2))
    assert first == second
    assert first >= {
        "attention.html",
        "samples.json",
        "history.csv",
        "roc.png",
        "predictions/test.parquet",
        "summary.txt",
    }
    comparison = set(paths(client, runs["comparison"]))
    assert comparison >= {"report.html", "comparison.json", "metrics.json", "plots/roc.csv"}


def test_a_second_time_nothing_is_written(workspace):
    """Not a run, not a metric, not a model."""
    before = runs_of(workspace)
    summary = finish(workspace)
    assert set(summary.states.values()) == {"unchanged"}
    assert "as before" in summary.champion
    after = runs_of(workspace)
    assert {run.info.run_id for run in after.values()} == {
        run.info.run_id for run in before.values()
    }
    for run in after.values():
        for key in run.data.metrics:
            steps = [step for step, _ in history(workspace, run, key)]
            assert len(steps) == len(set(steps)), key
    client = connected(workspace)
    experiment = after["comparison"].info.experiment_id
    assert len(client.search_logged_models([experiment])) == 2


def test_a_deleted_store_is_made_again(workspace, tracked, database):
    """The files alone are enough."""
    shutil.copy(database, workspace.root)
    shutil.rmtree(workspace.root / "mlartifacts")
    assert set(finish(workspace).states.values()) == {"created"}
    again, before = runs_of(workspace), runs_of(tracked[0])
    assert {name: run.data.metrics for name, run in again.items()} == {
        name: run.data.metrics for name, run in before.items()
    }
    assert not {run.info.run_id for run in again.values()} & {
        run.info.run_id for run in before.values()
    }


def test_deleted_artifacts_come_back(workspace):
    """Also where the database stayed."""
    shutil.rmtree(workspace.root / "mlartifacts" / "demo")
    states = finish(workspace).states
    assert states["bilstm_attention-1"] == "completed"
    run = runs_of(workspace)["bilstm_attention-1"]
    assert "history.csv" in set(paths(connected(workspace), run))


def test_what_was_deleted_in_the_ui_comes_back(workspace):
    """A run that is in the bin is not there; an experiment is restored with its runs."""
    client = connected(workspace)
    client.delete_run(runs_of(workspace)["bilstm_attention-1"].info.run_id)
    assert finish(workspace).states["bilstm_attention-1"] == "created"
    assert runs_of(workspace).keys() == NAMES
    client.delete_experiment(client.get_experiment_by_name("demo").experiment_id)
    finish(workspace)
    assert runs_of(workspace).keys() == NAMES


def test_of_two_runs_with_a_fingerprint_the_first_stays(workspace):
    """Two processes that find none at the same moment each make one."""
    client, run = connected(workspace), runs_of(workspace)["bilstm_attention-1"]
    tags = {"fingerprint": run.data.tags["fingerprint"]}
    client.create_run(run.info.experiment_id, tags=tags, run_name="a twin")
    finish(workspace)
    assert runs_of(workspace).keys() == NAMES
    assert runs_of(workspace)["bilstm_attention-1"].info.run_id == run.info.run_id


def test_another_set_of_seeds_is_another_run_of_the_model(workspace):
    """A mean over three seeds leaves the one over two as it is, and has all runs below it."""
    before = runs_of(workspace)["bilstm_attention"]
    more = results.settings(models=SETTINGS.models, seeds=(1, 2, 3))
    results.write(workspace.root, more)
    results.write_model(workspace, more, "bilstm_attention", 3, 0.6)
    states = finish(workspace, more).states
    assert states["bilstm_attention-3"] == "created"
    assert states["bilstm_attention"] == "created"
    client = connected(workspace)
    experiment = client.get_experiment_by_name("demo").experiment_id
    parents = {
        run.info.run_id: run.data.metrics["test/accuracy"]
        for run in client.search_runs(
            [experiment], "tags.kind = 'model' and tags.model = 'bilstm_attention'"
        )
    }
    kept = before.data.metrics["test/accuracy"]
    assert parents.pop(before.info.run_id) == kept
    ((new, mean),) = parents.items()
    assert mean == pytest.approx(0.8)
    assert mean != kept
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{new}'")
    assert {run.info.run_name for run in children} == {f"bilstm_attention-{n}" for n in (1, 2, 3)}


def test_a_dvc_experiment_promotes_nothing(workspace, monkeypatch):
    """It only tries something out: the registry stays as it is."""
    client = connected(workspace)
    client.delete_registered_model("spotlight-demo")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-idea")
    assert "bold-idea only tries something out" in finish(workspace).champion
    assert client.search_registered_models() == []
    monkeypatch.delenv("DVC_EXP_NAME")
    assert "version 1" in finish(workspace).champion


def test_other_code_makes_other_runs_and_keeps_the_old(workspace):
    """A fingerprint is a run's identity."""
    results.write(workspace.root, SETTINGS, code="2")
    finish(workspace)
    client = connected(workspace)
    experiment = client.get_experiment_by_name("demo").experiment_id
    found = client.search_runs([experiment], "tags.kind = 'run'")
    assert len(found) == 4
    parents = {run.data.tags["mlflow.parentRunId"] for run in found}
    assert len(parents) == 2


def test_figures_that_changed_are_renewed(workspace):
    """A metric that is computed in another way replaces what was there."""
    path = workspace.model("bilstm_attention", 1) / "test.parquet"
    write_predictions(path, results.predictions(60, 0.7, 1))
    assert finish(workspace).states["bilstm_attention-1"] == "completed"
    run = runs_of(workspace)["bilstm_attention-1"]
    assert run.data.metrics["test/accuracy"] == pytest.approx(0.7)
    assert set(finish(workspace).states.values()) == {"unchanged"}


def test_a_recalibrated_model_is_packed_again(workspace):
    """What is served is a function of the fingerprint and the temperature."""
    document = read_json(workspace.comparison)
    document["calibration"]["bilstm_attention"]["per_seed"][0]["temperature"] = 3.0
    write_json(workspace.comparison, document)
    asked = []
    finish(workspace, pack=lambda to, **given: (asked.append(given), pack(to)))
    assert [given["temperature"] for given in asked] == [3.0]


def test_what_is_not_there_yet_is_left_out(tmp_path, untracked):
    """Stopped halfway, MLflow has what was finished."""
    untracked.comparison.unlink()
    shutil.rmtree(untracked.model("bilstm_attention", 2))
    assert finish(untracked).states.keys() == {"bilstm_attention", "bilstm_attention-1", TFIDF}


def test_without_results_there_is_nothing_to_do(tmp_path, database):
    """A fresh clone's `make ui` shows an empty store."""
    shutil.copy(database, tmp_path)
    assert finish(Workspace(tmp_path)).states == {}


def test_costs_of_another_run_are_not_taken(untracked):
    """After `dvc checkout` the ignored file may be about another fingerprint."""
    path = untracked.costs("bilstm_attention", 1)
    write_json(path, {**read_json(path), "fingerprint": "another"})
    (_, first, *_) = records.collect(untracked, SETTINGS.runs)
    assert first.name == "bilstm_attention-1"
    assert not any(key.startswith("usage/") for key in first.metrics)


def test_a_model_that_was_half_uploaded_is_uploaded_again(untracked):
    """An interruption leaves neither a second run nor a broken model."""

    def broken(destination, **_):
        raise OSError(28, "No space left on device")

    with pytest.raises(TrackingError, match="No space left"):
        finish(untracked, pack=broken)
    finish(untracked)
    client, runs = connected(untracked), runs_of(untracked)
    assert runs.keys() == NAMES
    models = client.search_logged_models([runs["comparison"].info.experiment_id])
    assert sorted(model.name for model in models) == ["bilstm_attention-1", "bilstm_attention-2"]
    assert {str(model.status) for model in models} == {"READY"}


# ── where it came from ───────────────────────────────────────────────────────────────────


def test_the_first_commit_that_made_a_run_stays(untracked):
    """A run that a later commit makes again is the same run."""
    root = untracked.root

    def commit():
        arguments = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]
        subprocess.run(["git", *arguments, "--allow-empty"], cwd=root, check=True)
        shown = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, stdout=-1)
        provenance._commit.cache_clear()
        return shown.stdout.decode().strip()

    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / "code.py").write_text("1")
    subprocess.run(["git", "add", "code.py"], cwd=root, check=True)
    first = commit()
    finish(untracked)
    (root / "code.py").write_text("2")
    second = commit()
    assert finish(untracked).states["bilstm_attention-1"] == "unchanged"
    tags = runs_of(untracked)["bilstm_attention-1"].data.tags
    assert tags["mlflow.source.git.commit"] == first != second
    assert tags["mlflow.source.git.dirty"] == "false"
    assert provenance._commit(root)["mlflow.source.git.dirty"] == "true"


def test_without_git_there_is_no_commit(tmp_path):
    """An unpacked archive is no repository."""
    assert provenance._commit(tmp_path / "nowhere") == {}


def test_without_dvc_the_datas_version_is_its_content(untracked):
    """At most 36 characters, which MLflow allows."""
    untracked.lock.unlink()
    assert provenance.data_version(untracked).digest == f"{60:064x}"[:36]


# ── live ─────────────────────────────────────────────────────────────────────────────────


def live(workspace, lines, **options):
    """The logger of one run, whose lines are kept."""
    return EpochLogger(
        workspace,
        SETTINGS,
        model="bilstm_attention",
        seed=1,
        fingerprint=results.fingerprint("bilstm_attention", 1),
        say=lines.append,
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
    lines, begun = [], time.monotonic()
    with live(Workspace(tmp_path), lines) as logger:
        for number in (1, 2, 3):
            logger.epoch(number, {"loss": 0.5})
    assert time.monotonic() - begun < 10
    (line,) = lines
    assert uri in line
    assert "python -m pipeline track" in line
    assert "\n" not in line


def test_a_server_that_never_answers_holds_nothing_up(tmp_path, monkeypatch):
    """It accepts the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        lines, begun = [], time.monotonic()
        with live(Workspace(tmp_path), lines, patience=0.5) as logger:
            logger.epoch(1, {"loss": 0.5})
        assert time.monotonic() - begun < 2
        assert len(lines) == 1
        logger._thread.join(30)


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
    program = (
        "from mlflow.server import app; from werkzeug.serving import make_server\n"
        f"server = make_server('127.0.0.1', {port}, app, threaded=True)\n"
        "print('ready', flush=True); server.serve_forever()"
    )
    running = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
        assert process.stdout.readline() == b"ready\n"
        return f"http://127.0.0.1:{port}"

    def kill():
        while running:
            process = running.pop()
            process.kill()
            process.communicate()

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
    """Names of the runs that have a metric by now."""
    client = connected(workspace)
    experiment = client.get_experiment_by_name("demo")
    if experiment is None:
        return set()
    found = client.search_runs([experiment.experiment_id])
    return {run.info.run_name for run in found if run.data.metrics}


def test_the_logger_itself_loads_no_library():
    """Training imports it; MLflow and scikit-learn load in its thread."""
    program = (
        "import sys, pipeline.tracking; print({'mlflow', 'sklearn', 'tensorflow'} & {*sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", program], check=True, stdout=-1, text=True)
    assert shown.stdout.strip() == "set()"


# ── the champion ─────────────────────────────────────────────────────────────────────────


def judged(candidate, champion, minimum=0.7):
    """The gate's verdict."""
    return registry.judge(
        candidate,
        champion,
        task="binary",
        minimum=minimum,
        naive={},
        bootstrap=Bootstrap(0.95, resamples=200, seed=0),
    )


def test_the_gate_asks_for_a_minimum():
    """And names both figures."""
    assert judged(results.predictions(100, 0.8, 1), None).passed
    refused = judged(results.predictions(100, 0.6, 1), None)
    assert not refused.passed
    assert "60.0%" in refused.reason
    assert "70.0%" in refused.reason


def test_the_gate_asks_for_more_than_the_champion_has():
    """A little more may be luck, and is not better; much more is."""
    champion = results.predictions(400, 0.8, 1)
    assert judged(results.predictions(400, 0.9, 2), champion).passed
    for accuracy in (0.81, 0.8, 0.75):
        refused = judged(results.predictions(400, accuracy, 2), champion)
        assert not refused.passed
        assert "not better" in refused.reason
    assert "-5.0 points" in refused.reason


def test_predictions_of_other_rows_are_not_compared():
    """After another split only the minimum decides."""
    assert judged(results.predictions(100, 0.75, 1), results.predictions(90, 0.99, 1)).passed


def forecast(error, shift=0.0):
    """Predictions of a number that err by that much in the mean square."""
    rng = np.random.default_rng(0)
    targets = rng.normal(size=400).astype("f4") + np.float32(shift)
    noise = rng.choice([-1, 1], 400) * error**0.5
    return Predictions(np.arange(400), targets, (targets + noise).astype("f4"))


def judged_forecast(candidate, champion=None):
    """The gate's verdict on a regression, whose best naive forecast has a squared error of 0.09."""
    return registry.judge(
        candidate,
        champion,
        task="regression",
        minimum=0.7,
        naive={"mean": forecast(1.0), "last_value": forecast(0.09)},
        bootstrap=Bootstrap(0.95, resamples=200, seed=0, block=5),
    )


def test_a_regression_must_beat_the_best_naive_forecast():
    """By validation MSE: an accuracy it has none."""
    passed, refused = judged_forecast(forecast(0.08)), judged_forecast(forecast(0.1))
    assert passed.passed
    assert "0.08 is below the best naive forecast's, last_value: 0.09" in passed.reason
    assert not refused.passed
    assert "0.1 is not below" in refused.reason


def test_a_regression_must_be_better_than_the_champion():
    """Lower is better there; predictions of other targets, as of another horizon, don't count."""
    refused = judged_forecast(forecast(0.08), forecast(0.02))
    assert not refused.passed
    assert "+0.06 validation MSE" in refused.reason
    assert judged_forecast(forecast(0.02), forecast(0.08)).passed
    assert judged_forecast(forecast(0.08), forecast(0.02, shift=1.0)).passed


def aliases(workspace):
    """Alias → version."""
    model = connected(workspace).get_registered_model("spotlight-demo")
    return {alias: int(version) for alias, version in model.aliases.items()}


def test_the_best_by_validation_is_registered_with_its_card(tracked):
    """The version's page says what a user should know."""
    workspace, summary = tracked
    assert "spotlight-demo version 1, bilstm_attention-1" in summary.champion
    assert aliases(workspace) == {"champion": 1}
    card = connected(workspace).get_model_version("spotlight-demo", "1").description
    for expected in (
        "0123456789abcdef0123456789abcdef.dir",
        "| accuracy | 0.9000 ± 0.0000 |",
        "Limits",
        "Intended use",
    ):
        assert expected in card


def test_the_run_tells_what_its_model_is_registered_as(tracked):
    """MLflow's page of the run shows it."""
    workspace, _ = tracked
    client, run = connected(workspace), runs_of(workspace)["bilstm_attention-1"]
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert json.loads(model.tags["mlflow.modelVersions"]) == [
        {"name": "spotlight-demo", "version": 1}
    ]


def test_the_ui_opens_with_the_columns_that_compare(tracked):
    """The addresses that `make ui` prints name views that the experiment holds."""
    workspace, summary = tracked
    tags = connected(workspace).get_experiment_by_name("demo").tags
    assert summary.pages.keys() == {"table", "charts"}
    shown = runs_of(workspace)["bilstm_attention"].data
    for name, page in summary.pages.items():
        assert f"viewStateShareKey={name}" in page
        view = json.loads(tags[f"mlflow.sharedViewState.{name}"])
        columns = {column.split("`")[1] for column in view["selectedColumns"]}
        assert columns - {"Dataset"} <= {*shown.metrics, *shown.params}


def test_a_better_model_takes_over_and_the_former_stays_at_hand(workspace):
    """`previous` is the way back."""
    results.write(workspace.root, SETTINGS, accuracy={"bilstm_attention": 1.0}, code="2")
    assert "version 2" in finish(workspace).champion
    assert aliases(workspace) == {"champion": 2, "previous": 1}
    assert "as before" in finish(workspace).champion
    results.write(workspace.root, SETTINGS)  # git checkout of the former commit
    assert "not better" in finish(workspace).champion
    assert aliases(workspace) == {"champion": 2, "previous": 1}
    assert "version 1" in finish(workspace, promote=True).champion  # but by a user's own will
    assert aliases(workspace) == {"champion": 1, "previous": 2}


def test_fewer_seeds_do_not_take_the_alias(workspace):
    """However good they are: two seeds are a trial beside three."""
    fewer = results.settings(models=SETTINGS.models, seeds=SETTINGS.seeds[:1])
    results.write(workspace.root, fewer, accuracy={"bilstm_attention": 0.99}, code="2")
    assert "rests on 1 seed(s), the present champion on 2" in finish(workspace, fewer).champion
    assert aliases(workspace) == {"champion": 1}


@pytest.mark.parametrize(("accuracy", "why"), [(0.3, "below the minimum"), (0.72, "not better")])
def test_what_the_gate_refuses_is_not_registered(workspace, accuracy, why):
    """The champion stays, and the reason is said."""
    results.write(workspace.root, SETTINGS, accuracy={"bilstm_attention": accuracy}, code="2")
    said = finish(workspace).champion
    assert why in said
    assert "version 1 stays" in said
    assert aliases(workspace) == {"champion": 1}
    assert len(connected(workspace).search_model_versions("name = 'spotlight-demo'")) == 1


def test_no_test_row_takes_part_in_the_gate(workspace):
    """Its decision and its words are the same with every test prediction wrong."""
    results.write(workspace.root, SETTINGS, accuracy={"bilstm_attention": 1.0}, code="2")
    for seed in SETTINGS.seeds:
        path = workspace.model("bilstm_attention", seed) / "test.parquet"
        write_predictions(path, results.predictions(60, 0.0, seed))
    assert "version 2" in finish(workspace).champion
