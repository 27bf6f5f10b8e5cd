"""What MLflow recorded of a run: enough to train it again and to compare the results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pipeline.core.files import read_json
from pipeline.errors import ArtifactError
from pipeline.tracking import store
from pipeline.tracking.records import measured
from pipeline.tracking.runs import CHANGES
from pipeline.workspace import Workspace

WEIGHTS = "model.weights.h5"


@dataclass(frozen=True)
class RecordedRun:
    """A model that was trained with one seed.

    Attributes:
        title: the run's name.
        card: its `model.json`.
        commit: the checked-out commit when it was trained.
        dirty: whether tracked files differed from it.
        changes: the file with the differences; None if they were not recorded.
        data: DVC's hash of `data/raw`.
        environment: tags of libraries, processor and GPUs.
        metrics: on validation and test.
        files: file name → its copy, of the files that training wrote.
    """

    title: str
    card: Mapping[str, Any]
    commit: str
    dirty: bool
    changes: Path | None
    data: str
    environment: Mapping[str, str]
    metrics: Mapping[str, float]
    files: Mapping[str, Path]


def read_run(workspace: Workspace, identity: str, scratch: Path) -> RecordedRun:
    """Read a run of the project's MLflow.

    Args:
        workspace: the project's files.
        identity: the run's id.
        scratch: an empty folder, for its files.

    Raises:
        ArtifactError: there is no such run, or it can't be trained again.
        TrackingError: MLflow can't be reached or used.
    """
    place = store.locate(workspace.home)
    if place.database is not None and not place.database.exists():
        raise ArtifactError("This project has no MLflow store yet.", fix="make repro")
    client = store.connect(place)
    with store.readable_errors(place):
        try:
            run = client.get_run(identity)
        except MlflowException as error:
            if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
            raise ArtifactError(
                f"MLflow has no run {identity}.", fix="copy a run's id from its page: make ui"
            ) from None
        _check(client, run)
        files = _files(client, run, place.uri, scratch)
    tags = run.data.tags
    if "model.json" not in files:
        raise ArtifactError(
            f"The files of run {identity} are gone.", fix="restore mlartifacts/, or name another."
        )
    return RecordedRun(
        title=str(run.info.run_name),
        card=read_json(files["model.json"]),
        commit=tags["mlflow.source.git.commit"],
        dirty=tags.get("mlflow.source.git.dirty") == "true",
        changes=files.pop(CHANGES, None),
        data=_digest(run),
        environment={
            key: value
            for key, value in tags.items()
            if key.startswith("version.") or key in {"processor", "gpus"}
        },
        metrics={
            key: value
            for key, value in run.data.metrics.items()
            if key.startswith(("test/", "validation/"))
        },
        files={name: path for name, path in files.items() if name != "model.json"},
    )


def metrics_of(folder: Path, card: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a model's folder, as a run has them."""
    return measured(folder, card["task"])


def _check(client: mlflow.MlflowClient, run: Run) -> None:
    """Refuse a run that is not of one model with one seed, or says too little."""
    tags, name = run.data.tags, f"The run {run.info.run_id}, {run.info.run_name},"
    if tags.get("kind") != "run" or "length" in run.data.params:
        below = client.search_runs(
            [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
        )
        listed = ", ".join(f"{one.info.run_id} ({one.info.run_name})" for one in below)
        raise ArtifactError(
            f"{name} is not of one model with one seed in the main pipeline.",
            fix=f"name one of {listed}." if listed else "name the run of a model and a seed.",
        )
    if "mlflow.source.git.commit" not in tags:
        raise ArtifactError(
            f"{name} has no commit: it was trained without git.",
            fix="commit the project, and train it again: dvc repro",
        )
    digest = _digest(run)
    if not digest.endswith(".dir"):
        raise ArtifactError(
            f"{name} has no hash of its data from DVC{f', but {digest!r}' if digest else ''}.",
            fix="train it through DVC: dvc repro",
        )


def _digest(run: Run) -> str:
    """The hash of the run's data; empty if it has none."""
    used = run.inputs.dataset_inputs if run.inputs else []
    return str(used[0].dataset.digest) if used else ""


def _files(client: mlflow.MlflowClient, run: Run, uri: str, scratch: Path) -> dict[str, Path]:
    """What can be compared, and the uncommitted changes; what is gone is left out."""
    wanted = {"model.json", "history.csv", CHANGES}
    listed = [entry.path for entry in client.list_artifacts(run.info.run_id)]
    found = {}
    for name in [name for name in listed if name in wanted]:
        found[name] = Path(client.download_artifacts(run.info.run_id, name, str(scratch)))
    for entry in client.list_artifacts(run.info.run_id, "predictions"):
        path = Path(client.download_artifacts(run.info.run_id, entry.path, str(scratch)))
        found[path.name] = path
    models = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    for model in models[:1]:
        folder = mlflow.artifacts.download_artifacts(
            artifact_uri=model.artifact_location, dst_path=str(scratch / "model"), tracking_uri=uri
        )
        for path in Path(folder).rglob(WEIGHTS):
            found[WEIGHTS] = path
    return found
