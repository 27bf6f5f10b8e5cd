"""Does the faster training learn the same? Validation loss after each epoch, seed by seed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from pipeline.artifacts import Sequences
from pipeline.benchmark.processes import alone
from pipeline.benchmark.settings import NAMES, Options
from pipeline.evaluation.significance import holm

TRAININGS = {"spotlight": "spotlight", "keras": "keras_fit"}  # functions of `learning`
_VALIDATION = 0.2


def measure(rows: Sequences, options: Options, say: Callable[[str], object]) -> dict[str, Any]:
    """Train Spotlight and stock Keras from the same weights with every seed, for some epochs.

    Both take batches of `options.batch_size`, so that what differs is how they are made and
    computed. A fifth of the rows validates.

    Args:
        rows: to train on.
        options: sizes, seeds, epochs, threads.
        say: where progress goes.

    Returns:
        Per arm and seed the epochs' val_loss, val_accuracy and seconds since the beginning; and
        what `summary` makes of the losses.
    """
    order = np.random.default_rng(options.seed).permutation(len(rows))
    held = round(_VALIDATION * len(rows))
    validation, train = rows.take(np.sort(order[:held])), rows.take(np.sort(order[held:]))
    runs: dict[str, dict[int, list[dict[str, float]]]] = {arm: {} for arm in TRAININGS}
    for seed in options.seeds:
        for arm, function in TRAININGS.items():
            found, _ = alone("learning", function, options, train, validation, seed)
            runs[arm][seed] = found.result
            shown = "  ".join(f"{epoch['val_loss']:.4f}" for epoch in found.result)
            say(f"  seed {seed}  {NAMES[arm]:<12} validation loss  {shown}")
    return {
        "batch_size": options.batch_size,
        "rows": {"train": len(train), "validation": len(validation)},
        "runs": runs,
        **summary(runs),
    }


def summary(runs: Mapping[str, Mapping[Any, Sequence[Mapping[str, float]]]]) -> dict[str, Any]:
    """Are the losses of two arms the same, for all that the seeds can tell?

    Args:
        runs: arm → seed → epochs with their val_loss.

    Returns:
        val_loss: per arm and epoch mean and standard deviation over the seeds; least: the same of
        each seed's least loss; p_values: Welch's t-test between the arms, one for each epoch;
        p_values_holm: adjusted for all epochs. With a single seed no deviations and no p-values.
    """
    losses = {  # <float64>[seeds, epochs]
        arm: np.array([[epoch["val_loss"] for epoch in run] for run in by_seed.values()])
        for arm, by_seed in runs.items()
    }
    several = all(len(of_arm) > 1 for of_arm in losses.values())
    p_values = ttest_ind(*losses.values(), equal_var=False).pvalue.tolist() if several else []
    return {
        "val_loss": {arm: [_spread(epoch) for epoch in of_arm.T] for arm, of_arm in losses.items()},
        "least": {arm: _spread(of_arm.min(axis=1)) for arm, of_arm in losses.items()},
        "p_values": p_values,
        "p_values_holm": holm(p_values),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "deviation": deviation}
