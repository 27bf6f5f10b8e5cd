import shutil

from pipeline.workspace import Workspace
from tests.support.tracked import NAMES, connected, finish, history, paths, runs_of


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


def test_without_results_there_is_nothing_to_do(tmp_path, database):
    """A fresh clone's `make ui` shows an empty store."""
    shutil.copy(database, tmp_path)
    assert finish(Workspace(tmp_path)).states == {}
