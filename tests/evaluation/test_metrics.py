import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.core.predictions import Predictions
from pipeline.errors import ArtifactError
from pipeline.evaluation.metrics import measure, metrics_document, per_class, rounded
from pipeline.evaluation.results import ModelResult, aggregate, check_same_rows, scores
from tests.support.model_results import regressor, result


def predictions(targets, outputs):
    """Predictions on rows 0, 1, …"""
    targets = np.asarray(targets)
    return Predictions(np.arange(len(targets)), targets, np.asarray(outputs, np.float32))


def of_second(*second):
    """Binary outputs from the probabilities of class 1."""
    return np.stack([1 - np.array(second), second], axis=1)


def test_binary_metrics_by_hand():
    """Four rows, one of them wrong: every figure worked out on paper."""
    measured = measure(predictions([0, 1, 1, 0], of_second(0.2, 0.9, 0.4, 0.3)), "binary")
    assert measured["accuracy"] == 0.75
    # One true positive, no false one, one missed: 2 · 1 / (2 · 1 + 0 + 1).
    assert measured["f1"] == pytest.approx(2 / 3)
    # All of the four (positive, negative) pairs are in order.
    assert measured["roc_auc"] == 1.0
    assert measured["log_loss"] == pytest.approx(-np.log([0.8, 0.9, 0.4, 0.7]).mean(), abs=1e-6)
    # Confidences .8, .9, .6 and .7 lie in four bins: (.2 + .1 + .6 + .3) / 4.
    assert measured["ece"] == pytest.approx(0.3, abs=1e-6)


def test_multiclass_metrics_by_hand():
    """Macro F1 is the plain mean over classes; the ROC area is scikit-learn's one-vs-rest."""
    outputs = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4]]
    targets = [0, 1, 2, 2]
    measured = measure(predictions(targets, outputs), "multiclass")
    assert measured["accuracy"] == 0.75
    assert measured["f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert measured["roc_auc"] == pytest.approx(roc_auc_score(targets, outputs, multi_class="ovr"))


def test_roc_area_of_what_has_one():
    """A class without rows has no curve; with a single class there is no area at all."""
    outputs = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]]
    assert measure(predictions([0, 1, 1], outputs), "multiclass")["roc_auc"] == 1.0
    assert measure(predictions([1, 1], of_second(0.2, 0.9)), "binary")["roc_auc"] is None


def test_a_saturated_probability_has_a_finite_log_loss():
    """A float32 sigmoid reaches 0 and 1; being wholly wrong costs much, not infinitely much."""
    measured = measure(predictions([0, 1], of_second(1.0, 1.0)), "binary")
    assert measured["log_loss"] == pytest.approx(-np.log(1e-7) / 2)


def test_regression_metrics_by_hand():
    """Errors of 1, -1 and 2 on targets of variance 2 / 3."""
    measured = measure(
        Predictions(np.arange(3), np.array([1, 2, 3], "f4"), np.array([2, 1, 5], "f4")),
        "regression",
    )
    assert measured == {
        "mae": pytest.approx(4 / 3),
        "rmse": pytest.approx(2**0.5),
        "mse": pytest.approx(2.0),
        "r2": pytest.approx(1 - 6 / 2),
    }


def test_scores_are_per_run_and_row():
    """Right or wrong for classes, the squared error for numbers."""
    run = predictions([0, 1], of_second(0.2, 0.3))
    assert scores([run, run], "binary").tolist() == [[1, 0], [1, 0]]
    number = Predictions(np.arange(2), np.array([1, 2], "f4"), np.array([1, 5], "f4"))
    assert scores([number], "regression").tolist() == [[0, 9]]


def test_aggregate_has_the_sample_standard_deviation():
    """n - 1 in the denominator; one run has a mean and no spread; undefined values don't count."""
    assert aggregate([1.0, 2.0, 4.0]) == {
        "mean": pytest.approx(7 / 3),
        "sd": pytest.approx((14 / 6) ** 0.5),
    }
    assert aggregate([0.5]) == {"mean": 0.5, "sd": None}
    assert aggregate([None, 0.5]) == {"mean": 0.5, "sd": None}
    assert aggregate([None]) == {"mean": None, "sd": None}


def test_per_class_table_by_hand():
    """Class b: both of its rows found, and one of a's taken for it."""
    run = predictions([0, 0, 1, 1], of_second(0.1, 0.9, 0.8, 0.7))
    of_a, of_b = per_class(ModelResult("m", (1,), 1, (run,), (run,)), ["a", "b"])
    assert of_a == {"class": "a", "rows": 2, "precision": 1, "recall": 0.5, "f1": 2 / 3}
    assert of_b == {"class": "b", "rows": 2, "precision": 2 / 3, "recall": 1, "f1": 0.8}


def test_metrics_document_has_the_promised_shape():
    """Dataset, then per model seeds, parameters and both splits with mean and sd."""
    results = [result("bilstm", 0.8, parameters=42), result("tfidf", 0.7, seeds=())]
    document = metrics_document(results, dataset="demo", task="binary")
    assert document["dataset"] == "demo"
    assert list(document["models"]) == ["bilstm", "tfidf"]
    bilstm = document["models"]["bilstm"]
    assert list(bilstm) == ["seeds", "parameters", "validation", "test", "ensemble"]
    assert (bilstm["seeds"], bilstm["parameters"]) == (3, 42)
    assert list(bilstm["test"]) == ["accuracy", "f1", "roc_auc", "log_loss", "ece"]
    accuracies = [np.mean(run.labels == run.targets) for run in results[0].test]
    assert bilstm["test"]["accuracy"] == {
        "mean": round(np.mean(accuracies), 6),
        "sd": round(np.std(accuracies, ddof=1), 6),
    }
    assert document["models"]["tfidf"]["seeds"] == 1
    assert document["models"]["tfidf"]["test"]["f1"]["sd"] is None
    assert document["models"]["tfidf"]["ensemble"] is None
    json.dumps(document, allow_nan=False)


def test_an_ensemble_averages_the_outputs_of_all_runs():
    """Three runs: of the third row two are wrong, but the one that is right is surer."""
    runs = [
        predictions([0, 1, 1], of_second(*probabilities))
        for probabilities in ([0.1, 0.9, 0.4], [0.6, 0.8, 0.4], [0.1, 0.7, 0.9])
    ]
    model = ModelResult("m", (1, 2, 3), 10, tuple(runs[:1] * 3), tuple(runs))
    figures = metrics_document([model], dataset="demo", task="binary")["models"]["m"]["ensemble"]
    assert figures["parameters"] == 30
    assert figures["test"]["accuracy"] == {"mean": 1.0, "sd": None}
    assert figures["validation"]["accuracy"] == {"mean": 0.666667, "sd": None}
    assert model.split_by_seed()[0].ensemble() is None


def test_metrics_document_of_a_regression():
    """Numbers have errors instead of accuracies."""
    document = metrics_document([regressor("m", 0.1)], dataset="ett", task="regression")
    assert list(document["models"]["m"]["test"]) == ["mae", "rmse", "mse", "r2"]


def test_rounded_is_ready_for_json():
    """Six digits, three significant ones of what they would make zero, and no NaN."""
    document = {"a": np.float64(0.12345678), "b": [np.int64(3), float("nan")], 5: (1.23456e-9,)}
    assert rounded(document) == {"a": 0.123457, "b": [3, None], "5": [1.23e-9]}
    assert json.dumps(rounded([0.0, -0.0, np.array([True])])) == "[0.0, 0.0, [true]]"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_results_of_other_rows_are_refused(split):
    """A paired comparison of different rows would be meaningless; the error names the model."""
    good = result("bilstm", 0.8)
    runs = {"validation": good.validation, "test": good.test}
    last = runs[split][-1]
    runs[split] = (*runs[split][:-1], Predictions(last.rows + 1, last.targets, last.outputs))
    other = ModelResult("other", good.seeds, 1, **runs)
    check_same_rows([good, good])
    with pytest.raises(ArtifactError, match=f"{split} predictions of other with seed 3"):
        check_same_rows([good, other])
