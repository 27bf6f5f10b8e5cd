"""`evaluate`: every run's predictions → metrics, comparison and plots. No TensorFlow."""

import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import artifacts, params, progress
from pipeline.artifacts import Workspace, read_predictions
from pipeline.evaluation import curves, plots
from pipeline.evaluation.arms import Arm
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.metrics import metrics_document
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.subgroups import evidence_positions


def run(workspace: Workspace) -> None:
    """Measure and compare exactly the runs that `params.yaml` lists, and the reference."""
    settings = params.load(workspace.params)
    about = artifacts.read_json(workspace.encoded / "encoding.json")
    task, classes = about["task"], about["classes"]
    arms = [
        *(_reference(workspace, name) for name in artifacts.read_references(workspace)),
        *(_model(workspace, model, settings.seeds) for model in settings.models),
    ]
    comparison = comparison_document(
        arms,
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
    tables = curves.plot_tables(arms, histories, comparison, task=task, classes=classes)
    with artifacts.new_folder(workspace.plots) as folder:
        for name, table in tables.items():
            artifacts.write_text(folder / f"{name}.csv", curves.to_csv(table))
        for name, image in plots.plot_images(tables, comparison).items():
            artifacts.write_bytes(folder / f"{name}.png", image)
    artifacts.write_json(workspace.comparison, comparison)
    artifacts.write_json(
        workspace.metrics, metrics_document(arms, dataset=settings.dataset, task=task)
    )
    _prune(workspace, settings.runs)
    progress.say(comparison["headline"])


def _model(workspace: Workspace, model: str, seeds: tuple[int, ...]) -> Arm:
    folders = [workspace.model(model, seed) for seed in seeds]
    return Arm(
        name=model,
        seeds=seeds,
        parameters=artifacts.read_json(folders[0] / "model.json")["parameters"],
        validation=tuple(read_predictions(folder / "validation.parquet") for folder in folders),
        test=tuple(read_predictions(folder / "test.parquet") for folder in folders),
    )


def _reference(workspace: Workspace, name: str) -> Arm:
    folder = workspace.reference(name)
    return Arm(
        name=name,
        seeds=(),
        parameters=artifacts.read_json(folder / "model.json")["parameters"],
        validation=(read_predictions(folder / "validation.parquet"),),
        test=(read_predictions(folder / "test.parquet"),),
    )


def _lengths(workspace: Workspace, about: Mapping[str, Any]) -> NDArray[np.int64]:
    """<int64>[n], steps of each test row; of a text, tokens before truncation."""
    if about["kind"] == "series":
        rows = about["splits"]["test"]["rows"]
        return np.full(rows, about["time_steps"], np.int64)
    table = artifacts.read_table(workspace.encoded / "test.parquet", ["total"])
    return np.asarray(table["total"].to_numpy(), np.int64)


def _evidence(workspace: Workspace, about: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """<float64>[n], where in each test text the evidence is; None if the dataset doesn't say."""
    if about["kind"] == "series":
        return None
    raw = artifacts.read_table(workspace.raw / "test.parquet")
    if "evidence" not in raw.column_names:
        return None
    passages = [
        [(span["start"], span["end"]) for span in spans] for spans in raw["evidence"].to_pylist()
    ]
    return evidence_positions(passages, [len(text) for text in raw["text"].to_pylist()])


def _prune(workspace: Workspace, runs: list[tuple[str, int]]) -> None:
    """Remove runs that `params.yaml` no longer lists; DVC's cache keeps them.

    What this stage depends on, for DVC, is the folder of all runs, so a leftover would give
    it another hash here than in a fresh clone.
    """
    asked_for = {workspace.model(model, seed) for model, seed in runs}
    for folder in workspace.models.iterdir():
        if folder not in asked_for:
            shutil.rmtree(folder)
