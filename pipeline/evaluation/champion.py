"""Which model is picked: by validation, never by test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.arms import Arm, Task, aggregate, scores


def choose_champion(arms: Sequence[Arm], task: Task) -> dict[str, Any]:
    """The trained model with the best mean on validation, and its best seed there.

    The reference takes no part unless nothing else is there: it is what the champion is
    measured against. Of equals, the one that is listed first is taken.
    """
    metric, sign = ("mse", -1.0) if task == "regression" else ("accuracy", 1.0)
    candidates = [arm for arm in arms if not arm.deterministic] or list(arms)
    # per_fit: <float64>[fits], its mean score on validation.
    per_fit = {arm.name: scores(arm.validation, task).mean(axis=1) for arm in candidates}
    best = max(candidates, key=lambda arm: sign * per_fit[arm.name].mean())
    best_fit = int(np.argmax(sign * per_fit[best.name]))
    return {
        "model": best.name,
        "seed": best.seed_names[best_fit],
        "chosen_by": f"mean validation {metric}",
        "validation": aggregate(per_fit[best.name].tolist()),
        "candidates": {name: aggregate(values.tolist()) for name, values in per_fit.items()},
    }
