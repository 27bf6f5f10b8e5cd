"""The length study's files → MLflow, in its own experiment."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline import fingerprint
from pipeline.core.files import read_json
from pipeline.studies.length.settings import Study, words
from pipeline.tracking import records, store
from pipeline.tracking.provenance import DataVersion, dvc_hash, origin
from pipeline.tracking.records import Record
from pipeline.tracking.runs import Experiment, State
from pipeline.tracking.sync import Summary, hold
from pipeline.workspace import Workspace

NAME = "length-study"


def track_study(study: Workspace, wanted: Study) -> Summary:
    """Record every run of the study's files in MLflow, and its summary.

    Args:
        study: the study's files.
        wanted: which runs to look for.

    Raises:
        ArtifactError: a file is damaged.
        TrackingError: MLflow can't be reached or used. What was recorded stays, and the next
            call completes it.
    """
    found = {length: _trained(study, wanted, length) for length in wanted.trained}
    place = store.locate(study.home)
    client = store.connect(place)
    states: dict[str, State] = {}
    with store.readable_errors(place), store.alone(study.home):
        experiment = store.experiment(client, place, NAME)
        versions = []
        for length, runs in found.items():
            if runs:
                versions.append(_data(study, wanted, length))
                states |= hold(Experiment(client, experiment, versions[-1]), runs, pack=None)
        everything = [run for runs in found.values() for run in runs if run.kind == "run"]
        if study.summary.exists() and len(everything) == len(wanted.runs):
            summary = _summary(study, read_json(study.summary), everything)
            states |= hold(Experiment(client, experiment, _all(versions)), [summary], pack=None)
    return Summary(str(place), NAME, states, champion="")


def _trained(study: Workspace, wanted: Study, length: str) -> list[Record]:
    """The models of one length, each followed by its runs."""
    runs = [
        (f"{length}-{model}", seed) for model in wanted.trained[length] for seed in wanted.seeds
    ]
    note = (
        f"Trained on reviews of {length} words with the evidence anywhere, as in `test`. In "
        "`test_start`, `test_middle` and `test_end` the same reviews have it there."
    )
    return [
        replace(record, note=note) if record.kind == "run" else record
        for record in records.models(study, runs)
    ]


def _data(study: Workspace, wanted: Study, length: str) -> DataVersion:
    """The reviews of one length."""
    folder = study.encoded / length
    about = read_json(folder / "encoding.json")
    known = dvc_hash(study.lock, folder.relative_to(study.base).as_posix())
    source = {"kind": "demo", "words": words(length), **wanted.corpus.model_dump()}
    return DataVersion(
        name=f"demo {length}",
        digest=known or fingerprint.digest(sorted(folder.iterdir()), None)[:36],
        source_type="code",
        source=json.dumps(source),
        rows={name: split["rows"] for name, split in about["splits"].items()},
        classes=tuple(about["classes"]),
        columns={"text": "string", "label": "long"},
    )


def _all(versions: list[DataVersion]) -> DataVersion:
    """The reviews of all lengths."""
    return replace(
        versions[0],
        name="demo, all lengths",
        digest=records.hashed(*(version.digest for version in versions))[:36],
        source=json.dumps([json.loads(version.source) for version in versions]),
        rows={name: sum(version.rows[name] for version in versions) for name in versions[0].rows},
    )


def _summary(study: Workspace, document: Mapping[str, Any], compared: list[Record]) -> Record:
    """The run that holds the answer, its figure and its table."""
    ended = records.milliseconds(study.summary)
    return Record(
        name="summary",
        kind="comparison",
        fingerprint=records.hashed(
            NAME,
            json.dumps(document["method"], sort_keys=True),
            *sorted(run.fingerprint for run in compared),
        ),
        params={
            "lengths": ", ".join(document["accuracy"]["anywhere"]),
            "models": ", ".join(document["changes"]["models"]),
            **{f"method/{key}": json.dumps(value) for key, value in document["method"].items()},
        },
        tags={"kind": "comparison", **origin(study.root, stage="summary")},
        metrics=_advantages(document),
        history=_curve(document),
        note="\n\n".join([document["claim"], document["answer"]]),
        files=records.named("", sorted(path for path in study.results.glob("*") if path.is_file())),
        started=ended,
        ended=ended,
    )


def _curve(document: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """Every accuracy, with the length as its step, so that MLflow plots it against length."""
    accuracy = document["accuracy"]
    return {
        sum(words(length)) // 2: {
            f"accuracy {position}/{model}": found["accuracy"]
            for position, lengths in accuracy.items()
            for model, found in lengths[length].items()
        }
        for length in accuracy["anywhere"]
    }


def _advantages(document: Mapping[str, Any]) -> dict[str, float]:
    """Attention's advantage at each length, evidence anywhere."""
    return {
        f"advantage over {one['against']}/{one['length']}": one["difference"]
        for one in document["advantages"]
        if one["position"] == "anywhere"
    }
