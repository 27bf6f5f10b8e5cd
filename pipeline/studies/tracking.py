"""A study's cells or other results → MLflow, in an experiment of the study's own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline import fingerprint
from pipeline.core.files import read_json
from pipeline.core.predictions import SPLITS
from pipeline.core.schema import read_yaml
from pipeline.studies.kept import BASELINES, Cell, Kept, Row
from pipeline.studies.parameters import own_files
from pipeline.tracking import records, store
from pipeline.tracking.provenance import SOURCE_TYPES, DataVersion
from pipeline.tracking.records import Kind, Record
from pipeline.tracking.runs import Experiment, State
from pipeline.tracking.sync import Summary, hold
from pipeline.workspace import Workspace

_COSTS = {"best_epoch": "best_epoch", "epochs": "epochs", "seconds": "usage/wall_seconds"}
_Data = tuple[str, int | None]  # a dataset, and how many of its rows if not all
_OTHERS = {"metric", "place", "model", "seed"}  # columns that are no parameters, or named besides


def track_cells(
    workspace: Workspace,
    part: Workspace,
    cells: Mapping[str, Cell],
    *,
    paths: Mapping[str, str],
    dataset: str = "",
) -> Summary:
    """Record a study's finished cells in MLflow, each once, and its tables and figures.

    Args:
        workspace: the project's files.
        part: the study's.
        cells: all of them.
        paths: dataset → a local copy.
        dataset: of rows that don't name one.

    Raises:
        ArtifactError: a cell is damaged.
        TrackingError: MLflow can't be reached or used. What was recorded stays, and the next
            call completes it.
    """
    name = _experiment_name(part)
    found: dict[_Data, list[Record]] = {}
    for title, cell in cells.items():
        rows = cell.kept.rows() if cell.kept.valid else []
        if rows:
            data = (rows[0].get("dataset", dataset), rows[0].get("rows"))
            found.setdefault(data, []).extend(_runs(name, title, cell.kept, rows))
    return _hold(workspace, part, found, paths)


def track_results(
    workspace: Workspace,
    part: Workspace,
    results: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    paths: Mapping[str, str],
) -> Summary:
    """Record a study's results in MLflow, each once, and its tables and figures.

    Args:
        workspace: the project's files.
        part: the study's.
        results: dataset → run → its values, which may be nested. Numbers are metrics, other
            values parameters.
        paths: dataset → a local copy.

    Raises:
        TrackingError: as `track_cells`.
    """
    name = _experiment_name(part)
    ended = _ended(part)
    found: dict[_Data, list[Record]] = {}
    for dataset, runs in results.items():
        for number, (title, values) in enumerate(runs.items(), start=1):
            flat = dict(_flat(values))
            metrics = {key: float(one) for key, one in flat.items() if not isinstance(one, str)}
            params = {key: one for key, one in flat.items() if isinstance(one, str)}
            record = Record(
                name=f"{dataset}/{title}",
                kind="run",
                fingerprint=records.hashed(name, dataset, title, json.dumps(flat)),
                params=params,
                tags={"kind": "run"},
                metrics=metrics,
                started=ended - number,  # MLflow lists the latest first
                ended=ended,
            )
            found.setdefault((dataset, None), []).append(record)
    return _hold(workspace, part, found, paths)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str | float]]:
    """Each value that is known, by the path to it; those of a list are one text."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}/")
        elif isinstance(value, list):
            yield f"{above}{key}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{above}{key}", value


def _experiment_name(part: Workspace) -> str:
    return f"{part.base.name}-study"


def _hold(
    workspace: Workspace,
    part: Workspace,
    found: Mapping[_Data, Sequence[Record]],
    paths: Mapping[str, str],
) -> Summary:
    """Record runs by the data that they saw, and last the study's tables and figures."""
    name = _experiment_name(part)
    document: Any = read_yaml(workspace.params)
    place = store.locate(workspace.home)
    client = store.connect(place)
    states: dict[str, State] = {}
    with store.readable_errors(place), store.alone(workspace.home):
        experiment = store.experiment(client, place, name)
        for number, ((used, count), runs) in enumerate(found.items(), start=1):
            source = document["datasets"][used]["source"]
            version = _data(used, source, count, own_files(workspace, source, paths.get(used)))
            everything = [*runs, _summary(name, part)] if number == len(found) else runs
            states |= hold(Experiment(client, experiment, version), everything, pack=None)
    return Summary(str(place), name, states, champion="")


def _runs(study: str, title: str, kept: Kept, rows: Sequence[Row]) -> Iterator[Record]:
    """A run for each model of a cell: of a training one, of the baselines several."""
    case, _, own = title.partition("/")
    code = read_json(kept.path)["code"]
    ended = records.milliseconds(kept.path)
    files = [path for path in (kept.path, kept.path.with_suffix(".parquet")) if path.exists()]
    for (model, seed), some in groupby(rows, lambda row: (row["model"], str(row["seed"]))):
        of_model = list(some)
        metrics = dict(_metrics(of_model))
        about = {"model": model, "seed": seed} if seed else {"model": model}
        kind: Kind = "reference" if own == BASELINES else "run"
        params = {
            key: str(value)
            for key, value in of_model[0].items()
            if value != "" and key not in {*SPLITS, *_COSTS, *_OTHERS}
        }
        yield Record(
            name=f"{case}/{model}-{seed}" if seed else f"{case}/{model}",
            kind=kind,
            fingerprint=records.hashed(study, title, model, kept.parameters, code),
            params={**params, "case": case, **about},
            tags={"kind": kind, **about, "parameters": kept.parameters, "code": code},
            metrics=metrics,
            files=records.named("", files),
            started=ended - round(1000 * metrics.get("usage/wall_seconds", 0)),
            ended=ended,
        )


def _metrics(rows: Sequence[Row]) -> Iterator[tuple[str, float]]:
    """Name → value; test has one for each place of a review among others, if there are several."""
    for row in rows:
        metric = row.get("metric", "accuracy")
        for split in SPLITS:
            if row.get(split, "") != "":
                place = f"_{row['place']}" if split == "test" and row.get("place") else ""
                yield f"{split}{place}/{metric}", float(row[split])
        for column, name in _COSTS.items():
            if row.get(column, "") != "":
                yield name, float(row[column])


def _data(
    dataset: str, source: Mapping[str, Any], count: int | None, files: list[dict[str, str]]
) -> DataVersion:
    """Of which dataset, and how many of its rows train and validation have if not all.

    Of `files`, see `own_files`.
    """
    return DataVersion(
        name=dataset,
        digest=fingerprint.digest([], [source, count, *files])[:36],
        source_type=SOURCE_TYPES.get(source["kind"], "local"),
        source=json.dumps(source),
        rows={"train and validation": count} if count else {},
        classes=(),
        columns={},
    )


def _summary(study: str, part: Workspace) -> Record:
    """The run that holds the study's tables and figures."""
    ended = _ended(part)
    return Record(
        name="summary",
        kind="comparison",
        fingerprint=records.hashed(study, "summary"),
        params={},
        tags={"kind": "comparison"},
        note="Tables and figures of all runs that are finished.",
        files=records.named("", _files(part)),
        started=ended,
        ended=ended,
    )


def _files(part: Workspace) -> list[Path]:
    return sorted(path for path in part.results.glob("*") if path.is_file())


def _ended(part: Workspace) -> int:
    """When the last of them was written, in milliseconds since 1970."""
    return max(map(records.milliseconds, _files(part)))
