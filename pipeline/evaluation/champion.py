"""Which model is picked: by validation, never by test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.calibration import negative_log_likelihood
from pipeline.evaluation.results import ModelResult, aggregate, scores


def choose_champion(results: Sequence[ModelResult], task: Task) -> dict[str, Any]:
    """The trained model with the least mean loss on validation, and its best seed there.

    By loss, because accuracy counts rows: two models tie easily, and rounding breaks the tie.
    The reference takes no part unless nothing else is there: it is what the champion is
    measured against. Among equals, the one that is listed first is taken.
    """
    candidates = [result for result in results if not result.deterministic] or list(results)
    # <float64>[fits] for each model
    losses = {
        result.name: np.array([_loss(fit, task) for fit in result.validation])
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


def _loss(fit: Predictions, task: Task) -> float:
    if task == "regression":
        return float(scores([fit], task).mean())
    return negative_log_likelihood(fit.outputs, fit.targets)
