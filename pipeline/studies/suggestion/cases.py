"""Cases of data, each in a workspace of its own, trained as `data add` suggests.

`make suggestion-study` takes data of several kinds, `make size-study` one dataset in many sizes,
`make distractor-study` the same texts among more and more neutral sentences.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from pipeline import fingerprint, progress
from pipeline.core import params, schema
from pipeline.core.files import new_folder, read_json, read_table, write_csv, write_json
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
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.inference import predict
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Row = dict[str, Any]


def run_study(workspace: Workspace, part: Workspace, paths: Mapping[str, str]) -> list[Row]:
    """Run what has no result yet; returns the rows of `results.csv`, which grows with each run.

    All is trained in `.spotlight/`, and a finished run is kept until code or parameters change.

    Args:
        workspace: the project's files.
        part: the study's.
        paths: dataset → another `source.path` than that in params.yaml.

    Raises:
        ParamsError: params.yaml has no such dataset.
    """
    study = load_study(part.params)
    document: Any = schema.read_yaml(workspace.params)
    params.parse_params(document)
    for name in {*paths, *study.texts, *study.series}:
        params.parse_params({**document, "dataset": name})
    for name, path in paths.items():
        document["datasets"][name]["source"]["path"] = path
    rows: list[Row] = []
    for number, case in enumerate(study.cases, start=1):
        progress.say(f"\ncase {number} of {len(study.cases)}: {case.name}")
        for found in _runs(workspace, part, document, study, case):
            rows += found
            write_csv(part.results / "results.csv", rows)
    return rows


def _runs(
    workspace: Workspace, part: Workspace, document: Mapping[str, Any], study: Study, case: Case
) -> Iterator[list[Row]]:
    """The rows of the baselines, then those of each run."""
    own = Workspace(part.scratch / case.name)
    shared = {key: document[key] for key in ("training", "architectures", "threads")}
    # Not what lists the cases and runs: with more of them, those that are finished stay valid.
    own_values = study.model_dump(
        exclude={"models": True, "seeds": True, "texts": True, "series": True}
        | ({"distractors": {"lengths"}} if study.distractors else {})
    )
    mark = fingerprint.configuration(
        __name__,
        [],
        workspace.libraries,
        [case, own_values, document["datasets"][case.dataset], shared],
    )

    def once(name: str, make: Callable[[], Iterable[Row]]) -> list[Row]:
        kept = own.root / f"{name}.json"
        if not kept.exists() or read_json(kept)["fingerprint"] != mark:
            write_json(kept, {"fingerprint": mark, "rows": list(make())})
        rows: list[Row] = read_json(kept)["rows"]
        return rows

    yield once("baselines", lambda: _prepare(workspace, own, document, study, case))
    for model in study.models:
        for seed in study.seeds:
            yield once(f"{model}-{seed}", partial(_train, own, case, model, seed))


def _prepare(
    workspace: Workspace, own: Workspace, document: Mapping[str, Any], study: Study, case: Case
) -> Iterator[Row]:
    """Bring the data in, encode it, learn its vectors, and measure the baselines."""
    own.libraries.parent.mkdir(parents=True, exist_ok=True)
    own.libraries.write_bytes(workspace.libraries.read_bytes())
    entry = params.parse_params({**document, "dataset": case.dataset}).entry
    with tempfile.TemporaryDirectory(dir=own.root) as cache:
        if isinstance(entry, params.SeriesEntry):
            suggestion = _bring_series(own, entry, case, home=workspace.home, cache=Path(cache))
        else:
            suggestion = _bring_texts(
                own, entry.source, study, case, home=workspace.home, cache=Path(cache)
            )
    changed = {
        "source": document["datasets"][case.dataset]["source"],
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
    reference.run(own)
    for name in read_baseline_names(own):
        found = {s: read_predictions(own.reference(name) / f"{s}.parquet") for s in SPLITS[1:]}
        yield from _rows(own, case, name, found)


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
    return for_texts(texts, rows=round(0.8 * len(texts)))


def _bring_series(
    own: Workspace, entry: params.SeriesEntry, case: Case, *, home: Path, cache: Path
) -> Suggestion:
    """Write `data/raw` with that target, and suggest parameters for it."""
    source = entry.source.model_copy(update={"target": case.target})
    findings = check_series(series.load_series(case.dataset, source, home=home, cache=cache))
    with new_folder(own.raw) as folder:
        card.write_raw(folder, findings.tables, findings.card())
    values = findings.tables["train"][case.target].to_numpy().astype(np.float64)
    return for_series(values, rows=sum(table.num_rows for table in findings.tables.values()))


def _draw(table: pa.Table, count: int, seed: int) -> pa.Table:
    """That many rows, in their order; all of them if there are no more."""
    chosen = np.random.default_rng(seed).permutation(table.num_rows)[:count]
    return table.take(pa.array(np.sort(chosen)))


def _train(own: Workspace, case: Case, model: str, seed: int) -> Iterator[Row]:
    keras.backend.clear_session()  # layers are numbered per process
    settings = params.load_params(own.params)
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
    yield from (row | of_run for row in _rows(own, case, model, predicted))
    checkpoint.remove()


def _rows(
    own: Workspace, case: Case, model: str, predicted: Mapping[str, Predictions]
) -> Iterator[Row]:
    """One row; with distractors, one for each place of them in the test texts."""
    about = read_json(own.encoded / "encoding.json")

    def measured(name: str, rows: Any = slice(None)) -> str:
        right = scores([predicted[name]], about["task"])
        return f"{right[:, rows].mean():.6g}"

    row = {
        "dataset": case.dataset,
        "rows": about["splits"]["train"]["rows"],
        "target": case.target or "",
        "metric": "mse" if about["task"] == "regression" else "accuracy",
        "model": model,
        "seed": "",
        "validation": measured("validation"),
    }
    last = {"best_epoch": "", "epochs": ""}
    if not case.length:
        yield {**row, "test": measured("test"), **last}
        return
    at = read_table(own.raw / "test.parquet", ["place"])["place"].to_numpy()
    at = at[predicted["test"].rows]
    train = measured("train") if "train" in predicted else ""
    for place in PLACES:
        of_place = {"test": measured("test", at == place), **last}
        yield {**row, "length": case.length, "place": place, "train": train, **of_place}
