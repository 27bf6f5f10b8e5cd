"""A model's address → its parts: the champion, a version, a run or a folder."""

import re
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline import fingerprint
from pipeline.core.files import read_json
from pipeline.core.sequences import NETWORK_INPUTS
from pipeline.errors import ArtifactError
from pipeline.serving.model import collect_parts
from pipeline.tracking import store
from pipeline.workspace import Workspace

_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, the id of a run, or results/models/MODEL-SEED"
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def champion(dataset: str) -> str:
    """The address of a dataset's champion."""
    return f"models:/spotlight-{dataset}@champion"


def find_parts(workspace: Workspace, address: str, scratch: Path) -> Path:
    """The folder of a model's parts, which `LoadedParts` loads.

    Args:
        workspace: the project's files.
        address: one of the forms above, or a folder that MLflow can load.
        scratch: an empty folder, for what has to be copied.

    Raises:
        ArtifactError: there is no such model, or a file of it is missing.
        TrackingError: MLflow can't be reached or used.
    """
    folder = Path(address).expanduser()
    if (folder / "model.json").is_file():
        return _trained(workspace, folder, scratch)
    return parts_of(find_packed(workspace, address, scratch), address)


def find_packed(workspace: Workspace, address: str, scratch: Path) -> Path:
    """The folder of a packed model, which MLflow can load; see `find_parts`.

    Raises:
        ArtifactError: there is no such model.
        TrackingError: MLflow can't be reached or used.
    """
    if address.startswith("models:/") or re.fullmatch("[0-9a-f]{32}", address):
        return _download(workspace, address, scratch)
    folder = Path(address).expanduser()
    if (folder / "model.json").is_file():
        raise ArtifactError(
            f"{address} is what training left; only a model that was packed for MLflow is served.",
            fix="name its run's id (make ui), models:/NAME@ALIAS, or models:/NAME/VERSION.",
        )
    if not (folder / "MLmodel").is_file():
        raise ArtifactError(f"There is no model {address!r}.", fix=f"name one as {_FORMS}.")
    return folder


def changed_code(parts: Path) -> list[str]:
    """The modules that decide an answer and differ from those that the model was packed with."""
    code = parts.parents[1] / "code" / "pipeline"
    if not code.is_dir():
        return []
    deciding = {
        path.relative_to(fingerprint.PACKAGE)
        for path in fingerprint.modules("pipeline.serving.model")
    }
    return [
        str(path)
        for path in sorted(deciding)
        if path.parts[0] != "serving" and not _same(fingerprint.PACKAGE / path, code / path)
    ]


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


# ── a folder ─────────────────────────────────────────────────────────────────────────────


def _trained(workspace: Workspace, folder: Path, scratch: Path) -> Path:
    """The parts of a model that `train` wrote in this workspace."""
    card, about = read_json(folder / "model.json"), read_json(workspace.encoded / "encoding.json")
    for key in ("dataset", "classes", *NETWORK_INPUTS):
        if card.get(key) != about.get(key) and key in about:
            raise ArtifactError(
                f"{folder} was trained on other data than data/encoded holds: `{key}` is "
                f"{card.get(key)!r} in its model.json and {about.get(key)!r} there.",
                fix="bring both up to date: dvc repro",
            )
    found: Mapping[str, Any] = {}
    if workspace.comparison.exists():
        found = read_json(workspace.comparison).get("calibration") or {}
    fitted = found.get(card["model"], {}).get("per_seed", [])
    temperature = next((one["temperature"] for one in fitted if one["seed"] == card["seed"]), None)
    parts = scratch / "artifacts" / "model"  # as in a packed model
    collect_parts(parts, folder=folder, encoded=workspace.encoded, temperature=temperature)
    return parts


def parts_of(folder: Path, address: str) -> Path:
    """The parts in a packed model.

    Raises:
        ArtifactError: they are not there.
    """
    try:
        flavor = Model.load(str(folder)).flavors["python_function"]
        parts: Path = folder / flavor["artifacts"]["model"]["path"]
    except (KeyError, MlflowException, OSError):
        parts = folder / "missing"
    if not (parts / "model.json").is_file():
        raise ArtifactError(
            f"The files of {address} are not in {folder}, or it is no model of Spotlight.",
            fix="python -m pipeline track packs the models of results/ again; or restore "
            "mlartifacts/, or name another model: --model results/models/MODEL-SEED.",
        )
    return parts


# ── MLflow ───────────────────────────────────────────────────────────────────────────────


def _download(workspace: Workspace, address: str, scratch: Path) -> Path:
    """The packed model of an address in MLflow, on this machine."""
    place = store.locate(workspace.home)
    if place.database is not None and not place.database.exists():
        raise _absent(address, "This project has no MLflow store yet")
    client = store.connect(place)
    with store.readable_errors(place):
        if address.startswith("models:/"):
            source = _registered(client, address)
        else:
            source = _of_run(client, address)
        location = urllib.parse.urlsplit(source)
        if location.scheme == "file":  # it stays where it is
            path: str = urllib.request.url2pathname(location.path)
            return Path(path)
        downloaded: str = mlflow.artifacts.download_artifacts(
            artifact_uri=source, dst_path=str(scratch), tracking_uri=place.uri
        )
        return Path(downloaded)


def _registered(client: mlflow.MlflowClient, address: str) -> str:
    """Where the files of a registered or logged model are."""
    found = re.fullmatch(
        r"models:/(?:(?P<id>m-[^/@]+)|(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+)))",
        address,
    )
    if found is None:
        raise ArtifactError(f"{address!r} is no address of a model.", fix=f"write {_FORMS}.")
    try:
        if found["id"]:
            return str(client.get_logged_model(found["id"]).artifact_location)
        if found["alias"]:
            version = client.get_model_version_by_alias(found["name"], found["alias"])
        else:
            version = client.get_model_version(found["name"], found["version"])
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
        raise _absent(address, f"MLflow has no {address}") from None
    return str(version.source)


def _of_run(client: mlflow.MlflowClient, identity: str) -> str:
    """Where the files of a run's model are."""
    try:
        run = client.get_run(identity)
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
        raise ArtifactError(
            f"MLflow has no run {identity}.", fix="copy a run's id from its page: make ui"
        ) from None
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{identity}'")
    if not models:
        raise ArtifactError(
            f"The run {identity}, {run.info.run_name}, has no model{_children(client, run)}.",
            fix="name the run of one model with one seed.",
        )
    return str(models[0].artifact_location)


def _children(client: mlflow.MlflowClient, run: Run) -> str:
    """The runs below a run, for an error."""
    below = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    )
    listed = ", ".join(f"{one.info.run_id} ({one.info.run_name})" for one in below)
    return f"; it is the mean of {listed}" if listed else ""


def _absent(address: str, fact: str) -> ArtifactError:
    if not address.endswith("@champion"):
        return ArtifactError(f"{fact}.", fix=f"name a model as {_FORMS}.")
    return ArtifactError(
        f"There is no champion yet: {fact}.",
        fix="make repro (it trains the models and registers the best one that passes `registry` in "
        "params.yaml), or name a model: --model results/models/MODEL-SEED.",
    )
