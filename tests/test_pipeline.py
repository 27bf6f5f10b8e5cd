"""The whole pipeline, as a user runs it: real DVC, real training, real MLflow, small sizes."""

import json
import os
import random
import re
import shutil
import signal

import mlflow
import pytest

from tests.support import kills
from tests.support.project import (
    change,
    copy_compiled,
    copy_project,
    dvc,
    here,
    pipeline,
    run,
    tracked_runs,
    users_environment,
)
from tests.support.services import KEYS, bucket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def new_project(root):
    """A project under git that has not run."""
    root.mkdir()
    copy_project(root)
    run(root, "git", "init", "-q")
    commit(root, "begin")
    return root


def commit(root, message):
    """Everything that git doesn't ignore."""
    run(root, "git", "add", "-A", "--", ":!repro.log")
    run(root, "git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "-m", message)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project that has run once, in a path with spaces and letters beyond ASCII.

    And the seconds that each of its stages took, its files, and what MLflow holds of it.
    """
    root = new_project(tmp_path_factory.mktemp("eine Übung") / "Projekt für Ж")
    lasted = kills.durations(root)
    commit(root, "results")
    for packed in (root / "mlartifacts").rglob("code/pipeline"):
        copy_compiled(root / "pipeline", packed)
    return root, lasted, kills.files(root), kills.recorded(root)


@pytest.fixture(scope="module")
def project(finished):
    """The same, for tests that need only the folder."""
    return finished[0]


@pytest.fixture(autouse=True)
def as_a_user(monkeypatch):
    """What runs in this process has the variables of what runs in one of its own."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", users_environment()["PATH"])


@pytest.fixture(scope="module")
def remote(project):
    """The address of an S3 server that holds all that the project's DVC cache holds."""
    with bucket("spotlight") as (address, _):
        add_remote(project, address)
        dvc(project, "push", "-q", **KEYS)
        yield address
        dvc(project, "remote", "remove", "--local", "cloud")


def add_remote(project, address):
    """Let DVC use that server unless told otherwise."""
    dvc(project, "remote", "add", "--local", "-d", "cloud", "s3://spotlight/store")
    dvc(project, "remote", "modify", "--local", "cloud", "endpointurl", address)


def cloned(project, copy):
    """A clone of the project's repository, whose code need not be compiled again."""
    run(project, "git", "clone", "-q", str(project), str(copy))
    copy_compiled(project / "pipeline", copy / "pipeline")
    return copy


MODELS = {"bilstm", "bilstm_attention", "nb_logistic_regression", "tfidf_logistic_regression"}
RUNS = MODELS | {"bilstm-1", "bilstm_attention-1", "comparison"}


def test_one_command_ends_with_the_comparison_and_what_to_do_next(project):
    """A table with every model, the verdict, and the next command."""
    shown = (project / "repro.log").read_text()
    assert "dataset 'demo'" in shown
    for model in MODELS:
        assert f"\n{model} " in shown
    assert "Too few seeds for a claim" in shown
    assert "make ui" in shown


def test_metrics_have_their_documented_shape(project):
    """results/metrics.json is what scripts read."""
    metrics = json.loads((project / "results" / "metrics.json").read_text())
    assert metrics["dataset"] == "demo"
    assert set(metrics["models"]) == MODELS
    for model in metrics["models"].values():
        assert model["parameters"] > 0
        for split in ("validation", "test"):
            assert set(model[split]) == {"accuracy", "f1", "roc_auc", "log_loss", "ece"}
            assert all(set(value) == {"mean", "sd"} for value in model[split].values())


def test_mlflow_holds_every_run_once(project):
    """Parents, children, the reference and the comparison; epochs with their steps."""
    runs = tracked_runs(project)
    assert set(runs) == RUNS
    assert runs["bilstm-1"].data.tags["mlflow.parentRunId"] == runs["bilstm"].info.run_id
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    history = client.get_metric_history(runs["bilstm-1"].info.run_id, "epoch/val_loss")
    assert [point.step for point in history] == [1, 2]


def test_the_champion_answers_a_text(project, capsys):
    """With the words' weights, and side by side with a model of the workspace and one of a run."""
    shown = pipeline(project, "predict", "A marvel, not a mess.", "--json", "--explain").stdout
    answer = json.loads(shown)
    assert answer["label"] in {"neg", "pos"}
    assert [token["token"] for token in answer["tokens"]][:3] == ["A", "marvel", ","]
    run_id = tracked_runs(project)["bilstm-1"].info.run_id
    models = ["models:/spotlight-demo@champion", "results/models/bilstm-1", run_id]
    options = [word for address in models for word in ("--model", address)]
    capsys.readouterr()
    assert here(project, "predict", "A marvel, not a mess.", *options, "--json") == 0
    answers = json.loads(capsys.readouterr().out)
    assert answers[f"{models[0]}/label"] == answer["label"]
    assert answers[f"{models[1]}/probability_pos"] == answers[f"{models[2]}/probability_pos"]
    assert here(project, "predict", "x", "--model", "models:/other/1") == 4
    assert "MLflow has no models:/other/1" in capsys.readouterr().err


def test_a_recorded_run_is_trained_again_to_the_same_bytes(project, capfd):
    """From its commit and DVC's cache, and nothing of it is left in the project."""
    before = run(project, "git", "status", "--porcelain").stdout
    run_id = tracked_runs(project)["bilstm_attention-1"].info.run_id
    assert here(project, "reproduce", run_id) == 0
    shown = capfd.readouterr().out
    files = "history.csv, model.weights.h5, test.parquet, validation.parquet"
    assert f"the same bytes: {files}" in shown
    assert "every metric has the same value" in shown
    assert run(project, "git", "status", "--porcelain").stdout == before
    assert run(project, "git", "worktree", "list").stdout.count("\n") == 1
    assert not list((project / ".spotlight").glob("worktree-*"))


def test_a_second_run_runs_nothing(project):
    """And leaves the lock as it is."""
    lock = (project / "dvc.lock").read_bytes()
    assert "Data and pipelines are up to date" in dvc(project, "repro").stdout
    assert (project / "dvc.lock").read_bytes() == lock


def test_mlflow_is_completed_after_the_store_was_deleted(project):
    """From the files alone; a second time it finds nothing to do."""
    before = tracked_runs(project)
    (project / "mlflow.db").unlink()
    shutil.rmtree(project / "mlartifacts")
    assert here(project, "track") == 0
    after = tracked_runs(project)
    assert set(after) == RUNS
    for name in RUNS:
        assert after[name].data.metrics == before[name].data.metrics
    assert here(project, "track") == 0
    assert {name: run.info.run_id for name, run in tracked_runs(project).items()} == {
        name: run.info.run_id for name, run in after.items()
    }


def test_mlflow_out_of_reach_is_one_error_that_says_what_to_do(project, monkeypatch, capsys):
    """`track` fails readably; the results are untouched."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert here(project, "track") == 5
    assert "python -m pipeline track" in capsys.readouterr().err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert here(project, "track") == 0
    assert run(project, "git", "status", "--porcelain", "--", "results", "dvc.lock").stdout == ""


def test_a_fresh_clone_pulls_from_s3_runs_nothing_again_and_fills_its_own_mlflow(
    project, remote, tmp_path
):
    """What one machine made is on the other: only `track` has something to do."""
    copy = cloned(project, tmp_path / "clone")
    add_remote(copy, remote)
    dvc(copy, "pull", "-q", **KEYS)
    for path in ("data/raw/train.parquet", "results/models/bilstm-1/model.weights.h5"):
        assert (copy / path).read_bytes() == (project / path).read_bytes()
    assert stages_of(dvc(copy, "repro", "report").stdout) == []
    assert stages_of(dvc(copy, "repro", "--dry").stdout) == ["track"]
    assert here(copy, "track") == 0
    assert run(copy, "git", "status", "--porcelain").stdout == ""
    runs, original = tracked_runs(copy), tracked_runs(project)
    assert set(runs) == RUNS == set(original)
    for name, one in runs.items():
        assert one.data.tags["fingerprint"] == original[name].data.tags["fingerprint"]
        # What a training cost is known where it ran; what it logged live has more digits.
        expected = original[name].data.metrics.items()
        shared = {key: value for key, value in expected if not key.startswith("usage")}
        assert one.data.metrics == pytest.approx(shared, rel=1e-5)


def stages_of(shown):
    """The stages that DVC says it runs."""
    return re.findall(r"^Running stage '(.+)':", shown, re.MULTILINE)


def test_a_model_taken_out_leaves_every_result(project, tmp_path):
    """metrics.json and the folder of models; nothing is trained again."""
    copy = cloned(project, tmp_path / "clone")
    shutil.copytree(project / ".dvc" / "cache", copy / ".dvc" / "cache")
    dvc(copy, "checkout", "-q")
    change(copy, {"models": ["bilstm_attention"]})
    shown = dvc(copy, "repro", "--dry").stdout
    assert not [stage for stage in stages_of(shown) if stage.startswith("train")]
    assert here(copy, "evaluate") == 0
    metrics = json.loads((copy / "results" / "metrics.json").read_text())
    assert set(metrics["models"]) == MODELS - {"bilstm"}
    assert [path.name for path in (copy / "results" / "models").iterdir()] == ["bilstm_attention-1"]


def test_bad_input_leaves_the_earlier_outputs(project):
    """A file that can't be read: an error, exit code not 0, and data/raw as it was."""
    before = {path.name: path.read_bytes() for path in (project / "data" / "raw").iterdir()}
    change(project, {"datasets.demo.source": {"kind": "files", "path": "no/such.csv"}})
    ended = dvc(project, "repro", "download", check=False)
    run(project, "git", "restore", "params.yaml")
    assert ended.returncode != 0
    assert "no/such.csv" in ended.stdout + ended.stderr
    assert {path.name: path.read_bytes() for path in (project / "data" / "raw").iterdir()} == before


def test_in_an_unpacked_archive_dvc_works_without_git(tmp_path):
    """`repro` tells DVC locally that there is no git."""
    copy_project(tmp_path)
    # It fails, since there are no results to show after it.
    (tmp_path / "dvc.yaml").write_text("stages:\n  none:\n    cmd: echo ran && exit 1\n")
    failed = pipeline(tmp_path, "repro", check=False, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert "\nran\n" in failed.stdout
    assert "no_scm" in (tmp_path / ".dvc" / "config.local").read_text()


KILLS = int(os.environ.get("KILLS", "3"))  # `make kills` asks for more
SEED = int(os.environ.get("KILLS_SEED", "1"))
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)  # in turn


@pytest.mark.timeout(7200)
def test_a_run_that_is_killed_ends_with_the_same_bytes(finished, tmp_path):
    """As one that ran through elsewhere, in any stage, by any signal; MLflow has each run once.

    The stages that are not killed come from the cache of that one.
    """
    whole, lasted, expected, tracked = finished
    moments = random.Random(SEED)
    left, round_ = KILLS, 0
    while left:
        round_ += 1
        project = new_project(tmp_path / f"killed {round_}")
        copy_compiled(whole / "pipeline", project / "pipeline")
        chosen = set(moments.sample(list(lasted), min(left, len(lasted))))
        kills.share_cache(whole, project, but={*chosen, "track"})
        for stage in (stage for stage in lasted if stage in chosen):
            sent = SIGNALS[left % len(SIGNALS)]
            left -= kills.killed(project, stage, moments.uniform(0, lasted[stage]), sent)
            # Python's own start, and DVC's, answer Ctrl-C with one.
            told = (project / "repro.log").read_text()
            assert sent == signal.SIGINT or "Traceback" not in told, told
        pipeline(project, "repro")
        found = kills.files(project)
        assert found.keys() == expected.keys()
        assert [path for path in expected if found[path] != expected[path]] == []
        assert kills.recorded(project) == tracked
