"""`evaluate`: every run's predictions → metrics, comparison and plots. No TensorFlow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import (
    new_folder,
    read_json,
    read_table,
    remove_unlisted,
    write_bytes,
    write_json,
    write_text,
)
from pipeline.evaluation import plots
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.metrics import metrics_document, scores_document
from pipeline.evaluation.results import read_baseline_names, read_result
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.subgroups import evidence_positions
from pipeline.evaluation.tables import CHARTED, fit_tables, plot_tables, to_csv
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Measure and compare exactly the runs that `params.yaml` lists, and the reference."""
    settings = params.load_params(workspace.params)
    about = read_json(workspace.encoded / "encoding.json")
    task, classes = about["task"], about["classes"]
    results = [
        *(
            read_result(name, (), [workspace.reference(name)])
            for name in read_baseline_names(workspace)
        ),
        *(
            read_result(
                name, settings.seeds, [workspace.model(name, seed) for seed in settings.seeds]
            )
            for name in settings.models
        ),
    ]
    comparison = comparison_document(
        results,
        dataset=settings.dataset,
        task=task,
        classes=classes,
        lengths=_lengths(workspace, about),
        positions=_evidence(workspace, about),
        length_bins=settings.evaluate.length_bins,
        bootstrap=Bootstrap(
            confidence=settings.evaluate.confidence,
            resamples=settings.evaluate.resamples,
            seed=settings.evaluate.seed,
            block=about.get("block", 1),
        ),
    )
    histories = {
        (model, seed): pd.read_csv(workspace.model(model, seed) / "history.csv")
        for model, seed in settings.runs
    }
    tables = plot_tables(results, histories, comparison, task=task, classes=classes)
    with new_folder(workspace.plots) as folder:
        for name in dict.fromkeys([*tables, *CHARTED]):
            content = to_csv(tables[name]) if name in tables else ""
            write_text(folder / f"{name}.csv", content)
        for name, image in plots.plot_images(tables, comparison).items():
            write_bytes(folder / "images" / f"{name}.png", image)
        for fit in (fit for result in results for fit in result.alone()):
            history = None if fit.deterministic else histories[fit.name, fit.seeds[0]]
            own = fit_tables(fit, history, task=task, classes=classes)
            for name, image in plots.fit_images(own, fit, comparison).items():
                place = "-".join([fit.name, *map(str, fit.seeds)])
                write_bytes(folder / place / f"{name}.png", image)
    write_json(workspace.comparison, comparison)
    write_json(workspace.metrics, metrics_document(results, dataset=settings.dataset, task=task))
    write_json(workspace.scores, scores_document(results, task=task))
    remove_unlisted(
        workspace.models, [workspace.model(model, seed) for model, seed in settings.runs]
    )
    progress.say(comparison["headline"])


def _lengths(workspace: Workspace, about: Mapping[str, Any]) -> NDArray[np.int64]:
    """<int64>[n], steps of each test row; of a text, tokens before truncation."""
    if about["kind"] == "series":
        rows = about["splits"]["test"]["rows"]
        return np.full(rows, about["time_steps"], np.int64)
    table = read_table(workspace.encoded / "test.parquet", ["total"])
    return np.asarray(table["total"].to_numpy(), np.int64)


def _evidence(workspace: Workspace, about: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """<float64>[n], where in each test text the evidence is; None if the dataset doesn't say."""
    if about["kind"] == "series":
        return None
    raw = read_table(workspace.raw / "test.parquet")
    if "evidence" not in raw.column_names:
        return None
    passages = [
        [(span["start"], span["end"]) for span in spans] for spans in raw["evidence"].to_pylist()
    ]
    return evidence_positions(passages, [len(text) for text in raw["text"].to_pylist()])
