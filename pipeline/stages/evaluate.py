"""`evaluate`: every run's predictions → metrics, comparison and plots. No TensorFlow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import (
    column_names,
    read_csv,
    read_json,
    read_parts,
    read_table,
    remove_unlisted,
    sealed_folder,
    write_bytes,
    write_json,
    write_sealed_json,
)
from pipeline.data.card import read_groups
from pipeline.evaluation import fonts
from pipeline.evaluation.outputs import evaluate
from pipeline.evaluation.results import read_results
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.subgroups import evidence_positions
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Measure and compare exactly the runs that `params.yaml` lists, and the baselines."""
    settings = params.load_params(workspace.params)
    about = read_json(workspace.encoded / "encoding.json")
    outputs = evaluate(
        read_results(workspace, settings),
        {
            (model, seed): read_csv(workspace.model(model, seed) / "history.csv")
            for model, seed in settings.runs
        },
        dataset=settings.dataset,
        task=about["task"],
        classes=about["classes"],
        lengths=_lengths(workspace, about),
        positions=_evidence(workspace, about),
        length_bins=settings.evaluate.length_bins,
        bootstrap=Bootstrap(
            confidence=settings.evaluate.confidence,
            resamples=settings.evaluate.resamples,
            seed=settings.evaluate.seed,
            block=about.get("block", 1),
            margin=settings.evaluate.margin,
            groups=read_groups(workspace.raw, "test"),
        ),
    )
    with sealed_folder(workspace.plots, stage="evaluate") as folder:
        for path, content in outputs.plots.items():
            write_bytes(folder / path, content)
    write_sealed_json(workspace.comparison, outputs.comparison, stage="evaluate")
    write_json(workspace.metrics, outputs.metrics)
    write_json(workspace.scores, outputs.scores)
    remove_unlisted(
        workspace.models, [workspace.model(model, seed) for model, seed in settings.runs]
    )
    if lacking := fonts.missing("".join(about["classes"])):
        progress.say(fonts.notice(lacking, "the plots number these classes, from 0"))
    progress.say(progress.paragraph(outputs.comparison["headline"]))


def _lengths(workspace: Workspace, about: Mapping[str, Any]) -> NDArray[np.int64]:
    """<int64>[n], each test row's steps; for a text, its tokens before truncation."""
    if about["kind"] == "series":
        rows = about["splits"]["test"]["rows"]
        return np.full(rows, about["time_steps"], np.int64)
    table = read_table(workspace.encoded / "test.parquet", ["total"])
    return np.asarray(table["total"].to_numpy(), np.int64)


def _evidence(workspace: Workspace, about: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """<float64>[n], where in each test text the evidence is; None if the dataset doesn't say."""
    if about["kind"] == "series":
        return None
    path = workspace.raw / "test.parquet"
    if "evidence" not in column_names(path):
        return None
    return np.concatenate([_positions(part) for part in read_parts(path, ["text", "evidence"])])


def _positions(part: pa.Table) -> NDArray[np.float64]:
    passages = [
        [(span["start"], span["end"]) for span in spans] for spans in part["evidence"].to_pylist()
    ]
    return evidence_positions(passages, compute.utf8_length(part["text"]).to_pylist())
