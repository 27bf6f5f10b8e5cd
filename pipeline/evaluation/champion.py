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
    measured against. Ties go to the model that is listed first.
    """
    candidates = [result for result in results if not result.deterministic] or list(results)
    # <float64>[runs] for each model
    losses = {
        result.name: np.array([_loss(run, task) for run in result.validation])
        for result in candidates
    }
    best = min(candidates, key=lambda result: float(losses[result.name].mean()))
    best_fit = int(np.argmin(losses[best.name]))
    return {
        "model": best.name,
        "seed": best.seed_names[best_fit],
        "chosen_by": f"mean validation {'mse' if task == 'regression' else 'log_loss'}",
        "validation": aggregate(losses[best.name].tolist()),
        "candidates": {name: aggregate(values.tolist()) for name, values in losses.items()},
    }


def _loss(run: Predictions, task: Task) -> float:
    if task == "regression":
        return float(scores([run], task).mean())
    return negative_log_likelihood(run.outputs, run.targets)
