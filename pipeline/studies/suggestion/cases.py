"""Cases of data, each in a workspace of its own, trained as `data add` suggests.

`make suggestion-study` takes data of several kinds, `make size-study` one dataset in many sizes,
`make distractor-study` the same texts among more and more neutral sentences.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from pipeline import fingerprint, progress
from pipeline.core import params, runtime, schema
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
from pipeline.studies.cells import cell_named, run_cells
from pipeline.studies.distractor.texts import lengthen
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.inference import predict
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Row = dict[str, Any]
BASELINES = "baselines"  # of a case: the cell that the others need


@dataclass(frozen=True)
class Cell:
    """What is made at once, and kept: a case's baselines, or one of its trainings.

    Attributes:
        kept: the file with its rows.
        mark: of code and parameters; other rows are made anew.
        make: makes the rows.
    """

    kept: Path
    mark: str
    make: Callable[[], Iterable[Row]]

    @property
    def stale(self) -> bool:
        """Whether it has to be made."""
        return not self.kept.exists() or bool(read_json(self.kept)["fingerprint"] != self.mark)

    def rows(self) -> list[Row]:
        """Its rows, made unless they are kept."""
        if self.stale:
            write_json(self.kept, {"fingerprint": self.mark, "rows": list(self.make())})
        rows: list[Row] = read_json(self.kept)["rows"]
        return rows


def run_study(
    workspace: Workspace,
    part: Workspace,
    paths: Mapping[str, str],
    *,
    jobs: int = 1,
    only: str | None = None,
) -> list[Row]:
    """Run what has no result yet; returns the rows of `results.csv`, which grows with each run.

    All is trained in `.spotlight/`, and a finished run is kept until code or parameters change.

    Args:
        workspace: the project's files.
        part: the study's.
        paths: dataset → another `source.path` than that in params.yaml.
        jobs: cells at a time.
        only: the name of a cell: its rows are made, and returned, alone.

    Raises:
        ParamsError: params.yaml has no such dataset, or the study no such cell.
        PipelineError: cells that ran side by side failed.
    """
    cells = study_cells(workspace, part, paths)
    if only is not None:
        return cell_named(cells, only).rows()
    if jobs > 1:
        threads = params.load_params(workspace.params).threads
        stale = [name for name, cell in cells.items() if cell.stale]
        first = [name for name in stale if name.endswith(f"/{BASELINES}")]
        for some in (first, [name for name in stale if name not in first]):
            run_cells(workspace, part, some, paths=paths, jobs=jobs, threads=threads)
    rows: list[Row] = []
    for number, (name, cell) in enumerate(cells.items(), start=1):
        if cell.stale:
            progress.say(f"\n{number} of {len(cells)}: {name}")
        rows += cell.rows()
        write_csv(part.results / "results.csv", rows)
    return rows


def study_cells(workspace: Workspace, part: Workspace, paths: Mapping[str, str]) -> dict[str, Cell]:
    """Every cell, in the order of the study: CASE/baselines, which encodes it, CASE/MODEL-SEED, ….

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
    cells = {}
    for case in study.cases:
        own = Workspace(part.scratch / case.name)
        mark = _mark(workspace, document, study, case)
        makers: dict[str, Callable[[], Iterable[Row]]] = {
            BASELINES: partial(_prepare, workspace, own, document, study, case),
            **{
                f"{model}-{seed}": partial(_train, own, case, model, seed)
                for model in study.models
                for seed in study.seeds
            },
        }
        for name, make in makers.items():
            cells[f"{case.name}/{name}"] = Cell(own.root / f"{name}.json", mark, make)
    return cells


def _mark(workspace: Workspace, document: Mapping[str, Any], study: Study, case: Case) -> str:
    shared = {key: document[key] for key in ("training", "architectures", "threads")}
    # Not what lists the cases and runs: with more of them, those that are finished stay valid.
    own_values = study.model_dump(
        exclude={"models": True, "seeds": True, "texts": True, "series": True}
        | ({"distractors": {"lengths"}} if study.distractors else {})
    )
    return fingerprint.configuration(
        __name__,
        [],
        workspace.libraries,
        [case, own_values, document["datasets"][case.dataset], shared],
    )


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
