"""Cases of data, each in a workspace of its own, trained as `data add` suggests.

`make suggestion-study` takes data of several kinds, `make size-study` one dataset in many sizes,
`make distractor-study` the same texts among more and more neutral sentences.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from pipeline import fingerprint
from pipeline.core import params, runtime, schema
from pipeline.core.files import (
    column_names,
    new_folder,
    read_json,
    read_table,
    write_json,
)
from pipeline.core.predictions import SPLITS, Predictions, read_predictions, write_predictions
from pipeline.core.sequences import read_sequences
from pipeline.core.sources import DemoSource
from pipeline.data import card, series, sources
from pipeline.data.checks import check_corpus
from pipeline.data.series_checks import check_series
from pipeline.encoding.suggestion import Suggestion, for_series, for_texts
from pipeline.evaluation.results import read_baseline_names, scores
from pipeline.stages import encode, pretrain, reference
from pipeline.studies.distractor.texts import lengthen
from pipeline.studies.kept import BASELINES, OF_ROWS, Cell, Kept, Made, Row, kept_path, run_kept
from pipeline.studies.parameters import own_files
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.inference import predict
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace


def run_study(
    workspace: Workspace,
    part: Workspace,
    paths: Mapping[str, str],
    *,
    jobs: int = 1,
    only: str | None = None,
    anew: bool = False,
    train: bool = True,
) -> list[Row]:
    """Run what has no result yet, see `run_kept`; returns the rows of `results.csv`.

    Raises:
        ParamsError: params.yaml has no such dataset, or the study no such cell.
        PipelineError: cells that ran side by side failed.
    """
    return run_kept(
        workspace,
        part,
        study_cells(workspace, part, paths, anew=anew),
        paths=paths,
        threads=load_study(part.params).threads,
        jobs=jobs,
        only=only,
        anew=anew,
        train=train,
    )


def study_cells(
    workspace: Workspace, part: Workspace, paths: Mapping[str, str], *, anew: bool = False
) -> dict[str, Cell]:
    """Every cell, in the order of the study: CASE/baselines, then CASE/MODEL-SEED, ….

    Raises:
        ParamsError: params.yaml has no such dataset.
    """
    study = load_study(part.params)
    document: Any = schema.read_yaml(workspace.params)
    params.parse_params(document)
    document = {**document, "threads": study.threads}
    for name in {*paths, *study.texts, *study.series}:
        params.parse_params({**document, "dataset": name})
    code = fingerprint.configuration(__name__, [], workspace.libraries, [])
    read = {
        name: own_files(workspace, document["datasets"][name]["source"], paths.get(name))
        for name in {*study.texts, *study.series}
    }
    cells = {}
    for case in study.cases:
        own = Workspace(part.scratch / case.name)
        path, files = paths.get(case.dataset), read[case.dataset]
        prepare = partial(_prepare, workspace, own, document, study, case, path=path, files=files)
        makers: dict[str, tuple[str | None, Callable[[], Made]]] = {
            BASELINES: (None, partial(_measure_baselines, own, case)),
            **{
                f"{model}-{seed}": (model, partial(_train, own, case, model, seed))
                for model in study.models
                for seed in study.seeds
            },
        }
        for name, (model, make) in makers.items():
            kept = Kept(
                kept_path(part, case.name, name),
                parameters=fingerprint.digest(
                    [], [*_parameters(document, study, case, model), *files]
                ),
                code=code,
                anew=anew,
            )
            cells[f"{case.name}/{name}"] = Cell(kept, prepare, make)
    return cells


def _parameters(
    document: Mapping[str, Any], study: Study, case: Case, model: str | None = None
) -> list[Any]:
    """What determines a case's data, and, with a model, its training."""
    # Not what lists the cases and runs: with more of them, those that are finished stay valid.
    lists: dict[str, Any] = {"models": True, "seeds": True, "texts": True, "series": True}
    if study.distractors:
        lists["distractors"] = {"lengths"}
    own_values = study.model_dump(mode="json", exclude=lists)
    training = {**document["training"], **study.training}
    recipe = (
        training.get("class_weight")
        if model is None
        # Not what has its default: with another option, those that are finished stay valid.
        else params.merge_recipe(
            model, training, document["architectures"], where="training"
        ).model_dump(mode="json", exclude_defaults=True)
    )
    return [case, own_values, document["datasets"][case.dataset]["source"], recipe]


def _prepare(
    workspace: Workspace,
    own: Workspace,
    document: Mapping[str, Any],
    study: Study,
    case: Case,
    *,
    path: str | None,
    files: list[dict[str, str]],
) -> None:
    """Bring the data in, encode them, and learn their vectors, unless that is done.

    Args:
        workspace: the project's files.
        own: the case's.
        document: `params.yaml`.
        study: what is trained on what.
        case: of which dataset, and how much of it.
        path: a local copy of the dataset.
        files: see `own_files`.
    """
    done = own.root / "prepared.json"
    # Trainings read these from the case's own params.yaml, which is written here.
    read = [document["training"], document["architectures"]]
    mark = fingerprint.configuration(
        __name__, [], workspace.libraries, [*_parameters(document, study, case), path, read, *files]
    )
    if done.exists() and read_json(done)["fingerprint"] == mark:
        return
    source = document["datasets"][case.dataset]["source"]
    source = {**source, "path": path} if path else source
    entry = params.parse_params(
        {
            **document,
            "dataset": case.dataset,
            "datasets": {case.dataset: {**document["datasets"][case.dataset], "source": source}},
        }
    ).entry
    own.libraries.parent.mkdir(parents=True, exist_ok=True)
    own.libraries.write_bytes(workspace.libraries.read_bytes())
    with tempfile.TemporaryDirectory(dir=own.root) as cache:
        if isinstance(entry, params.SeriesEntry):
            suggestion = _bring_series(own, entry, case, home=workspace.home, cache=Path(cache))
        else:
            suggestion = _bring_texts(
                own, entry.source, study, case, home=workspace.home, cache=Path(cache)
            )
    changed = {
        "source": source,
        "encode": {**suggestion.encode, **study.encode},
        "training": {**suggestion.training, **study.training},
    }
    with own.params.open("w", encoding="utf-8") as file:
        YAML().dump(
            {
                **document,
                "dataset": case.dataset,
                "datasets": {case.dataset: changed},
                "models": list(study.models),
                "seeds": list(study.seeds),
            },
            file,
        )
    encode.run(own)
    pretrain.run(own)
    write_json(done, {"fingerprint": mark})


def _measure_baselines(own: Workspace, case: Case) -> Made:
    reference.run(own)
    rows: list[Row] = []
    right: dict[str, Any] = {}
    for name in read_baseline_names(own):
        found = {s: read_predictions(own.reference(name) / f"{s}.parquet") for s in SPLITS[1:]}
        made = _made(own, case, name, found, name)
        rows += made.rows
        right |= made.right
    if right:
        path = own.raw / "test.parquet"
        table = read_table(path, [one for one in OF_ROWS if one in column_names(path)])
        order = found["test"].rows
        right |= {name: table[name].to_numpy()[order] for name in table.column_names}
    return Made(rows, right)


def _bring_texts(
    own: Workspace, source: Any, study: Study, case: Case, *, home: Path, cache: Path
) -> Suggestion:
    """Write `data/raw` with that many rows, and suggest parameters for them."""
    assert case.rows is not None
    if isinstance(source, DemoSource):
        source = source.model_copy(update={"train": case.rows, "test": study.test})
    corpus = sources.load_corpus(case.dataset, source, home=home, cache=cache)
    wanted = {"train": case.rows, "test": study.test}
    if study.distractors and case.length:
        separated = replace(corpus, splits=check_corpus(corpus).tables)
        drawn = lengthen(
            separated, study.distractors, rows=wanted, length=case.length, seed=study.seed
        )
    else:
        drawn = {name: _draw(corpus.splits[name], n, study.seed) for name, n in wanted.items()}
    findings = check_corpus(replace(corpus, splits=drawn))
    with new_folder(own.raw) as folder:
        card.write_raw(folder, findings.tables, findings.card())
    texts = drawn["train"]["text"].to_pylist()
    return for_texts(texts, rows=len(texts) if study.distractors else round(0.8 * len(texts)))


def _bring_series(
    own: Workspace, entry: params.SeriesEntry, case: Case, *, home: Path, cache: Path
) -> Suggestion:
    """Write `data/raw` with that target, and suggest parameters for it."""
    source = entry.source.model_copy(update={"target": case.target})
    loaded = series.load_series(case.dataset, source, home=home, cache=cache)
    findings = check_series(loaded)
    with new_folder(own.raw) as folder:
        card.write_raw(folder, findings.tables, findings.card())
    rows = sum(table.num_rows for table in findings.tables.values())
    return for_series(loaded.each("train", loaded.target), rows=rows)


def _draw(table: pa.Table, count: int, seed: int) -> pa.Table:
    """That many rows, in their order; all of them if there are no more."""
    chosen = np.random.default_rng(seed).permutation(table.num_rows)[:count]
    return table.take(pa.array(np.sort(chosen)))


def _train(own: Workspace, case: Case, model: str, seed: int) -> Made:
    keras.backend.clear_session()  # layers are numbered per process
    settings = params.load_params(own.params)
    runtime.pin_threads(settings.threads)
    recipe = settings.recipe(model)
    run = TrainingRun.for_stage(
        __name__,
        model,
        seed,
        recipe,
        data=own.encoded,
        pretrained=own.vectors,
        libraries=own.libraries,
        threads=settings.threads,
    )
    splits = {name: read_sequences(own.encoded / f"{name}.parquet") for name in SPLITS}
    network = run.build_network()
    checkpoint = Checkpoint(own.checkpoint(model, seed), run.fingerprint)
    result = train_model(
        network,
        splits["train"],
        splits["validation"],
        recipe,
        task=run.about["task"],
        seed=seed,
        unlabeled=run.read_unlabeled(),
        name=model,
        checkpoint=checkpoint,
    )
    predicted = {
        name: Predictions(rows.rows, rows.targets, predict(network, rows))
        for name, rows in splits.items()
        if case.length or name != "train"
    }
    with new_folder(own.model(model, seed)) as folder:
        for name, predictions in predicted.items():
            write_predictions(folder / f"{name}.parquet", predictions)
    of_run = {"seed": seed, "best_epoch": result.best_epoch, "epochs": len(result.history)}
    rows, right = _made(own, case, model, predicted, f"{model}-{seed}")
    checkpoint.remove()
    return Made([row | of_run for row in rows], right)


def _made(
    own: Workspace, case: Case, model: str, predicted: Mapping[str, Predictions], run: str
) -> Made:
    """One row of results; with distractors, one for each place of them in the test texts."""
    about = read_json(own.encoded / "encoding.json")
    found = {name: scores([one], about["task"])[0] for name, one in predicted.items()}
    mean = {name: f"{values.mean():.6g}" for name, values in found.items()}
    row = {
        "dataset": case.dataset,
        "rows": about["splits"]["train"]["rows"],
        "target": case.target or "",
        "metric": "mse" if about["task"] == "regression" else "accuracy",
        "model": model,
        "seed": "",
        "validation": mean["validation"],
    }
    last = {"best_epoch": "", "epochs": ""}
    right = {} if about["task"] == "regression" else {run: found["test"] == 1}
    if not case.length:
        return Made([{**row, "test": mean["test"], **last}], right)
    at = read_table(own.raw / "test.parquet", ["place"])["place"].to_numpy()
    at = at[predicted["test"].rows]
    row |= {"length": case.length, "train": mean.get("train", "")}
    of_places = {place: f"{found['test'][at == place].mean():.6g}" for place in PLACES}
    rows = [{**row, "place": place, "test": test, **last} for place, test in of_places.items()]
    return Made(rows, right)
