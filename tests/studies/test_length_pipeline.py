"""The length study's pipeline, and all of it, small."""

import mlflow
import pytest
from ruamel.yaml import YAML

from pipeline.core.files import read_json
from pipeline.studies.length import settings
from pipeline.studies.length.settings import ATTENTION, BASELINE, POSITIONS
from pipeline.studies.length.stages import corpus, flow, summary, train
from pipeline.workspace import Workspace
from tests.support.dependencies import unlisted_and_unused
from tests.support.paths import PROJECT

OWN = Workspace(PROJECT).length_study


# ── its pipeline ─────────────────────────────────────────────────────────────────────────

PIPELINE = YAML(typ="safe").load(OWN.pipeline.read_text())["stages"]


@pytest.mark.parametrize("stage", ["corpus", "train", "flow", "summary"])
def test_a_stage_depends_on_every_module_that_can_change_its_output(stage):
    """The `deps` are the imports, as in the main pipeline."""
    listed = [dep.removeprefix("../../") for dep in PIPELINE[stage]["deps"]]
    code = [dep for dep in listed if dep.startswith("pipeline/")]
    module = f"pipeline.studies.length.stages.{stage}"
    assert unlisted_and_unused(module, code) == (set(), set())
    # Outside of its repository DVC would hash a folder with Python's caches in it.
    assert all((PROJECT / dep).is_file() for dep in code)
    assert "locks/run.txt" in listed


def test_every_parameter_of_the_file_is_some_stages():
    """Listed by a stage that reads it, or in the stages' names."""
    text = OWN.pipeline.read_text()
    for key in YAML(typ="safe").load(OWN.params.read_text()):
        assert key in text, key


def test_a_failing_stage_leaves_its_earlier_output():
    """DVC deletes outputs before a stage runs, unless they persist."""
    for stage in PIPELINE.values():
        for output in stage["outs"]:
            (options,) = output.values()
            assert options["persist"]


# ── all of it, small ─────────────────────────────────────────────────────────────────────

SMALL = {
    "lengths": ["40-50", "60-70"],
    "models": [BASELINE, ATTENTION],
    "remedies": {"length": "60-70", "models": ["bilstm_chrono"]},
    "more_data": {
        "length": "60-70x2",
        "models": ["bilstm_more_data"],
    },
    "corpora": ["40-50", "60-70", "60-70x2"],
    "flow": {
        "length": "60-70",
        "models": [BASELINE, ATTENTION],
        "seed": 1,
        "rows": 8,
        "epochs": [0, 1],
    },
    "seeds": [1],
    "corpus": {"train": 64, "validation": 20, "test": 20, "seed": 1, "noise": 0, "vocabulary": 90},
    "training": {
        "embedding": 4,
        "units": 3,
        "dropout": 0.0,
        "batch_size": 32,
        "learning_rate": 0.01,
        "epochs": 1,
        "min_epochs": 1,
        "patience": 1,
    },
}
TRAINED = [
    *(f"{length}-{model}" for length in SMALL["lengths"] for model in SMALL["models"]),
    "60-70-bilstm_chrono",
    "60-70x2-bilstm_more_data",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that its stages have run."""
    root = tmp_path_factory.mktemp("study")
    workspace = Workspace(root)
    study = workspace.length_study
    study.base.mkdir(parents=True)
    params = {**YAML(typ="safe").load(OWN.params.read_text()), **SMALL}
    with study.params.open("w") as file:
        YAML().dump(params, file)
    (root / "locks").mkdir()
    (root / "locks" / "run.txt").touch()
    (study.models / "taken-out-1").mkdir(parents=True)
    wanted = settings.load_study(study.params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
        for length in wanted.corpora:
            corpus.run(workspace, length)
        for run in wanted.runs:
            train.run(workspace, *run)
        for model in wanted.flow.models:
            flow.run(workspace, model)
        summary.run(workspace)
    return study


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stages_leave_a_summary_and_no_run_that_was_not_asked_for(finished):
    """Each run with its predictions at every position; the figure; no scratch."""
    runs = {f"{model}-1" for model in TRAINED}
    assert {path.name for path in finished.models.iterdir()} == runs
    for run in runs:
        tests = {path.stem for path in (finished.models / run).glob("*.parquet")}
        assert tests == {"validation", *map(settings.test_name, POSITIONS)}
    assert not list((finished.scratch / "checkpoints").glob("*"))
    found = read_json(finished.summary)
    assert found["verdict"] == "too few seeds for a claim"
    assert {path.name for path in finished.results.glob("*.png")} == {
        "accuracy_by_length.png",
        "learning.png",
    }
    assert set(found["flow"]) == {BASELINE, ATTENTION}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mlflow_holds_every_run_once(finished, monkeypatch):
    """In an experiment of its own; a second time there is nothing to do."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    from pipeline.studies.length.tracking import track_study

    wanted = settings.load_study(finished.params)
    first = track_study(finished, wanted)
    results = set(TRAINED)
    assert set(first.states) == results | {f"{result}-1" for result in results} | {"summary"}
    assert set(first.states.values()) == {"created"}
    assert set(track_study(finished, wanted).states.values()) == {"unchanged"}

    client = mlflow.MlflowClient(tracking_uri=first.store)
    experiment = client.get_experiment_by_name("length-study").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert runs[f"demo · 60-70-{BASELINE} · seed 1"].data.params["length"] == "60-70"
    curve = client.get_metric_history(runs["summary"].info.run_id, f"accuracy anywhere/{ATTENTION}")
    assert [point.step for point in curve] == [45, 65]
