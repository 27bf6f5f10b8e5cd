import json
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from huggingface_hub import ModelCard

from pipeline.commands import promote
from pipeline.core.files import read_json, write_json
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.errors import TrackingError
from pipeline.evaluation.champion import validation_loss
from pipeline.evaluation.significance import Bootstrap
from pipeline.tracking import registry
from tests.support import project_results as results
from tests.support.tracked import SETTINGS, aliases, connected, finish, pack, runs_of


def test_a_dvc_experiment_promotes_nothing(workspace, monkeypatch):
    """It only tries something out: the registry stays as it is."""
    client = connected(workspace)
    client.delete_registered_model("spotlight-demo")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-idea")
    assert "unchanged, because bold-idea is a DVC experiment" in finish(workspace).champion
    assert client.search_registered_models() == []
    monkeypatch.delenv("DVC_EXP_NAME")
    assert "version 1" in finish(workspace).champion


def judged(candidate, champion, *, loss=0.4, baselines=None, trusted=None):
    """The gate's verdict."""
    return registry.judge(
        candidate,
        champion,
        task="binary",
        loss=loss,
        minimum=0.7,
        baselines=baselines,
        bootstrap=Bootstrap(0.95, resamples=200, seed=0),
        trusted=trusted,
    )


@pytest.mark.parametrize(
    ("level", "required", "passed"),
    [
        ("supported", "supported", True),
        ("supported", "partly supported", True),
        ("partly supported", "supported", False),
        ("not supported", "partly supported", False),
        ("the weights say nothing: they are even", "partly supported", False),
    ],
)
def test_the_gate_can_ask_for_weights_that_can_be_believed(level, required, passed):
    """The reason names the level, and the parameter that asks for more."""
    asked = registry.trusted({"average": {"level": level}}, required)
    found = judged(results.predictions(100, 0.8, 1), None, trusted=asked)
    assert found.passed is passed
    assert level in found.reason
    assert ("registry.require_trust" in found.reason) is not passed


def test_the_gate_asks_nothing_of_weights_that_are_not_there():
    """By default it never does; a model without attention has none. Untested ones are refused."""
    assert registry.trusted(None, None) is None
    assert registry.trusted({"average": None}, "supported") is None
    assert "was not tested" in registry.trusted(None, "supported").reason


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
    assert "−5.0 points" in refused.reason


def test_predictions_of_other_rows_are_not_compared():
    """After another split only the minimum decides."""
    assert judged(results.predictions(100, 0.75, 1), results.predictions(90, 0.99, 1)).passed


def forecast(error, shift=0.0):
    """Predictions of a number that err by that much in the mean square."""
    rng = np.random.default_rng(0)
    targets = rng.normal(size=400).astype("f4") + np.float32(shift)
    noise = rng.choice([-1, 1], 400) * error**0.5
    return Predictions(np.arange(400), targets, (targets + noise).astype("f4"))


def judged_forecast(error, champion=None):
    """The gate's verdict on a regression, whose best naive forecast has a squared error of 0.09."""
    return registry.judge(
        forecast(error),
        champion,
        task="regression",
        loss=error,
        minimum=0.7,
        baselines={"mean": forecast(1.0), "last_value": forecast(0.09)},
        bootstrap=Bootstrap(0.95, resamples=200, seed=0, block=5),
    )


def test_a_regression_must_beat_the_best_naive_forecast():
    """By validation MSE: an accuracy it has none."""
    passed, refused = judged_forecast(0.08), judged_forecast(0.1)
    assert passed.passed
    assert "0.08 is below the best baseline's, last_value: 0.09" in passed.reason
    assert not refused.passed
    assert "MSE 0.1 is not below" in refused.reason


def test_a_regression_must_be_better_than_the_champion():
    """Lower is better there; predictions of other targets, as of another horizon, don't count."""
    refused = judged_forecast(0.08, forecast(0.02))
    assert not refused.passed
    assert "+0.06 validation MSE" in refused.reason
    assert judged_forecast(0.02, forecast(0.08)).passed
    assert judged_forecast(0.08, forecast(0.02, shift=1.0)).passed


def test_a_classifier_must_beat_the_best_baseline():
    """By the mean validation log loss that it was chosen by; both conditions are named."""
    candidate = results.predictions(100, 0.8, 1)
    baselines = {"weak": results.predictions(100, 0.6, 0), "strong": results.predictions(100, 1, 0)}
    best = validation_loss(baselines["strong"], "binary")
    passed = judged(candidate, None, loss=best - 0.01, baselines=baselines)
    assert passed.passed
    assert (
        "80.0% is at least the minimum of 70.0% and its mean validation log loss" in passed.reason
    )
    refused = judged(candidate, None, loss=best, baselines=baselines)
    assert not refused.passed
    assert refused.reason.startswith(f"its mean validation log loss {best:.4g} is not below")
    assert "strong" in refused.reason
    assert "registry.require_baseline" in refused.reason
    assert judged(candidate, None, loss=best, baselines=None).passed


def test_a_diverged_model_does_not_become_champion(workspace):
    """Its loss is no number, and `comparison.json` has none for it."""
    results.write(workspace.root, SETTINGS, code="2")
    document = read_json(workspace.comparison)
    document["champion"]["validation"]["mean"] = None
    write_json(workspace.comparison, document)
    assert "mean validation log loss nan is not below" in finish(workspace).champion


def test_a_baseline_of_other_rows_beats_nothing_and_is_beaten_by_nothing():
    """There is nothing to compare with, so the gate stays closed."""
    other = {"strong": results.predictions(90, 1, 0)}
    refused = judged(results.predictions(100, 0.8, 1), None, baselines=other)
    assert not refused.passed
    assert "no baseline of its validation rows" in refused.reason


def test_the_best_by_validation_is_registered_with_its_card(tracked):
    """The version's page says what a user should know."""
    workspace, summary = tracked
    assert "spotlight-demo version 1, bilstm_attention-1" in summary.champion
    assert aliases(workspace) == {"champion": 1}
    gate = runs_of(workspace)["bilstm_attention-1"].data.tags["gate"]
    assert gate.startswith("passed: its validation accuracy 90.0%")
    card = connected(workspace).get_model_version("spotlight-demo", "1").description
    for expected in (
        "0123456789abcdef0123456789abcdef.dir",
        "| accuracy | 0.9000 ± 0.0000 |",
        "Limits",
        "Intended use",
        "- As the reason for one prediction: No: other weights would have done.",
    ):
        assert expected in card


def test_the_card_is_beside_the_model_as_the_hub_reads_it(tracked):
    """With a head that its own library accepts: task, data, and this version's test metrics."""
    workspace, _ = tracked
    client, run = connected(workspace), runs_of(workspace)["bilstm_attention-1"]
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    folder = Path(url2pathname(urlsplit(model.artifact_location).path))
    card = ModelCard.load(folder / "README.md")
    assert card.text.strip() == client.get_model_version("spotlight-demo", "1").description.strip()
    assert card.data.pipeline_tag == "text-classification"
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found["accuracy"].metric_value == pytest.approx(run.data.metrics["test/accuracy"])
    assert found["accuracy"].dataset_name == "demo"
    assert found["accuracy"].dataset_split == "test"


def test_the_run_tells_what_its_model_is_registered_as(tracked):
    """MLflow's page of the run shows it."""
    workspace, _ = tracked
    client, run = connected(workspace), runs_of(workspace)["bilstm_attention-1"]
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert json.loads(model.tags["mlflow.modelVersions"]) == [
        {"name": "spotlight-demo", "version": 1}
    ]


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
    assert "rests on 1 seed(s), the current champion on 2" in finish(workspace, fewer).champion
    assert aliases(workspace) == {"champion": 1}


@pytest.mark.parametrize(
    ("accuracy", "why"),
    [(0.3, "below the minimum"), (0.72, "not below the best baseline's"), (0.88, "not better")],
)
def test_what_the_gate_refuses_is_not_registered(workspace, accuracy, why):
    """The champion stays, and the reason is said, in MLflow too."""
    results.write(workspace.root, SETTINGS, accuracy={"bilstm_attention": accuracy}, code="2")
    said = finish(workspace).champion
    assert why in said
    assert "version 1 stays" in said
    gates = [run.data.tags.get("gate", "") for run in runs_of(workspace).values()]
    (refused,) = (gate for gate in gates if gate.startswith("refused: "))
    assert why in refused
    assert aliases(workspace) == {"champion": 1}
    assert len(connected(workspace).search_model_versions("name = 'spotlight-demo'")) == 1


def test_no_test_row_takes_part_in_the_gate(workspace):
    """Its decision and its words are the same with every test prediction wrong."""
    results.write(workspace.root, SETTINGS, accuracy={"bilstm_attention": 1.0}, code="2")
    for seed in SETTINGS.seeds:
        path = workspace.model("bilstm_attention", seed) / "test.parquet"
        write_predictions(path, results.predictions(60, 0.0, seed))
    assert "version 2" in finish(workspace).champion


def test_the_command_fails_where_nothing_is_promoted(workspace, monkeypatch, capsys):
    """A script that goes on to serve the new champion must not serve the old one."""
    monkeypatch.setattr("pipeline.core.params.load_params", lambda _: SETTINGS)
    monkeypatch.setattr("pipeline.serving.model.pack", pack)
    promote.run(workspace)
    assert "version 1, bilstm_attention-1, as before" in capsys.readouterr().out
    results.write(workspace.root, SETTINGS, accuracy={"bilstm_attention": 0.3}, code="2")
    with pytest.raises(TrackingError, match=r"version 1 stays.*below the minimum"):
        promote.run(workspace)
    workspace.comparison.unlink()
    with pytest.raises(TrackingError, match="nothing to promote"):
        promote.run(workspace)
