"""The numbers behind the plots: small tables in long form, a row per model and point.

`dvc plots` reads them as CSV, `evaluation.plots` draws them. Curves are taken at fixed places
and averaged over the runs; `low` and `high` are the runs' extremes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from pipeline.core.files import no_formula
from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.results import ModelResult

Curve = Callable[[NDArray[np.bool_], NDArray[np.float32]], NDArray[np.float64]]

# What dvc.yaml draws. A table that the task has no data for is an empty file: DVC then draws
# nothing, while it warns about a missing one.
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
    """Every table by name, except those that this task or dataset has no data for.

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


def run_tables(
    run: ModelResult, history: pd.DataFrame | None, *, task: Task, classes: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """The tables that are drawn of a single run.

    Args:
        run: a model with that run only.
        history: its `history.csv`; None for a baseline.
        task: decides which tables there are.
        classes: their names.
    """
    histories = {} if history is None else {(run.name, seed): history for seed in run.seeds}
    tables = {"learning_curves": learning_curves(histories)}
    if task == "regression":
        tables |= {"predicted": predicted([run]), "errors": errors([run])}
    else:
        tables["roc"] = averaged([run], task, _roc, x="fpr", y="tpr")
        tables["confusion"] = confusion([run], classes)
    return {name: table for name, table in tables.items() if len(table)}


def to_csv(table: pd.DataFrame) -> str:
    """A table as CSV whose bytes depend only on its values."""
    text: str = table.map(no_formula).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text


# ── classification ───────────────────────────────────────────────────────────────────────


def averaged(
    results: Sequence[ModelResult], task: Task, curve: Curve, *, x: str, y: str
) -> pd.DataFrame:
    """Each model's curve: of class 1, or with more classes the mean of each against the rest."""
    parts = []
    for result in results:
        curves = [_curve(run, task, curve) for run in result.test]
        if any(one is None for one in curves):
            continue  # there is no such curve if test has a single class
        values = np.stack([one for one in curves if one is not None])  # <float64>[runs, places]
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


def _curve(run: Predictions, task: Task, curve: Curve) -> NDArray[np.float64] | None:
    numbers = [1] if task == "binary" else range(run.outputs.shape[1])
    of_class = [(run.targets == number, run.outputs[:, number]) for number in numbers]
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
    """Rows by actual and predicted class, averaged over the runs, and their share of the class."""
    numbers = np.arange(len(classes))
    parts = []
    for result in results:
        counts = np.mean(
            [confusion_matrix(run.targets, run.labels, labels=numbers) for run in result.test],
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
    """Every model's accuracy in every group of rows (by length or position of the evidence)."""
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
    """Actual and predicted values of evenly spaced test rows, averaged over the runs."""
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
    """How the errors (predicted minus actual) are distributed: shares of the rows, all runs.

    The bins span 99 % of the errors; those beyond are counted in the outermost bins.
    """
    found = {
        result.name: np.concatenate([run.outputs - run.targets for run in result.test])
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
