"""The numbers behind the plots: small tables in long form, a row per model and point.

`dvc plots` reads them as CSV, `evaluation.plots` draws them. Curves are taken at fixed places
and averaged over the fits; `low` and `high` are the fits' extremes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.results import ModelResult

Curve = Callable[[NDArray[np.bool_], NDArray[np.float32]], NDArray[np.float64]]

# What dvc.yaml draws. An empty file stands for a table that a task has no data for: DVC draws
# nothing then, and of a missing file it warns.
CHARTED = ("learning_curves", "roc", "precision_recall", "confusion", "predicted", "errors")

_PLACES = np.linspace(0, 1, 101)  # where a curve is read off
_POINTS = 500  # rows shown of a regression
_ERROR_BINS = 41


def plot_tables(
    results: Sequence[ModelResult],
    histories: Mapping[tuple[str, int], pd.DataFrame],
    comparison: Mapping[str, Any],
    *,
    task: Task,
    classes: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """Every table by its name; one that this task or dataset has no data for is left out.

    Args:
        results: what is compared.
        histories: of each (model, seed), its `history.csv`.
        comparison: what `comparison_document` returned.
        task: decides which tables there are.
        classes: their names.
    """
    tables = {"learning_curves": learning_curves(histories), "differences": differences(comparison)}
    if task == "regression":
        tables["predicted"] = predicted(results)
        tables["errors"] = errors(results)
    else:
        tables["roc"] = averaged(results, task, _roc, x="fpr", y="tpr")
        tables["precision_recall"] = averaged(
            results, task, _precision_recall, x="recall", y="precision"
        )
        tables["confusion"] = confusion(results, classes)
        tables["reliability"] = reliability(comparison)
        tables["accuracy_by_length"] = by_group(comparison["by_length"])
        tables["accuracy_by_position"] = by_group(comparison["by_position"])
    return {name: table for name, table in tables.items() if len(table)}


def fit_tables(
    fit: ModelResult, history: pd.DataFrame | None, *, task: Task, classes: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """The tables of what is drawn of one fit by itself.

    Args:
        fit: a model with one fit.
        history: its `history.csv`; None of a reference.
        task: decides which tables there are.
        classes: their names.
    """
    histories = {} if history is None else {(fit.name, seed): history for seed in fit.seeds}
    tables = {"learning_curves": learning_curves(histories)}
    if task == "regression":
        tables |= {"predicted": predicted([fit]), "errors": errors([fit])}
    else:
        tables["roc"] = averaged([fit], task, _roc, x="fpr", y="tpr")
        tables["confusion"] = confusion([fit], classes)
    return {name: table for name, table in tables.items() if len(table)}


def to_csv(table: pd.DataFrame) -> str:
    """A table as CSV whose bytes depend on its values alone."""
    text: str = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text


# ── classification ───────────────────────────────────────────────────────────────────────


def averaged(
    results: Sequence[ModelResult], task: Task, curve: Curve, *, x: str, y: str
) -> pd.DataFrame:
    """A curve of each model: of class 1, or for more classes the mean of each against the rest."""
    parts = []
    for result in results:
        curves = [_curve(fit, task, curve) for fit in result.test]
        if any(one is None for one in curves):
            continue  # a single class in test has no such curve
        values = np.stack([one for one in curves if one is not None])  # <float64>[fits, places]
        parts.append(
            pd.DataFrame(
                {
                    "model": result.name,
                    x: _PLACES,
                    y: values.mean(axis=0),
                    "low": values.min(axis=0),
                    "high": values.max(axis=0),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _curve(fit: Predictions, task: Task, curve: Curve) -> NDArray[np.float64] | None:
    numbers = [1] if task == "binary" else range(fit.outputs.shape[1])
    of_class = [(fit.targets == number, fit.outputs[:, number]) for number in numbers]
    curves = [curve(true, score) for true, score in of_class if 0 < true.sum() < len(true)]
    return np.mean(curves, axis=0) if curves else None


def _roc(true: NDArray[np.bool_], score: NDArray[np.float32]) -> NDArray[np.float64]:
    false_positives, true_positives, _ = roc_curve(true, score)
    return _at_places(false_positives, true_positives)


def _precision_recall(true: NDArray[np.bool_], score: NDArray[np.float32]) -> NDArray[np.float64]:
    precision, recall, _ = precision_recall_curve(true, score)
    return _at_places(recall[::-1], precision[::-1])


def _at_places(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.interp(_PLACES, x, y), np.float64)


def confusion(results: Sequence[ModelResult], classes: Sequence[str]) -> pd.DataFrame:
    """Rows by actual and predicted class, the mean over the fits, and their share of the class."""
    numbers = np.arange(len(classes))
    parts = []
    for result in results:
        counts = np.mean(
            [confusion_matrix(fit.targets, fit.labels, labels=numbers) for fit in result.test],
            axis=0,
        )  # <float64>[actual, predicted]
        totals = counts.sum(axis=1, keepdims=True)
        parts.append(
            pd.DataFrame(
                {
                    "model": result.name,
                    "actual": np.repeat(classes, len(classes)),
                    "predicted": np.tile(classes, len(classes)),
                    "rows": counts.ravel(),
                    "share": (counts / np.maximum(totals, 1)).ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def reliability(comparison: Mapping[str, Any]) -> pd.DataFrame:
    """The bins of every model's reliability diagram, before and after temperature scaling."""
    return pd.DataFrame(
        [
            {"model": model, "state": state, **bin_}
            for model, described in comparison["calibration"].items()
            for state, bins in described["reliability"].items()
            for bin_ in bins
        ]
    )


def by_group(described: Mapping[str, Any] | None) -> pd.DataFrame:
    """Accuracy of every model in every group of rows (by length, or by place of the evidence)."""
    if described is None:
        return pd.DataFrame()
    return pd.DataFrame(
        [
            {
                "model": model,
                "from": group["low"],
                "to": group["high"],
                "rows": group["rows"],
                **accuracy,
            }
            for model, accuracies in described["models"].items()
            for group, accuracy in zip(described["bins"], accuracies, strict=True)
        ]
    )


# ── every task ───────────────────────────────────────────────────────────────────────────


def learning_curves(histories: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """All histories in one table."""
    parts = [history.assign(model=model, seed=seed) for (model, seed), history in histories.items()]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table[["model", "seed", *(c for c in table.columns if c not in {"model", "seed"})]]


def differences(comparison: Mapping[str, Any]) -> pd.DataFrame:
    """Every pair's difference on test with its interval and verdict."""
    columns = ["first", "second", "difference", "low", "high", "verdict"]
    return pd.DataFrame([{c: pair[c] for c in columns} for pair in comparison["pairs"]])


# ── regression ───────────────────────────────────────────────────────────────────────────


def predicted(results: Sequence[ModelResult]) -> pd.DataFrame:
    """Actual and predicted values of evenly spaced test rows, the mean over the fits."""
    rows = len(results[0].test[0])
    shown = np.unique(np.linspace(0, rows - 1, min(rows, _POINTS)).astype(np.int64))
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "model": result.name,
                    "row": result.test[0].rows[shown],
                    "actual": result.test[0].targets[shown],
                    "predicted": result.mean_outputs()[shown],
                }
            )
            for result in results
        ],
        ignore_index=True,
    )


def errors(results: Sequence[ModelResult]) -> pd.DataFrame:
    """How the errors (predicted less actual) are distributed: shares of the rows, all fits.

    Errors beyond the outermost bins, which hold 99 % of all, are counted in them.
    """
    found = {
        result.name: np.concatenate([fit.outputs - fit.targets for fit in result.test])
        for result in results
    }
    reach = float(np.quantile(np.abs(np.concatenate(list(found.values()))), 0.99)) or 1.0
    edges = np.linspace(-reach, reach, _ERROR_BINS + 1)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "model": model,
                    "error": (edges[:-1] + edges[1:]) / 2,
                    "share": np.histogram(np.clip(error, -reach, reach), edges)[0] / len(error),
                }
            )
            for model, error in found.items()
        ],
        ignore_index=True,
    )
