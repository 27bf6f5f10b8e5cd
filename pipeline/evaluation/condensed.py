"""All test predictions of a comparison in one small table, from which its figures follow."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.predictions import SMALLEST_PROBABILITY, Predictions
from pipeline.evaluation.results import ModelResult


def condense(results: Sequence[ModelResult]) -> pa.Table:
    """The runs' test predictions: row, target, and columns named MODEL/SEED/NUMBER.

    Of probabilities, the log-odds against the first class in hundredths: a 2,000-row run
    of two classes takes some 5 KB. The most probable class stays the same.

    Args:
        results: models with predictions for the same rows.
    """
    first = results[0].test[0]
    columns = {"row": first.rows, "target": first.targets}
    for result in results:
        for seed, run in zip(result.seed_names, result.test, strict=True):
            values = run.outputs[:, None] if run.outputs.ndim == 1 else _hundredths(run)
            for number, column in enumerate(values.T, start=1):
                columns[f"{result.name}/{'' if seed is None else seed}/{number}"] = column
    return pa.table({name: np.ascontiguousarray(column) for name, column in columns.items()})


def expand(table: pa.Table) -> dict[str, tuple[Predictions, ...]]:
    """Model → its runs' test predictions, as `condense` stored them."""
    rows, targets = table["row"].to_numpy(), table["target"].to_numpy()
    runs: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for name in table.column_names[2:]:
        model, seed, _ = name.rsplit("/", 2)
        runs.setdefault(model, {}).setdefault(seed, []).append(table[name].to_numpy())
    return {
        model: tuple(
            Predictions(rows, targets, _outputs(np.stack(columns, axis=1), targets))
            for columns in seeds.values()
        )
        for model, seeds in runs.items()
    }


def _hundredths(run: Predictions) -> NDArray[np.int16]:
    """<int16>[n, classes - 1]."""
    logs = np.log(np.maximum(run.outputs.astype(np.float64), SMALLEST_PROBABILITY))
    odds = np.round(100 * (logs[:, 1:] - logs[:, :1]))
    # Rounding must not move the largest: it is made so again, by one hundredth.
    best = run.labels
    against = np.column_stack([np.zeros(len(odds)), odds])
    largest = against.max(axis=1)
    moved = np.flatnonzero(against.argmax(axis=1) != best)
    of_first = moved[best[moved] == 0]
    odds[of_first] = np.minimum(odds[of_first], 0)
    others = moved[best[moved] > 0]
    odds[others, best[others] - 1] = largest[others] + 1
    return odds.astype(np.int16)


def _outputs(columns: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float32]:
    if not np.issubdtype(targets.dtype, np.integer):
        return columns[:, 0].astype(np.float32)
    odds = np.column_stack([np.zeros(len(columns)), columns / 100])
    shares = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
