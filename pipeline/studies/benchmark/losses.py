"""Does faster training learn the same? Validation loss after each epoch, seed by seed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from pipeline.core.sequences import Sequences
from pipeline.evaluation.significance import holm
from pipeline.studies.benchmark.settings import NAMES, Options
from pipeline.studies.processes import alone

TRAININGS = {"spotlight": "spotlight", "keras": "keras_fit"}  # functions of `learning`
_VALIDATION = 0.2


def measure(rows: Sequences, options: Options, say: Callable[[str], object]) -> dict[str, Any]:
    """Train Spotlight and stock Keras from the same weights with every seed.

    Both use batches of `options.batch_size`, so only how batches are made and computed differs.
    A fifth of the rows is held out for validation.

    Args:
        rows: to train on.
        options: sizes, seeds, epochs, threads.
        say: prints progress.

    Returns:
        By implementation and seed the epochs' val_loss, val_accuracy and seconds so far, and
        what `summary` makes of the losses.
    """
    order = np.random.default_rng(options.seed).permutation(len(rows))
    held = round(_VALIDATION * len(rows))
    validation, train = rows.take(np.sort(order[:held])), rows.take(np.sort(order[held:]))
    runs: dict[str, dict[int, list[dict[str, float]]]] = {
        implementation: {} for implementation in TRAININGS
    }
    for seed in options.seeds:
        for implementation, function in TRAININGS.items():
            found, _ = alone("benchmark.learning", function, options, train, validation, seed)
            runs[implementation][seed] = found.result
            shown = "  ".join(f"{epoch['val_loss']:.4f}" for epoch in found.result)
            say(f"  seed {seed}  {NAMES[implementation]:<12} validation loss  {shown}")
    return {
        "batch_size": options.batch_size,
        "rows": {"train": len(train), "validation": len(validation)},
        "runs": runs,
        **summary(runs),
    }


def summary(runs: Mapping[str, Mapping[Any, Sequence[Mapping[str, float]]]]) -> dict[str, Any]:
    """Compare the losses of two implementations over seeds.

    Args:
        runs: implementation → seed → the val_loss of each epoch.

    Returns:
        val_loss: by implementation and epoch, mean and standard deviation over the seeds;
        least: the same for each seed's least loss; p_values: Welch's t-test between the
        implementations, one for each epoch; p_values_holm: adjusted for all epochs. A single
        seed has no deviations and no p-values.
    """
    losses = {  # <float64>[seeds, epochs]
        implementation: np.array([[epoch["val_loss"] for epoch in run] for run in by_seed.values()])
        for implementation, by_seed in runs.items()
    }
    several = all(len(values) > 1 for values in losses.values())
    p_values = ttest_ind(*losses.values(), equal_var=False).pvalue.tolist() if several else []
    return {
        "val_loss": {
            implementation: [_spread(epoch) for epoch in values.T]
            for implementation, values in losses.items()
        },
        "least": {
            implementation: _spread(values.min(axis=1)) for implementation, values in losses.items()
        },
        "p_values": p_values,
        "p_values_holm": holm(p_values),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "deviation": deviation}
