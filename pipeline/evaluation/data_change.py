"""One model before and after its data changed: by how much its score moved on test."""

from collections.abc import Mapping, Sequence

from pipeline.core.predictions import Predictions, Task
from pipeline.evaluation.results import scores
from pipeline.evaluation.significance import (
    Bootstrap,
    Difference,
    paired_difference,
    unpaired_difference,
)

Runs = Mapping[str, Sequence[Predictions]]


def score_changes(
    old: Runs, new: Runs, *, task: Task, same_rows: bool, bootstrap: Bootstrap
) -> dict[str, Difference]:
    """The new score minus the old one, for every model in both.

    Args:
        old: model → predictions on test, one per run.
        new: likewise.
        task: decides the score: accuracy, or the squared error.
        same_rows: whether both predicted the same rows, which makes the interval narrower.
        bootstrap: resamples, seed, confidence.
    """
    difference = paired_difference if same_rows else unpaired_difference
    return {
        model: difference(scores(new[model], task), scores(old[model], task), bootstrap)
        for model in new
        if model in old
    }


def describe_change(model: str, difference: Difference, *, task: Task, confidence: float) -> str:
    """How a model's score changed, in one line."""
    unit, scale = ("test MSE", 1.0) if task == "regression" else ("points of test accuracy", 100.0)
    low, value, high = (
        scale * number for number in (difference.low, difference.estimate, difference.high)
    )
    return f"{model}: {value:+.3g} {unit} ({confidence:.0%} interval {low:+.3g} to {high:+.3g})"
