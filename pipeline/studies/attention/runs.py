"""Every variant on every dataset: a project of its own in `.spotlight/`, its stages in a row."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from pipeline import fingerprint, progress
from pipeline.core import params, runtime, schema
from pipeline.core.files import new_folder, read_json, write_json
from pipeline.data import card, sources
from pipeline.data.checks import check_corpus
from pipeline.errors import ParamsError
from pipeline.stages import encode, evaluate, explain, pretrain, reference
from pipeline.studies.attention.settings import Study, Texts, load_study
from pipeline.studies.attention.summary import summarize
from pipeline.studies.cells import cell_named, run_cells
from pipeline.studies.parameters import own_files
from pipeline.studies.training import is_trained, train_once
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Document = dict[str, Any]


def run_study(
    workspace: Workspace,
    part: Workspace,
    paths: Mapping[str, str],
    *,
    jobs: int = 1,
    only: str | None = None,
) -> list[Document]:
    """Run what has no result yet; writes `results/DATASET.json` and returns them.

    A finished training is kept until code, parameters or its data change.

    Args:
        workspace: the project's files.
        part: the study's.
        paths: dataset → another `source.path` than that in params.yaml.
        jobs: trainings at a time.
        only: DATASET/VARIANT-SEED, whose data are prepared: it is trained, and nothing else done.

    Raises:
        ParamsError: params.yaml has no such dataset, a key or value is not allowed, or there is no
            such training.
        PipelineError: trainings that ran side by side failed.
    """
    study = load_study(part.params)
    document: Any = schema.read_yaml(workspace.params)
    if unknown := set(paths) - set(study.texts):
        raise ParamsError(
            f"--source: studies/attention/params.yaml has no dataset '{min(unknown)}'.",
            fix=f"name one of them: {', '.join(study.texts)}.",
        )
    projects = {name: project(document, study, name, texts) for name, texts in study.texts.items()}
    for one in projects.values():
        params.parse_params(one)
    for name, path in paths.items():
        projects[name]["datasets"][name]["source"]["path"] = path
    runtime.pin_threads(study.threads)
    if only is not None:
        dataset, _, run = only.partition("/")
        own = Workspace(part.scratch / dataset)
        _train(own, cell_named(_runs(own, params.load_params(own.params)), run))
        return []
    found = []
    for name, own_params in projects.items():
        progress.say(f"\n{name}")
        own = Workspace(part.scratch / name)
        files = own_files(workspace, document["datasets"][name]["source"], paths.get(name))
        runs = _prepared(workspace, own, own_params, study, study.texts[name], files=files)
        if jobs > 1:
            stale = [f"{name}/{run}" for run, one in runs.items() if not _is_trained(own, one)]
            run_cells(workspace, part, stale, paths=paths, jobs=jobs, threads=study.threads)
        for training in runs.values():
            _train(own, training)
        found.append(_tested(own, runs))
        write_json(part.results / f"{name}.json", found[-1])
    return found


def _prepared(
    workspace: Workspace,
    own: Workspace,
    own_params: Document,
    study: Study,
    texts: Texts,
    *,
    files: list[dict[str, str]],
) -> dict[str, TrainingRun]:
    """Prepare one dataset's project; returns its trainings. Of `files`, see `own_files`."""
    own.libraries.parent.mkdir(parents=True, exist_ok=True)
    own.libraries.write_bytes(workspace.libraries.read_bytes())
    with own.params.open("w", encoding="utf-8") as file:
        YAML().dump(own_params, file)
    settings = params.load_params(own.params)
    entry = settings.entry.model_dump()
    _once(
        own,
        "prepared",
        [settings.dataset, entry, texts.train, texts.test, study.seed, study.threads, *files],
        lambda: _prepare(workspace, own, settings, study, texts),
    )
    return _runs(own, settings)


def _once(own: Workspace, name: str, values: object, make: Callable[[], object]) -> None:
    """Make what is not yet made of these values."""
    kept = own.scratch / f"{name}.json"
    mark = fingerprint.configuration(__name__, [], own.libraries, values)
    if not kept.exists() or read_json(kept)["fingerprint"] != mark:
        make()
        write_json(kept, {"fingerprint": mark})


def project(document: Mapping[str, Any], study: Study, name: str, texts: Texts) -> Document:
    """The `params.yaml` of a dataset's own project."""
    if name not in document["datasets"]:
        params.parse_params({**document, "dataset": name})  # says so
    entry = document["datasets"][name]
    return {
        **document,
        "dataset": name,
        "datasets": {
            name: {
                **entry,
                "encode": {**entry["encode"], **texts.encode},
                "training": {**entry["training"], **texts.training},
            }
        },
        "models": list(study.variants),
        "seeds": list(study.seeds),
        "threads": study.threads,
        "architectures": study.variants,
        "explain": {**document["explain"], **study.explain},
    }


def _prepare(
    workspace: Workspace, own: Workspace, settings: params.Params, study: Study, texts: Texts
) -> None:
    """Bring the rows in, encode them, learn their vectors, and fit the baselines."""
    source: Any = settings.entry.source
    with tempfile.TemporaryDirectory(dir=own.root) as cache:
        corpus = sources.load_corpus(
            settings.dataset, source, home=workspace.home, cache=Path(cache)
        )
        wanted = {"train": texts.train, "test": texts.test}
        drawn = {name: _draw(corpus.splits[name], n, study.seed) for name, n in wanted.items()}
        findings = check_corpus(replace(corpus, splits=drawn))
        with new_folder(own.raw) as folder:
            card.write_raw(folder, findings.tables, findings.card())
    encode.run(own)
    pretrain.run(own)
    reference.run(own)


def _draw(table: pa.Table, count: int | None, seed: int) -> pa.Table:
    """That many rows, in their order; all of them if there are no more."""
    chosen = np.random.default_rng(seed).permutation(table.num_rows)[:count]
    return table.take(pa.array(np.sort(chosen)))


def _runs(own: Workspace, settings: params.Params) -> dict[str, TrainingRun]:
    """VARIANT-SEED → a training of the prepared data."""
    return {
        f"{variant}-{seed}": TrainingRun.for_stage(
            __name__,
            variant,
            seed,
            settings.recipe(variant),
            data=own.encoded,
            pretrained=own.vectors,
            libraries=own.libraries,
            threads=settings.threads,
        )
        for seed in settings.seeds
        for variant in settings.models
    }


def _is_trained(own: Workspace, run: TrainingRun) -> bool:
    return is_trained(run, own.model(run.model, run.seed))


def _train(own: Workspace, run: TrainingRun) -> None:
    folder, checkpoint = own.model(run.model, run.seed), own.checkpoint(run.model, run.seed)
    train_once(run, folder, checkpoint, name=f"{run.model}-{run.seed}")


def _tested(own: Workspace, runs: Mapping[str, TrainingRun]) -> Document:
    """Compare the trained models, test their weights, and summarize."""
    trained = [run.fingerprint for run in runs.values()]

    def make() -> None:
        evaluate.run(own)
        explain.run(own)

    _once(own, "tested", [params.load_params(own.params).model_dump(), trained], make)
    return summarize(own)
