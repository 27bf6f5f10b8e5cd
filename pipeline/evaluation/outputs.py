"""Everything that `evaluate` writes, made from the models' predictions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.predictions import Task
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.metrics import metrics_document, scores_document
from pipeline.evaluation.plots import plot_images, run_images
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.tables import CHARTED, plot_tables, run_tables, to_csv

Histories = Mapping[tuple[str, int], pd.DataFrame]


class Outputs(NamedTuple):
    """What `evaluate` writes.

    Attributes:
        comparison: `comparison.json`.
        metrics: `metrics.json`.
        scores: `scores.json`.
        plots: path below the plots' folder → the file's content.
    """

    comparison: dict[str, Any]
    metrics: dict[str, Any]
    scores: dict[str, Any]
    plots: dict[str, bytes]


def evaluate(
    results: Sequence[ModelResult],
    histories: Histories,
    *,
    dataset: str,
    task: Task,
    classes: Sequence[str],
    lengths: NDArray[np.int64],
    positions: NDArray[np.float64] | None,
    length_bins: int,
    bootstrap: Bootstrap,
) -> Outputs:
    """Measure and compare the models, and draw the plots.

    Args:
        results: what is compared.
        histories: the `history.csv` of each (model, seed).
        dataset, task, classes, lengths, positions, length_bins, bootstrap: as in
            `comparison_document`.

    Raises:
        ArtifactError: the predictions are not for the same rows.
    """
    comparison = comparison_document(
        results,
        dataset=dataset,
        task=task,
        classes=classes,
        lengths=lengths,
        positions=positions,
        length_bins=length_bins,
        bootstrap=bootstrap,
    )
    return Outputs(
        comparison=comparison,
        metrics=metrics_document(results, dataset=dataset, task=task),
        scores=scores_document(results, task=task),
        plots=_plots(results, histories, comparison),
    )


def _plots(
    results: Sequence[ModelResult], histories: Histories, comparison: Mapping[str, Any]
) -> dict[str, bytes]:
    """The tables as CSV, their images, and each run's own images in a folder of its name."""
    task, classes = comparison["task"], comparison["classes"]
    tables = plot_tables(results, histories, comparison, task=task, classes=classes)
    files = {f"{name}.csv": b"" for name in CHARTED}
    files |= {f"{name}.csv": to_csv(table).encode() for name, table in tables.items()}
    images = plot_images(tables, comparison)
    files |= {f"images/{name}.png": image for name, image in images.items()}
    for run in (run for result in results for run in result.split_by_seed()):
        history = None if run.deterministic else histories[run.name, run.seeds[0]]
        own = run_tables(run, history, task=task, classes=classes)
        folder = "-".join([run.name, *map(str, run.seeds)])
        for name, image in run_images(own, run, comparison).items():
            files[f"{folder}/{name}.png"] = image
    return files
