"""Recursive ROAR: train, explain every row, mask what ranks highest, and train again."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline import fingerprint, progress
from pipeline.core import params, runtime
from pipeline.core.files import new_folder, read_json, write_csv, write_json
from pipeline.core.predictions import SPLITS, read_predictions
from pipeline.core.sequences import read_sequences, write_sequences
from pipeline.errors import ParamsError
from pipeline.evaluation.results import ATTENTION, scores
from pipeline.studies.cells import cell_named, run_cells
from pipeline.studies.parameters import read_encoded
from pipeline.studies.roar.masking import mask, score
from pipeline.studies.roar.settings import RANDOM, Run, Study, load_study
from pipeline.studies.training import train_once
from pipeline.training.inference import load_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Row = dict[str, Any]


def run_study(
    workspace: Workspace, part: Workspace, *, jobs: int = 1, only: str | None = None
) -> list[Row]:
    """Run what has no result yet; returns the rows of `results.csv`, which grows with each run.

    All is trained in `.spotlight/`, and a finished run is kept until code, parameters or the data
    that it learns from change.

    Args:
        workspace: the project's files, with the encoded data.
        part: the study's.
        jobs: curves at a time.
        only: METHOD-SEED: that curve's runs are made and returned, alone.

    Raises:
        ParamsError: another dataset is encoded, it or the model doesn't fit the study, or there is
            no such curve.
        PipelineError: curves that ran side by side failed.
    """
    study = load_study(part.params)
    recipe = _recipe(workspace, part, study)
    runtime.pin_threads(study.threads)
    tf.get_logger().setLevel("ERROR")  # it warns of many graphs: each run has its own
    curves = {
        f"{method}-{seed}": study.curve(method, seed)
        for seed in study.seeds
        for method in (RANDOM, *study.methods)
    }
    if only is not None:
        curves = {only: cell_named(curves, only)}
    elif jobs > 1:  # the random curves first: the others have their ends
        random = [name for name in curves if name.startswith(f"{RANDOM}-")]
        for some in (random, [name for name in curves if name not in random]):
            run_cells(workspace, part, some, jobs=jobs, threads=study.threads)
    total = len({run for curve in curves.values() for run in curve})
    rows: dict[Run, Row] = {}
    for curve in curves.values():
        before = None
        for run in curve:
            if run not in rows:
                progress.say(f"\nrun {len(rows) + 1} of {total}: {run.name}")
                data = _mask(workspace, part, study, run, before)
                rows[run] = _train(workspace, part, study, run, recipe=recipe, data=data)
                if only is None:
                    write_csv(part.results / "results.csv", list(rows.values()))
            before = run
    return list(rows.values())


def model_folder(part: Workspace, study: Study, run: Run) -> Path:
    """The folder of a run's model and predictions."""
    return Workspace(part.scratch / run.name).model(study.model, run.seed)


def _recipe(workspace: Workspace, part: Workspace, study: Study) -> params.Recipe:
    settings = read_encoded(workspace, part, study.dataset)
    encode = settings.entry.encode
    if not isinstance(encode, params.TextEncode) or encode.tokenizer != "words":
        raise ParamsError(
            f"studies/roar/params.yaml: '{study.dataset}' has no unknown word to mask with; series "
            "and byte pairs have none.",
            fix="name a dataset of texts with `tokenizer: words`.",
        )
    recipe = settings.recipe(study.model)
    if "attention" in study.methods and recipe.pooling not in ATTENTION:
        raise ParamsError(
            f"studies/roar/params.yaml: {study.model} has no attention.",
            fix="name a model that has, or take `attention` out of `methods`.",
        )
    return recipe


def _mask(
    workspace: Workspace, part: Workspace, study: Study, run: Run, before: Run | None
) -> Path:
    """The folder of a run's encoded data: those of the run before it, with more words masked."""
    if before is None:
        return workspace.encoded
    own = Workspace(part.scratch / run.name)
    source = Workspace(part.scratch / before.name).encoded if before.ratio else workspace.encoded
    explained = model_folder(part, study, before)
    points = study.integration_steps if run.method == "integrated_gradients" else 0
    mark = fingerprint.digest([], [read_json(explained / "model.json")["fingerprint"], run, points])
    kept = own.root / "masked.json"
    if kept.exists() and read_json(kept)["fingerprint"] == mark:
        return own.encoded
    network = None if run.method == RANDOM else load_model(explained).network
    random = np.random.default_rng(run.seed)
    with new_folder(own.encoded) as folder:
        for name in SPLITS:
            rows = read_sequences(source / f"{name}.parquet")
            chances = random.random((2, len(rows.values)))
            found = (
                chances[0] if network is None else score(run.method, network, rows, points=points)
            )
            write_sequences(
                folder / f"{name}.parquet", mask(rows, found, run.ratio, ties=chances[1])
            )
        for name in ("encoding.json", "bigrams.npy", "trigrams.npy"):
            if (path := workspace.encoded / name).exists():
                shutil.copyfile(path, folder / path.name)
    write_json(kept, {"fingerprint": mark})
    return own.encoded


def _train(
    workspace: Workspace,
    part: Workspace,
    study: Study,
    run: Run,
    *,
    recipe: params.Recipe,
    data: Path,
) -> Row:
    training = TrainingRun.for_stage(
        __name__,
        study.model,
        run.seed,
        recipe,
        data=data,
        pretrained=workspace.vectors,
        libraries=workspace.libraries,
        threads=study.threads,
    )
    folder = model_folder(part, study, run)
    own = Workspace(part.scratch / run.name)
    card = train_once(training, folder, own.checkpoint(study.model, run.seed), name=run.name)
    return _row(run, card, folder)


def _row(run: Run, card: Mapping[str, Any], folder: Path) -> Row:
    right = scores([read_predictions(folder / "test.parquet")], card["task"])
    return {
        **run._asdict(),
        "accuracy": f"{right.mean():.6g}",
        "best_epoch": card["best_epoch"],
        "epochs": card["epochs"],
    }
