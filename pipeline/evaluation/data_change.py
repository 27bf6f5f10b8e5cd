"""One model before and after its data changed: by how much its score moved on test."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.results import scores
from pipeline.evaluation.significance import (
    Bootstrap,
    Difference,
    paired_difference,
    unpaired_difference,
)
from pipeline.evaluation.wording import signed_difference

Runs = Mapping[str, Sequence[Predictions]]


def score_changes(
    old: Runs,
    new: Runs,
    *,
    task: Task,
    same_rows: bool,
    bootstrap: Bootstrap,
    old_groups: NDArray[np.int64] | None = None,
) -> dict[str, Difference]:
    """The new score minus the old one, for every model in both.

    Args:
        old: model → predictions on test, one per run.
        new: likewise.
        task: decides the score: accuracy, or the squared error.
        same_rows: whether both predicted the same rows, which makes the interval narrower.
        bootstrap: resamples, seed, confidence, and the groups of the new rows.
        old_groups: <int64>[n], of the old rows.
    """
    both = {
        model: (scores(new[model], task), scores(old[model], task)) for model in new if model in old
    }
    return {
        model: paired_difference(*pair, bootstrap)
        if same_rows
        else unpaired_difference(*pair, bootstrap, old_groups)
        for model, pair in both.items()
    }


def describe_change(model: str, difference: Difference, *, task: Task, confidence: float) -> str:
    """How a model's score changed, in one line."""
    regression = task == "regression"
    unit = "test MSE" if regression else "points of test accuracy"
    value, low, high = (
        signed_difference(end, regression=regression)
        for end in (difference.estimate, difference.low, difference.high)
    )
    return f"{model}: {value} {unit} ({100 * confidence:g} % interval {low} to {high})"
