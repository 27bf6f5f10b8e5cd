"""The cells that a study keeps → MLflow, in an experiment of the study's own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from pipeline import fingerprint
from pipeline.core.files import read_json
from pipeline.core.predictions import SPLITS
from pipeline.core.schema import read_yaml
from pipeline.studies.kept import BASELINES, Cell, Kept, Row
from pipeline.tracking import records, store
from pipeline.tracking.provenance import SOURCE_TYPES, DataVersion
from pipeline.tracking.records import Kind, Record
from pipeline.tracking.runs import Experiment, State
from pipeline.tracking.sync import Summary, hold
from pipeline.workspace import Workspace

_COSTS = {"best_epoch": "best_epoch", "epochs": "epochs", "seconds": "usage/wall_seconds"}
_OTHERS = {"metric", "place", "model", "seed"}  # columns that are no parameters, or named besides


def track_cells(
    workspace: Workspace, part: Workspace, cells: Mapping[str, Cell], *, dataset: str = ""
) -> Summary:
    """Record a study's finished cells in MLflow, each once, and its tables and figures.

    Args:
        workspace: the project's files.
        part: the study's.
        cells: all of them.
        dataset: of rows that don't name one.

    Raises:
        ArtifactError: a cell is damaged.
        TrackingError: MLflow can't be reached or used. What was recorded stays, and the next
            call completes it.
    """
    name = f"{part.base.name}-study"
    document: Any = read_yaml(workspace.params)
    found: dict[tuple[str, Any], list[Record]] = {}  # dataset, rows → runs
    for title, cell in cells.items():
        rows = cell.kept.rows() if cell.kept.valid else []
        if rows:
            data = (rows[0].get("dataset", dataset), rows[0].get("rows"))
            found.setdefault(data, []).extend(_runs(name, title, cell.kept, rows))
    place = store.locate(workspace.home)
    client = store.connect(place)
    states: dict[str, State] = {}
    with store.readable_errors(place), store.alone(workspace.home):
        experiment = store.experiment(client, place, name)
        for number, ((used, count), runs) in enumerate(found.items(), start=1):
            version = _data(used, document["datasets"][used]["source"], count)
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


def _data(dataset: str, source: Mapping[str, Any], count: int | None) -> DataVersion:
    """Of which dataset, and how many of its rows train and validation have if not all."""
    return DataVersion(
        name=dataset,
        digest=fingerprint.digest([], [source, count])[:36],
        source_type=SOURCE_TYPES.get(source["kind"], "local"),
        source=json.dumps(source),
        rows={"train and validation": count} if count else {},
        classes=(),
        columns={},
    )


def _summary(study: str, part: Workspace) -> Record:
    """The run that holds the study's tables and figures."""
    files = sorted(path for path in part.results.glob("*") if path.is_file())
    ended = max(map(records.milliseconds, files))
    return Record(
        name="summary",
        kind="comparison",
        fingerprint=records.hashed(study, "summary"),
        params={},
        tags={"kind": "comparison"},
        note="Tables and figures of all runs that are finished.",
        files=records.named("", files),
        started=ended,
        ended=ended,
    )
