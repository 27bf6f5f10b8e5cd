"""MLflow's runs: find and complete one from its record, with its model, and count them by data."""

import hashlib
import json
import math
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import mlflow
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.models import Model

from pipeline.core.files import sha256
from pipeline.errors import TrackingError
from pipeline.tracking import store
from pipeline.tracking.provenance import DataVersion
from pipeline.tracking.records import Record, Servable

State = Literal["created", "completed", "unchanged"]
FINGERPRINT = "fingerprint"
SERVED = "served"
SIZES = "spotlight.sizes"  # of a packed model, the sizes of its files
CHANGES = "changes.patch"  # the artifact with a run's uncommitted changes
_ARTIFACTS, _NOTE = "artifacts.sha256", "mlflow.note.content"
_UPLOAD = 3600  # seconds that an upload may take
_BATCH = 1000  # most metrics in one request


class Pack(Protocol):
    """Writes a model that MLflow can serve into a new folder."""

    def __call__(
        self, destination: Path, *, folder: Path, encoded: Path, temperature: float | None
    ) -> None: ...


# ── one run ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Experiment:
    """An MLflow experiment, and the data that the workspace's runs used.

    Attributes:
        client: of the store.
        id: the experiment's.
        data: what the runs used.
        shared: whether other clones may be recording in it at this moment.
    """

    client: mlflow.MlflowClient
    id: str
    data: DataVersion
    shared: bool = False


def find(client: mlflow.MlflowClient, experiment: str, fingerprint: str) -> Run | None:
    """The run with that fingerprint; of several, which only a race creates, one is kept."""
    found = client.search_runs(
        [experiment], f"tags.{FINGERPRINT} = '{fingerprint}'", order_by=["attributes.start_time"]
    )
    # A registered model may be of one that is complete.
    runs = sorted(found, key=lambda run: run.info.status != "FINISHED")
    for run in runs[1:]:
        for model in client.search_logged_models(
            [experiment], f"source_run_id = '{run.info.run_id}'"
        ):
            client.delete_logged_model(model.model_id)
        client.delete_run(run.info.run_id)
    return runs[0] if runs else None


def start(client: mlflow.MlflowClient, experiment: str, record: Record, began: int) -> Run:
    """Create a record's run, with what is known at its start."""
    tags = {**record.tags, FINGERPRINT: record.fingerprint}
    run = client.create_run(
        experiment, start_time=began, tags=tags, run_name=record.title or record.name
    )
    _log(client, run, params=record.params)
    if record.changes:
        with tempfile.TemporaryDirectory() as scratch:
            patch = Path(scratch) / CHANGES
            patch.write_bytes(record.changes)
            client.log_artifact(run.info.run_id, str(patch))
    return run


def synchronize(
    experiment: Experiment, record: Record, *, parent: str | None, pack: Pack | None
) -> tuple[str, State]:
    """Create or complete a record's run; a second call changes nothing.

    Args:
        experiment: where.
        record: what the run should hold.
        parent: id of its parent run.
        pack: writes the record's model, if it has one; None if models aren't served.

    Returns:
        The run's id, and what was done.
    """
    client = experiment.client
    found = find(client, experiment.id, record.fingerprint)
    run = found or start(client, experiment.id, record, record.started)
    if found is None and experiment.shared:  # another clone may have started it, too
        run = find(client, experiment.id, record.fingerprint) or run
    tags = {key: value for key, value in record.tags.items() if key not in run.data.tags}
    renewed = {_NOTE: record.note, "mlflow.parentRunId": parent}
    tags |= {key: value for key, value in renewed.items() if value and _tag(run, key) != value}
    params = {key: value for key, value in record.params.items() if key not in run.data.params}
    epochs = _missing_epochs(client, run, record)
    model, new_model = _pack(experiment, run, record, pack)
    # Of two values at one step, MLflow shows the later one.
    metrics = [
        Metric(
            key,
            value,
            _later(client, run, key) if key in run.data.metrics else record.ended,
            0,
            model,
        )
        for key, value in record.metrics.items()
        if not _same(run.data.metrics.get(key), value)
    ]
    _log(client, run, params=params, metrics=[*epochs, *metrics], tags=tags)
    data = run.inputs is None or not run.inputs.dataset_inputs
    if data:
        client.log_inputs(run.info.run_id, [_dataset(experiment.data)])
    uploaded = _upload(client, run, record.files)
    ended = run.info.status == "FINISHED"
    if not ended:
        client.set_terminated(run.info.run_id, "FINISHED", record.ended)
    changed = any([tags, params, epochs, metrics, data, uploaded, new_model, not ended])
    return run.info.run_id, "created" if found is None else "completed" if changed else "unchanged"


def _log(
    client: mlflow.MlflowClient,
    run: Run,
    *,
    params: Mapping[str, str] | None = None,
    metrics: Iterable[Metric] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    described = [Param(key, value) for key, value in (params or {}).items()]
    tagged = [RunTag(key, value) for key, value in (tags or {}).items()]
    measured = list(metrics)
    if described or tagged:
        client.log_batch(run.info.run_id, params=described, tags=tagged)
    for first in range(0, len(measured), _BATCH):
        client.log_batch(run.info.run_id, metrics=measured[first : first + _BATCH])


def _missing_epochs(client: mlflow.MlflowClient, run: Run, record: Record) -> list[Metric]:
    """The metrics of the history that the run lacks."""
    keys = {key for metrics in record.history.values() for key in metrics}
    known = {
        key: {metric.step for metric in client.get_metric_history(run.info.run_id, key)}
        for key in keys & run.data.metrics.keys()
    }
    # The end of each epoch is not recorded: they are spread over the run's time.
    share = (record.ended - record.started) / max(len(record.history), 1)
    return [
        Metric(key, value, record.started + int(share * epoch), epoch)
        for epoch, metrics in record.history.items()
        for key, value in metrics.items()
        if epoch not in known.get(key, ())
    ]


def _later(client: mlflow.MlflowClient, run: Run, key: str) -> int:
    """Now, in milliseconds; if the clock was set back, just after the metric's latest value."""
    known = client.get_metric_history(run.info.run_id, key)
    return max(int(1000 * time.time()), 1 + max(metric.timestamp for metric in known))


def _same(known: float | None, value: float) -> bool:
    return known is not None and (
        math.isclose(known, value, rel_tol=1e-9, abs_tol=1e-12)
        or (math.isnan(known) and math.isnan(value))
    )


def _tag(run: Run, key: str) -> str | None:
    tag: str | None = run.data.tags.get(key)
    return tag


def _dataset(data: DataVersion) -> DatasetInput:
    columns = [{"name": name, "type": kind} for name, kind in data.columns.items()]
    dataset = Dataset(
        name=data.name,
        digest=data.digest,
        source_type=data.source_type,
        source=data.source,
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": sum(data.rows.values()), **data.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training and evaluation")])


def _upload(client: mlflow.MlflowClient, run: Run, files: Mapping[str, Path]) -> bool:
    """Upload a record's files, unless the run already has them."""
    digest = hashlib.sha256()
    for place, path in files.items():
        digest.update(f"{place}\n{sha256(path)}\n".encode())
    if _tag(run, _ARTIFACTS) == digest.hexdigest():
        present = {file.path for file in client.list_artifacts(run.info.run_id)}
        if {place.split("/")[0] for place in files} <= present:
            return False
    for place, path in files.items():
        client.log_artifact(run.info.run_id, str(path), str(Path(place).parent).removeprefix("."))
    client.set_tag(run.info.run_id, _ARTIFACTS, digest.hexdigest())
    return bool(files)


# ── the model in it ─────────────────────────────────────────────────────────────────────


def identity(record: Record, servable: Servable) -> str:
    """The identity of a packed model: what it is a function of."""
    return f"{record.fingerprint} at temperature {servable.temperature or 1:.6f}"


def packed(experiment: Experiment, run: Run, served: str) -> LoggedModel | None:
    """The run's model with that identity; half-uploaded models are deleted.

    Of several, which only a race of clones creates, it is the one that was there first.
    """
    models = experiment.client.search_logged_models(
        [experiment.id], f"source_run_id = '{run.info.run_id}'"
    )
    ready = []
    for model in models:
        if model.status == LoggedModelStatus.READY:
            ready += [model] * (model.tags.get(SERVED) == served)
        elif not (experiment.shared and _is_recent(model)):
            experiment.client.delete_logged_model(model.model_id)
    return min(ready, key=lambda one: (one.last_updated_timestamp, one.model_id), default=None)


def _is_whole(model: LoggedModel) -> bool:
    """Whether a model's files on this machine are those that were packed, by their sizes.

    Files elsewhere are taken to be whole.
    """
    location = urllib.parse.urlsplit(model.artifact_location)
    if location.scheme not in {"", "file"}:
        return True
    folder = Path(urllib.request.url2pathname(location.path))
    there = (folder / "MLmodel").is_file()
    return there and model.tags.get(SIZES) in {None, _sizes(folder)}  # None: packed by older code


def _sizes(folder: Path) -> str:
    """The sizes of a packed model's own files, as JSON."""
    parts = folder / "artifacts"
    files = {str(one.relative_to(parts)): one.stat().st_size for one in parts.rglob("*.*")}
    return json.dumps(files, sort_keys=True)


def _is_recent(model: LoggedModel) -> bool:
    """Whether another clone may still be uploading it."""
    return time.time() - model.creation_timestamp / 1000 < _UPLOAD


def _pack(
    experiment: Experiment, run: Run, record: Record, pack: Pack | None
) -> tuple[str | None, bool]:
    """The id of the run's model, and whether it was packed by this call."""
    if record.servable is None or pack is None:
        return None, False
    client, servable = experiment.client, record.servable
    served = identity(record, servable)
    known = packed(experiment, run, served)
    if known and _is_whole(known):
        return known.model_id, False
    model = known or client.create_logged_model(
        experiment.id,
        name=record.name,
        source_run_id=run.info.run_id,
        params=dict(record.params),
        tags={SERVED: served},
        model_type=record.params["model"],
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        pack(
            folder,
            folder=servable.folder,
            encoded=servable.encoded,
            temperature=servable.temperature,
        )
        description = Model.load(str(folder))
        description.model_id, description.run_id = model.model_id, run.info.run_id
        description.artifact_path = model.artifact_location
        description.save(str(folder / "MLmodel"))
        client.log_model_artifacts(model.model_id, str(folder))
        client.set_logged_model_tags(model.model_id, {SIZES: _sizes(folder)})
    if known:  # its files were damaged, and are those of before again
        return known.model_id, True
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    if (first := packed(experiment, run, served)) and first.model_id != model.model_id:
        client.delete_logged_model(model.model_id)  # another clone was faster
        return first.model_id, False
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model.model_id, True


# ── all runs ────────────────────────────────────────────────────────────────────────────


def runs_by_data(home: Path) -> Mapping[str, int] | None:
    """Digest of the data → how many runs used it; None if MLflow can't be reached.

    The project's own store is not created for this.
    """
    place = store.locate(home)
    if place.database is not None and not place.database.exists():
        return {}
    try:
        client = store.connect(place)
        with store.readable_errors(place):
            return Counter(_digests(client))
    except TrackingError:
        return None


def _digests(client: mlflow.MlflowClient) -> Iterator[str]:
    """The digest of every run's data."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    token = None
    while experiments:
        page = client.search_runs(experiments, page_token=token)
        for run in page:
            if run.inputs is not None:
                yield from (given.dataset.digest for given in run.inputs.dataset_inputs)
        token = page.token
        if not token:
            return
