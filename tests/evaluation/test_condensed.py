"""The small table of predictions: what it keeps exactly, and what nearly."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.core.predictions import Predictions
from pipeline.evaluation.condensed import condense, expand
from pipeline.evaluation.metrics import summarize
from pipeline.evaluation.results import ModelResult
from tests.support.paths import PROJECT

KEPT = sorted((PROJECT / "docs" / "results").glob("*/test.parquet"))


def result(name, outputs, targets, seeds=(1, 2)):
    """A model whose runs have these outputs."""
    runs = tuple(Predictions(np.arange(len(targets)), targets, run) for run in outputs)
    return ModelResult(name, seeds, 1, runs, runs)


@pytest.mark.parametrize("classes", [2, 5])
def test_classes_stay_and_metrics_hardly_move(classes):
    """Ties and certainties included."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, size=3000)
    logits = rng.normal(size=(2, 3000, classes)) * 4
    logits[:, :300] = rng.normal(size=(2, 300, classes)) * 1e-3
    logits[:, 300:310, 1:] = 200
    outputs = np.exp(logits - logits.max(-1, keepdims=True))
    outputs = (outputs / outputs.sum(-1, keepdims=True)).astype(np.float32)
    model = result("m", outputs, targets)
    ((name, runs),) = expand(condense([model])).items()
    assert name == "m"
    for run, expected in zip(runs, model.test, strict=True):
        np.testing.assert_array_equal(run.labels, expected.labels)
        np.testing.assert_allclose(run.outputs, expected.outputs, atol=0.005)
    task = "binary" if classes == 2 else "multiclass"
    for metric, value in summarize(model.test, task).items():
        assert summarize(runs, task)[metric]["mean"] == pytest.approx(value["mean"], abs=2e-3)


def test_numbers_are_kept_as_they_are():
    """A regression's predictions have no scale that is known."""
    values = np.float32([[1.23456789, -5e8, 0]])
    model = result("m", values, np.float32([1, 2, 3]), seeds=())
    np.testing.assert_array_equal(expand(condense([model]))["m"][0].outputs, values[0])


@pytest.mark.parametrize("path", KEPT, ids=[path.parent.name for path in KEPT])
def test_the_figures_in_git_follow_from_the_predictions_in_git(path):
    """Accuracies and F1 exactly; what depends on probabilities to three digits."""
    documented = json.loads((path.parent / "metrics.json").read_text())["models"]
    task = json.loads((path.parent / "comparison.json").read_text())["task"]
    runs = expand(pq.read_table(path))
    assert runs.keys() == documented.keys()
    for model, about in documented.items():
        for metric, value in summarize(runs[model], task).items():
            near = 1e-6 if metric in {"accuracy", "f1", "mse", "mae"} else 2e-3
            assert value["mean"] == pytest.approx(about["test"][metric]["mean"], abs=near), metric
