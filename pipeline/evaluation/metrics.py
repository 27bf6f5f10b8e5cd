"""The metrics of each run, their mean and spread over seeds, and `metrics.json`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.calibration import expected_calibration_error, negative_log_likelihood
from pipeline.evaluation.results import DIGITS, ModelResult, aggregate


def measure(predictions: Predictions, task: Task) -> dict[str, float | None]:
    """One run's metrics on one split, in the task's own terms."""
    return _regression(predictions) if task == "regression" else _classification(predictions, task)


def _classification(predictions: Predictions, task: Task) -> dict[str, float | None]:
    """accuracy, f1 (of class 1; macro when multi-class), roc_auc, log_loss, ece."""
    targets, outputs, labels = predictions.targets, predictions.outputs, predictions.labels
    average = "binary" if task == "binary" else "macro"
    return {
        "accuracy": float(np.mean(labels == targets)),
        "f1": float(sklearn_metrics.f1_score(targets, labels, average=average, zero_division=0)),
        "roc_auc": _roc_auc(targets, outputs, task),
        "log_loss": negative_log_likelihood(outputs, targets),
        "ece": expected_calibration_error(outputs, targets),
    }


def _roc_auc(targets: NDArray[np.int64], outputs: NDArray[np.float32], task: Task) -> float | None:
    """Of class 1; multi-class: the mean of each class against the rest (one-vs-rest).

    A class with no rows, or with all of them, has no curve; None if no class has one.
    """
    classes = [1] if task == "binary" else range(outputs.shape[1])
    areas = [
        sklearn_metrics.roc_auc_score(targets == number, outputs[:, number])
        for number in classes
        if 0 < np.count_nonzero(targets == number) < len(targets)
    ]
    return float(np.mean(areas)) if areas else None


def _regression(predictions: Predictions) -> dict[str, float | None]:
    targets = predictions.targets.astype(np.float64)
    outputs = predictions.outputs.astype(np.float64)
    mse = float(sklearn_metrics.mean_squared_error(targets, outputs))
    return {
        "mae": float(sklearn_metrics.mean_absolute_error(targets, outputs)),
        "rmse": mse**0.5,
        "mse": mse,
        "r2": float(sklearn_metrics.r2_score(targets, outputs)),
    }


def per_class(result: ModelResult, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class on test, their mean over the runs, and its rows."""
    numbers = np.arange(len(classes))
    tables = np.array(
        [
            sklearn_metrics.precision_recall_fscore_support(
                run.targets, run.labels, labels=numbers, zero_division=0
            )
            for run in result.test
        ]
    )  # <float64>[runs, 4, classes]
    precision, recall, f1, rows = tables.mean(axis=0)
    return [
        {
            "class": name,
            "rows": int(rows[number]),
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
        }
        for number, name in enumerate(classes)
    ]


def summarize(runs: Sequence[Predictions], task: Task) -> dict[str, dict[str, float | None]]:
    """Mean and spread of every metric over runs on one split."""
    measured = [measure(run, task) for run in runs]
    return {name: aggregate([run[name] for run in measured]) for name in measured[0]}


def measure_ensemble(result: ModelResult, task: Task) -> dict[str, Any] | None:
    """What all runs reach together, by split; None if there is only one run."""
    ensemble = result.ensemble()
    if ensemble is None:
        return None
    return {
        "parameters": ensemble.parameters,
        "validation": summarize(ensemble.validation, task),
        "test": summarize(ensemble.test, task),
    }


def metrics_document(results: Sequence[ModelResult], *, dataset: str, task: Task) -> dict[str, Any]:
    """The content of `results/metrics.json`."""
    document = {
        "dataset": dataset,
        "models": {
            result.name: {
                "seeds": len(result.test),
                "parameters": result.parameters,
                "validation": summarize(result.validation, task),
                "test": summarize(result.test, task),
                "ensemble": measure_ensemble(result, task),
            }
            for result in results
        },
    }
    result: dict[str, Any] = rounded(document)
    return result


def scores_document(results: Sequence[ModelResult], *, task: Task) -> dict[str, Any]:
    """The content of `results/scores.json`: one number per model, for DVC's tables."""
    metric = "mse" if task == "regression" else "accuracy"
    means = {result.name: summarize(result.test, task)[metric]["mean"] for result in results}
    document: dict[str, Any] = rounded({metric: means})
    return document


def rounded(document: Any) -> Any:
    """A document ready for JSON: floats to six digits, NaN to None, numpy's numbers to Python's.

    A value that six digits would make zero, such as a small p-value, keeps three significant
    digits.
    """
    if isinstance(document, dict):
        return {str(key): rounded(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [rounded(value) for value in document]
    if isinstance(document, np.ndarray | np.generic):
        return rounded(document.tolist())
    if isinstance(document, float):
        if not np.isfinite(document):
            return None
        # Adding zero turns a negative zero into zero.
        return (round(document, DIGITS) or float(f"{document:.2e}")) + 0.0
    return document
