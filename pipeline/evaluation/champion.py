"""Which model is picked: by validation, never by test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.artifacts import Predictions
from pipeline.evaluation.arms import Arm, Task, aggregate, scores
from pipeline.evaluation.calibration import negative_log_likelihood


def choose_champion(arms: Sequence[Arm], task: Task) -> dict[str, Any]:
    """The trained model with the least mean loss on validation, and its best seed there.

    By loss, because accuracy counts rows: two models tie easily, and rounding breaks the tie.
    The reference takes no part unless nothing else is there: it is what the champion is
    measured against. Among equals, the one that is listed first is taken.
    """
    candidates = [arm for arm in arms if not arm.deterministic] or list(arms)
    # <float64>[fits] for each model
    losses = {
        arm.name: np.array([_loss(fit, task) for fit in arm.validation]) for arm in candidates
    }
    best = min(candidates, key=lambda arm: float(losses[arm.name].mean()))
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
