"""Does the faster training learn the same? Validation loss after each epoch, seed by seed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.artifacts import Sequences
from pipeline.benchmark.processes import alone
from pipeline.benchmark.settings import NAMES, Options

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
        Per arm and seed the epochs' val_loss, val_accuracy and seconds since the beginning; per
        arm and epoch the mean loss and its standard deviation over the seeds.
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
        "val_loss": {arm: _by_epoch(list(by_seed.values())) for arm, by_seed in runs.items()},
    }


def _by_epoch(runs: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    losses = np.array([[epoch["val_loss"] for epoch in run] for run in runs])  # [seeds, epochs]
    deviations = losses.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(losses.shape[1])
    return [
        {"mean": float(mean), "deviation": float(deviation)}
        for mean, deviation in zip(losses.mean(axis=0), deviations, strict=True)
    ]
