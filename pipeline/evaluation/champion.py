"""Choosing the best model: on validation, never on test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.calibration import negative_log_likelihood
from pipeline.evaluation.results import ModelResult, aggregate, scores


def choose_champion(results: Sequence[ModelResult], task: Task) -> dict[str, Any]:
    """The trained model with the lowest mean loss on validation, and its best seed there.

    By loss, because accuracy counts rows: two models tie easily, and rounding breaks the tie.
    Baselines are candidates only if there is nothing else: they are what the champion is
    measured against, by the same loss. Ties go to the model that is listed first.
    """
    baselines = [result for result in results if result.deterministic]
    candidates = [result for result in results if not result.deterministic] or baselines
    # <float64>[runs] for each model
    losses = {
        result.name: np.array([validation_loss(run, task) for run in result.validation])
        for result in [*candidates, *baselines]
    }
    best = min(candidates, key=lambda result: float(losses[result.name].mean()))
    best_fit = int(np.argmin(losses[best.name]))
    return {
        "model": best.name,
        "seed": best.seed_names[best_fit],
        "chosen_by": f"mean validation {'mse' if task == 'regression' else 'log_loss'}",
        "validation": aggregate(losses[best.name].tolist()),
        "candidates": {one.name: aggregate(losses[one.name].tolist()) for one in candidates},
        "baselines": {one.name: aggregate(losses[one.name].tolist()) for one in baselines},
    }


def validation_loss(run: Predictions, task: Task) -> float:
    """The loss that models are chosen by: log loss, or for regression the mean squared error."""
    if task == "regression":
        return float(scores([run], task).mean())
    return negative_log_likelihood(run.outputs, run.targets)
