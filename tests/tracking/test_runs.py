import shutil

import pytest

from pipeline.core.files import read_json, write_json
from pipeline.core.predictions import write_predictions
from pipeline.errors import TrackingError
from tests.support import project_results as results
from tests.support.tracked import NAMES, SETTINGS, connected, finish, pack, runs_of


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
    names = {f"demo · bilstm_attention · seed {seed}" for seed in (1, 2, 3)}
    assert {run.info.run_name for run in children} == names
    assert client.get_run(new).info.run_name == "demo · bilstm_attention · seeds 1-3"


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


@pytest.mark.parametrize("damage", ["cut", "removed", "the whole folder removed"])
def test_a_packed_model_that_was_damaged_is_packed_again(untracked, damage):
    """As the model that the champion is, not as another one."""

    def parts(destination, **_):
        pack(destination)
        (destination / "artifacts").mkdir()
        (destination / "artifacts" / "model.weights.h5").write_bytes(b"weights")

    def packed():
        return sorted(untracked.home.rglob("artifacts/model.weights.h5"))

    finish(untracked, pack=parts)
    first, other = before = packed()
    if damage == "cut":
        first.write_bytes(b"wei")
    elif damage == "removed":
        first.unlink()
    else:
        shutil.rmtree(first.parents[1])
    finish(untracked, pack=parts)
    assert packed() == before
    assert first.read_bytes() == other.read_bytes() == b"weights"
    assert set(finish(untracked, pack=None).states.values()) == {"unchanged"}


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
