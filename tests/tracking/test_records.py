import json
import shutil

import pytest

from pipeline.core.files import read_json, write_json
from pipeline.core.predictions import TFIDF
from pipeline.tracking import records
from tests.support import project_results as results
from tests.support.tracked import SETTINGS, connected, finish, history, paths, runs_of


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


def test_what_is_not_there_yet_is_left_out(tmp_path, untracked):
    """Stopped halfway, MLflow has what was finished."""
    untracked.comparison.unlink()
    shutil.rmtree(untracked.model("bilstm_attention", 2))
    assert finish(untracked).states.keys() == {"bilstm_attention", "bilstm_attention-1", TFIDF}


def test_costs_of_another_run_are_not_taken(untracked):
    """After `dvc checkout` the ignored file may be about another fingerprint."""
    path = untracked.costs("bilstm_attention", 1)
    write_json(path, {**read_json(path), "fingerprint": "another"})
    (_, first, *_) = records.collect(untracked, SETTINGS.runs)
    assert first.name == "bilstm_attention-1"
    assert not any(key.startswith("usage/") for key in first.metrics)


def test_a_run_is_named_after_experiment_model_and_seeds(tracked, monkeypatch):
    """Of two experiments in one table, each row says whose it is."""
    workspace, _ = tracked
    names = {name: run.info.run_name for name, run in runs_of(workspace).items()}
    assert names == {
        "bilstm_attention": "demo · bilstm_attention · seeds 1-2",
        "bilstm_attention-1": "demo · bilstm_attention · seed 1",
        "bilstm_attention-2": "demo · bilstm_attention · seed 2",
        TFIDF: f"demo · {TFIDF}",
        "comparison": "demo · comparison",
    }
    monkeypatch.setenv("DVC_EXP_NAME", "bold-idea")
    assert {
        record.title.split(" · ")[0] for record in records.collect(workspace, SETTINGS.runs)
    } == {"bold-idea"}


def test_the_comparison_has_its_figures_as_metrics(untracked):
    """Each model's mean, each pair's difference, interval and p; the table has attention's."""
    both = results.settings()
    results.write(untracked.root, both)
    finish(untracked, both)
    document = read_json(untracked.comparison)
    metrics = runs_of(untracked)["comparison"].data.metrics
    for name, model in document["models"].items():
        assert metrics[f"versus_accuracy/{name}"] == pytest.approx(
            model["test"]["accuracy"]["mean"]
        )
        if model["ensemble"]:
            ensemble = model["ensemble"]["test"]["accuracy"]["mean"]
            assert metrics[f"versus_ensemble_accuracy/{name}"] == pytest.approx(ensemble)
    (pair,) = (pair for pair in document["pairs"] if pair["second"] == "bilstm")
    telling = "bilstm_attention - bilstm"
    figures = {"": "difference", "_low": "low", "_high": "high", "_p": "p_value_holm"}
    for suffix, key in figures.items():
        assert metrics[f"versus{suffix}/{telling}"] == pytest.approx(pair[key])
    assert metrics["trust_level/bilstm_attention"] == 1
    assert len(metrics) == 3 + 2 + 3 * 4 + 2  # two of ensembles, and two of trust
    assert min(metrics) > "test/"  # so the charts of all runs come before those of this one
    experiment = connected(untracked).get_experiment_by_name("demo")
    table = json.loads(experiment.tags["mlflow.sharedViewState.table"])["selectedColumns"]
    for metric in ("versus_accuracy/bilstm", f"versus_low/{telling}", f"versus_p/{telling}"):
        assert f"metrics.`{metric}`" in table
    assert not any(TFIDF in column for column in table)


def test_a_run_says_what_it_learned_from_besides_train(untracked):
    """How many texts without labels, and how good a language model it started from."""
    plain = records.trained(untracked, read_json(card_of(untracked)), None)
    more = {"unlabeled_rows": 7, "held_out_perplexity": 88.5}
    write_json(card_of(untracked), {**read_json(card_of(untracked)), **more})
    run = records.trained(untracked, read_json(card_of(untracked)), None)
    assert run.params == {**plain.params, "unlabeled_rows": "7"}
    assert run.metrics == {**plain.metrics, "language_model/held_out_perplexity": 88.5}


def card_of(workspace):
    """The card of a run."""
    return workspace.model("bilstm_attention", 1) / "model.json"


def test_a_long_parameter_is_cut(untracked):
    """MLflow takes 6,000 characters, and the names of 1,200 features have more."""
    path = untracked.model("bilstm_attention", 1) / "model.json"
    write_json(path, {**read_json(path), "features": [f"feature {n}" for n in range(1200)]})
    first = next(one for one in records.collect(untracked, SETTINGS.runs) if one.name[-1] == "1")
    assert first.params["features"].startswith('["feature 0", ')
    assert len(first.params["features"]) == 1000
    assert first.params["features"].endswith("…")
