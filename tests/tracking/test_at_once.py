"""Several processes and clones that record the same runs, and stores that refuse to be used."""

import contextlib
import shutil
import sqlite3
import threading

import pytest

from pipeline.core.predictions import write_predictions
from pipeline.errors import TrackingError
from pipeline.tracking import registry, runs, store
from pipeline.workspace import Workspace
from tests.support import project_results as results
from tests.support.tracked import NAMES, SETTINGS, aliases, connected, finish, pack, runs_of


def once(act):
    """The same function, which acts at its first call alone."""
    calls = []

    def called(*arguments, **options):
        calls.append(None)
        if len(calls) == 1:
            act(*arguments, **options)

    return called


def complete(workspace):
    """Each run is there once, with one model, and one version is registered."""
    client, found = connected(workspace), runs_of(workspace)
    assert found.keys() == NAMES
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    models = client.search_logged_models([found["comparison"].info.experiment_id])
    assert sorted(model.name for model in models) == ["bilstm_attention-1", "bilstm_attention-2"]
    assert {str(model.status) for model in models} == {"READY"}
    (version,) = client.search_model_versions("name = 'spotlight-demo'")
    assert aliases(workspace) == {"champion": int(version.version)}
    assert version.source in {model.artifact_location for model in models}
    assert set(finish(workspace).states.values()) == {"unchanged"}


def test_of_two_processes_of_a_project_one_waits(untracked, capsys):
    """Else it would delete the model that the other is uploading."""
    summaries = []
    other = threading.Thread(target=lambda: summaries.append(finish(untracked)))

    @once
    def meanwhile():
        other.start()
        other.join(1)
        assert other.is_alive()

    finish(untracked, pack=lambda to, **_: (meanwhile(), pack(to)))
    other.join(60)
    assert set(summaries[0].states.values()) == {"unchanged"}
    assert "waiting for it" in capsys.readouterr().out
    complete(untracked)


@pytest.fixture
def clones(tmp_path, database, monkeypatch):
    """Two clones with equal results, and a store of both."""
    shutil.copy(database, tmp_path / "shared.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'shared.db'}")
    first = results.write(tmp_path / "first", SETTINGS)
    shutil.copytree(first.root, tmp_path / "second")
    return first, Workspace(tmp_path / "second")


@pytest.mark.parametrize(
    ("module", "name"), [(runs, "start"), (registry, "model_card"), (registry, "_aliases")]
)
def test_two_clones_record_each_run_once(clones, monkeypatch, module, name):
    """Though the second does it all while the first has just begun a run, or a version."""
    first, second = clones
    original, meanwhile = getattr(module, name), once(lambda: finish(second))

    def overtaken(*arguments, **options):
        meanwhile()
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, overtaken)
    finish(first)
    complete(first)


def test_a_model_that_another_clone_uploads_is_left_alone(clones, monkeypatch):
    """The later of the two goes; what nobody has finished for an hour goes, too."""
    first, second = clones
    meanwhile = once(lambda: finish(second))
    finish(first, pack=lambda to, **_: (meanwhile(), pack(to)))
    complete(first)
    client, run = connected(first), runs_of(first)["bilstm_attention-1"]
    left = client.create_logged_model(run.info.experiment_id, source_run_id=run.info.run_id)
    finish(second)
    assert client.get_logged_model(left.model_id)
    monkeypatch.setattr(runs, "_UPLOAD", -1)
    finish(second)
    complete(first)


def test_a_database_that_another_program_locks_is_waited_for(workspace, monkeypatch):
    """Then it is said who can end that."""
    database = workspace.root / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.5, other.rollback)
        release.start()
        assert set(finish(workspace).states.values()) == {"unchanged"}
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(store, "_PATIENCE", 0.1)
        with pytest.raises(TrackingError, match="database is locked") as caught:
            finish(workspace)
    assert "close the program that uses mlflow.db" in caught.value.fix


def half(content):
    """Its first half."""
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        half,
        lambda content: b"no database" * 1000,
        lambda content: content[:100] + b"\xff" * 5000 + content[5100:],
        lambda content: half(content) + b"\x5a" * (len(content) - len(half(content))),
    ],
    ids=["empty", "cut off", "another file", "its schema", "its second half"],
)
def test_a_damaged_store_says_what_to_do_and_that_works(workspace, damage):
    """The runs are made again from the files."""
    database = workspace.root / "mlflow.db"
    database.write_bytes(damage(database.read_bytes()))
    with pytest.raises(TrackingError) as caught:
        finish(workspace)
    assert "mv mlflow.db mlflow.db.damaged; rm -f mlflow.db-*" in caught.value.fix
    assert "python -m pipeline track" in caught.value.fix
    database.rename(database.with_name("mlflow.db.damaged"))
    assert set(finish(workspace).states.values()) == {"created"}


def test_a_clock_that_was_set_back_hides_no_new_figure(workspace, monkeypatch):
    """MLflow shows a metric's latest value by its time."""
    path = workspace.model("bilstm_attention", 1) / "test.parquet"
    write_predictions(path, results.predictions(60, 0.7, 1))
    monkeypatch.setattr(runs.time, "time", lambda: 1.0)
    finish(workspace)
    run = runs_of(workspace)["bilstm_attention-1"]
    assert run.data.metrics["test/accuracy"] == pytest.approx(0.7)
    assert set(finish(workspace).states.values()) == {"unchanged"}
