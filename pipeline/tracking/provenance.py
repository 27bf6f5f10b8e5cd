"""Where a run comes from: commit, DVC stage and experiment, data version, libraries."""

import getpass
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import machine
from pipeline.core.files import read_json
from pipeline.repository import git, git_bytes, locked_hash
from pipeline.workspace import Workspace

SOURCE_TYPES = {"hub": "hugging_face", "demo": "code"}  # kind → MLflow's; others are "local"
LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn")
# `dvc repro` writes these itself: a change in them is no change of the code.
_WRITTEN_BY_DVC = (":!dvc.lock", ":!results")
_LONGEST_DIFF = 1_000_000  # bytes


@dataclass(frozen=True)
class DataVersion:
    """The data that runs used, as MLflow shows it.

    Attributes:
        name: the dataset's name in `params.yaml`.
        digest: DVC's hash of `data/raw`, else the start of a hash of its content.
        source_type: "hugging_face", "local" or "code".
        source: JSON, where it comes from.
        rows: of each split.
        classes: their names; none for regression.
        columns: name → its MLflow type.
    """

    name: str
    digest: str
    source_type: str
    source: str
    rows: Mapping[str, int]
    classes: tuple[str, ...]
    columns: Mapping[str, str]


def dvc_experiment() -> str | None:
    """The name of the DVC experiment that is running; None outside `dvc exp run`."""
    return os.environ.get("DVC_EXP_NAME") or None


def origin(root: Path, *, stage: str) -> dict[str, str]:
    """Tags that say where a run comes from; they are set once, when it is created."""
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": stage,
        "dvc.stage": stage,
        **commit_tags(root),
        **environment(),
    }
    if experiment := dvc_experiment():
        tags["dvc.experiment"] = experiment
    return tags


def data_version(workspace: Workspace) -> DataVersion:
    """The version of the data in `data/raw`.

    Raises:
        ArtifactError: `data/raw/card.json` is missing or damaged.
    """
    card = read_json(workspace.raw / "card.json")
    splits = card["splits"]
    content = "".join(splits[name]["sha256"] for name in sorted(splits))
    return DataVersion(
        name=card["dataset"],
        digest=dvc_hash(workspace.lock, "data/raw") or content[:36],
        source_type=SOURCE_TYPES.get(card["source"].get("kind"), "local"),
        source=json.dumps({**card["source"], "revision": card.get("revision")}),
        rows={name: split["rows"] for name, split in splits.items()},
        classes=tuple(card["classes"]),
        columns=_columns(card),
    )


def _columns(card: Mapping[str, Any]) -> dict[str, str]:
    if card["kind"] == "text":
        return {"text": "string", "label": "long"}
    target = "long" if card["classes"] else "double"
    return {**dict.fromkeys(card["features"], "double"), card["target"]: target}


def dvc_hash(lock: Path, path: str) -> str | None:
    """DVC's own hash of an output; None if DVC recorded none."""
    try:
        return locked_hash(lock.read_text(encoding="utf-8"), path)
    except OSError:
        return None


@cache  # called for every run of a workspace
def commit_tags(root: Path) -> dict[str, str]:
    """The checked-out commit, and whether tracked files differ from it; nothing without git."""
    commit = git(root, "rev-parse", "HEAD")
    changed = git(
        root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN_BY_DVC
    )
    if commit is None or changed is None:
        return {}
    return {
        "mlflow.source.git.commit": commit.strip(),
        "mlflow.source.git.dirty": str(bool(changed.strip())).lower(),
    }


@cache
def changes(root: Path) -> bytes:
    """What tracked files differ in from the checked-out commit, as `git apply` reads it.

    Empty if nothing differs, without git, and if it is too long to record.
    """
    options = ["--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"]
    prefixes = ["--src-prefix=a/", "--dst-prefix=b/"]  # whatever the user's settings
    diff = git_bytes(root, "diff", "HEAD", *options, *prefixes, "--", ".", *_WRITTEN_BY_DVC)
    return diff if diff is not None and len(diff) < _LONGEST_DIFF else b""


@cache
def environment() -> dict[str, str]:
    """Tags of what may change the last digits of a result: libraries, processor and GPUs."""
    libraries = {f"version.{name}": version(name) for name in LIBRARIES}
    return {
        "version.python": platform.python_version(),
        **libraries,
        "processor": machine.processor(),
        "gpus": ", ".join(machine.gpus()) or "none",
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
