"""What each network reaches together with a linear baseline, by the test predictions in git."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.core.predictions import Predictions
from pipeline.documentation.kept import bootstrap_of, read_runs, row_groups, says_groups
from pipeline.documentation.tables import markdown
from pipeline.evaluation.headline import model_title
from pipeline.evaluation.results import aggregate, scores
from pipeline.evaluation.significance import Difference, paired_difference
from pipeline.evaluation.wording import metric_and_sd, signed_points


class Together(NamedTuple):
    """A network alone, and with a baseline: the mean of both outputs, run by run.

    Attributes:
        dataset, model, baseline: their names.
        alone, both: mean and standard deviation of the accuracy over the network's seeds.
        gain: of the mean of both on the network alone.
    """

    dataset: str
    model: str
    baseline: str
    alone: Mapping[str, float | None]
    both: Mapping[str, float | None]
    gain: Difference


def measure(folder: Path, comparison: Mapping[str, Any]) -> Iterator[Together]:
    """Every network with the baseline of least log loss on validation; nothing without one.

    Nor is anything said where nobody knows any more which rows belong together.

    Both count alike, so that nothing is chosen on the test rows.

    Args:
        folder: a dataset's in docs/results.
        comparison: its `comparison.json`, of classes.
    """
    losses = comparison["champion"]["baselines"]
    if not losses or not says_groups(folder):
        return
    baseline = min(losses, key=lambda name: losses[name]["mean"])
    runs = {model: list(seeds.values()) for model, seeds in read_runs(folder).items()}
    bootstrap = bootstrap_of(comparison["method"], row_groups(folder, len(runs[baseline][0])))
    for model, alone in runs.items():
        if comparison["models"][model]["deterministic"]:
            continue
        both = [_mean(run, runs[baseline][0]) for run in alone]
        right, right_of_both = (scores(some, comparison["task"]) for some in (alone, both))
        yield Together(
            comparison["dataset"],
            model,
            baseline,
            aggregate(right.mean(axis=1).tolist()),
            aggregate(right_of_both.mean(axis=1).tolist()),
            paired_difference(right_of_both, right, bootstrap),
        )


def _mean(one: Predictions, other: Predictions) -> Predictions:
    return replace(one, outputs=((one.outputs + other.outputs) / 2).astype(np.float32))


def table(found: Sequence[Together]) -> str:
    """A row for each network."""
    titles = ["dataset", "model", "alone, %", "with", "both, %", "gain, points"]
    return markdown(
        titles,
        [
            [
                one.dataset,
                f"`{one.model}`",
                metric_and_sd(one.alone, "accuracy"),
                f"`{one.baseline}`",
                metric_and_sd(one.both, "accuracy"),
                _points(one.gain),
            ]
            for one in found
        ],
    )


def sentence(found: Sequence[Together], model: str) -> str:
    """What a network gains by it, if that is clear; otherwise nothing."""
    for one in found:
        if one.model == model and one.gain.low > 0:
            return (
                f" The mean of its probabilities and those of {model_title(one.baseline)} reaches "
                f"{metric_and_sd(one.both, 'accuracy')} %, in points {_points(one.gain)}."
            )
    return ""


def _points(gain: Difference) -> str:
    """As in "+1.0 (+0.2 to +1.8)"."""
    middle, low, high = map(signed_points, (gain.estimate, gain.low, gain.high))
    return f"{middle} ({low} to {high})"
