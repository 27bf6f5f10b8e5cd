"""`reproduce`: train a recorded run again, from its commit and its data, and compare."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ArtifactError, DataError
from pipeline.repository import PipelineError, dvc_repro, git, worktree
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.tracking.recorded import RecordedRun

_BEFORE = ("check", "encode", "pretrain")  # the stages that training needs, besides the data


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "train a run of MLflow again, from its commit and its data, and compare the bytes"
    parser = commands.add_parser("reproduce", description=about)
    parser.add_argument("identity", metavar="RUN_ID", help="of one model with one seed: make ui")
    parser.set_defaults(run=run)


def run(workspace: Workspace, identity: str) -> None:
    """Train it in a temporary worktree, and say how its results differ from the recorded ones.

    Raises:
        ArtifactError: there is no such run, or it can't be trained again.
        DataError: its data is neither in DVC's cache nor on its remote.
        PipelineError: git can't check out its commit, or a stage failed.
        TrackingError: MLflow can't be reached or used.
    """
    with quiet_imports():
        from pipeline.tracking.provenance import environment
        from pipeline.tracking.recorded import metrics_of, read_run

    workspace.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as scratch:
        known = read_run(workspace, identity, Path(scratch))
        progress.say(f"{known.title}: commit {known.commit[:12]}, data {known.data[:12]}\n")
        with worktree(workspace.root, known.commit, scratch=workspace.scratch) as tree:
            apply_changes(known, tree)
            set_up(known, workspace, tree)
            copy_compiled(workspace.root, tree)
            trained = train(known, tree)
            from pipeline.core.files import read_json

            progress.say("\n" + compare_files(known.files, trained))
            again = read_json(trained / "model.json")
            moved = differences(known.metrics, metrics_of(trained, known.card))
            same = again["fingerprint"] == known.card["fingerprint"]
    progress.say("\n".join(explain(known, moved, environment(), same_identity=same)))


# ── the project as it was ────────────────────────────────────────────────────────────────


def apply_changes(known: "RecordedRun", tree: Path) -> None:
    """Apply the run's uncommitted changes, if they were recorded."""
    if known.changes is not None:
        top = (git(tree, "rev-parse", "--show-toplevel") or "").strip()
        if git(Path(top), "apply", "--whitespace=nowarn", str(known.changes.resolve())) is None:
            raise ArtifactError(
                f"The run's uncommitted changes don't apply to its commit {known.commit[:12]}.",
                fix="they are the run's artifact changes.patch.",
            )
        progress.say("with the changes that were not committed then (changes.patch)\n")
    elif known.dirty:
        progress.say(
            "warning: it was trained with changes that were neither committed nor recorded; this "
            "is the commit without them\n"
        )


def set_up(known: "RecordedRun", workspace: Workspace, tree: Path) -> None:
    """Give the worktree the run's parameters and, through DVC, its data.

    Raises:
        DataError: the data is neither in the cache nor on the remote.
    """
    from dvc.config import Config
    from ruamel.yaml import YAML

    yaml, there = YAML(), Workspace(tree)
    card = known.card
    settings = yaml.load(there.params)
    settings |= {
        "dataset": card["dataset"],
        "models": [card["model"]],
        "seeds": [card["seed"]],
        "threads": card["threads"],
    }
    settings["architectures"][card["model"]] = card["recipe"]  # whatever its defaults were
    yaml.dump(settings, there.params)

    lock = (yaml.load(there.lock) if there.lock.exists() else None) or {"schema": "2.0"}
    download = lock.setdefault("stages", {}).setdefault("download", {"cmd": "download"})
    download["outs"] = [{"path": "data/raw", "hash": "md5", "md5": known.data}]
    yaml.dump(lock, there.lock)

    own = workspace.root / ".dvc" / "config.local"  # a remote may be known to this clone only
    if own.exists():
        (tree / ".dvc" / "config.local").write_bytes(own.read_bytes())
    config = Config(str(workspace.root / ".dvc"))
    cache = config["cache"].get("dir") or str(workspace.root / ".dvc" / "cache")
    # Relative, since DVC's configuration holds ASCII alone.
    _dvc(tree, "cache", "dir", "--local", os.path.relpath(cache, tree))
    checked = _dvc(tree, "checkout", "data/raw")
    if checked.returncode:
        for name, remote in config["remote"].items():
            if "://" not in remote["url"]:  # a folder, to which the way is another one from here
                url = os.path.relpath(remote["url"], tree)
                _dvc(tree, "remote", "modify", "--local", name, "url", url)
        pulled = _dvc(tree, "pull", "data/raw")
        if pulled.returncode:
            asked = config["core"].get("remote")
            place = f"nor on the remote {asked!r}" if asked else "and no remote is the default one"
            said = " ".join(pulled.stderr.split()) or "nothing"
            raise DataError(
                f"The run's data, {known.data}, is not in DVC's cache ({cache}) {place}. "
                f"DVC says: {said[:300]}",
                fix="name the remote that it was pushed to (dvc remote add -d NAME URL), or push "
                "it from the machine that has it (dvc push).",
            )


def copy_compiled(root: Path, tree: Path) -> None:
    """Copy what numba compiled, if its modules are the same in both, instead of compiling again.

    It is valid for the time at which its module was changed, so that is copied, too. All modules
    have to be the same, since compiled functions contain those of other modules that they call.
    """
    compiled: dict[Path, list[Path]] = {}
    for path in (root / "pipeline").rglob("__pycache__/*.nb[ci]"):
        module = path.parents[1] / f"{path.name.partition('.')[0]}.py"
        if module.is_file():
            compiled.setdefault(module, []).append(path)
    there = {module: tree / module.relative_to(root) for module in compiled}
    if not all(
        copy.is_file() and copy.read_bytes() == module.read_bytes()
        for module, copy in there.items()
    ):
        return
    for module, copy in there.items():
        shutil.copystat(module, copy)
        (copy.parent / "__pycache__").mkdir(exist_ok=True)
        for path in compiled[module]:
            shutil.copy(path, copy.parent / "__pycache__")


def train(known: "RecordedRun", tree: Path) -> Path:
    """Run the stages that lead to the run; returns the new model's folder.

    Raises:
        PipelineError: a stage failed.
    """
    from ruamel.yaml import YAML

    there = Workspace(tree)
    stages = YAML(typ="safe").load(there.pipeline)["stages"]
    name = f"{known.card['model']}-{known.card['seed']}"
    before = [stage for stage in _BEFORE if stage in stages]
    dvc_repro(tree, "--single-item", "--no-commit", *before, env=_clean())
    dvc_repro(tree, "--single-item", "--no-commit", "--force", f"train@{name}", env=_clean())
    folder = there.model(known.card["model"], known.card["seed"])
    if not (folder / "model.json").exists():
        raise PipelineError(f"The stage train@{name} wrote no model.", fix="see its messages.")
    return folder


def _clean() -> dict[str, str]:
    """An environment in which stages run with this Python, and log to no MLflow of the user's."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("DVC_") and key not in {"MLFLOW_TRACKING_URI", "PYTHONPATH"}
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return {**kept, "PATH": path}


def _dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=_clean(),
        capture_output=True,
        text=True,
        check=False,
    )


# ── the comparison ───────────────────────────────────────────────────────────────────────


def compare_files(known: Mapping[str, Path], folder: Path) -> str:
    """Which of the recorded files have the same bytes as those in `folder`."""
    same: list[str] = []
    other: list[str] = []
    for name, path in sorted(known.items()):
        new = folder / name
        equal = new.is_file() and new.read_bytes() == path.read_bytes()
        (same if equal else other).append(name)
    said = [f"the same bytes: {', '.join(same)}"] if same else []
    said += [f"other bytes: {', '.join(other)}"] if other else []
    return "\n".join(said)


def differences(
    known: Mapping[str, float], again: Mapping[str, float]
) -> list[tuple[str, float, float]]:
    """The metrics that differ, with both values, most first."""
    moved = [
        (name, value, again[name])
        for name, value in known.items()
        if name in again and again[name] != value
    ]
    return sorted(moved, key=lambda one: -abs(one[2] - one[1]))


def explain(
    known: "RecordedRun",
    moved: Sequence[tuple[str, float, float]],
    environment: Mapping[str, str],
    *,
    same_identity: bool,
) -> list[str]:
    """By how much each metric differs, and why it may.

    Args:
        known: the recorded run.
        moved: from `differences`.
        environment: this machine's, as `known.environment`.
        same_identity: whether code, parameters, data and lock file are the recorded ones.
    """
    lines = [] if moved else ["every metric has the same value"]
    if moved:
        width = max(len(name) for name, *_ in moved)
        lines += [
            f"  {name:<{width}}  {before:.6f} → {after:.6f}  ({after - before:+.6f})"
            for name, before, after in moved
        ]
    if not same_identity:
        lines.append(
            "The code, parameters, data or locks/run.txt are not those of the run (another "
            "fingerprint)"
            + (": changes that were not recorded." if known.dirty and not known.changes else ".")
        )
    if moved:
        others = [
            f"{key.removeprefix('version.')} was {value}, is {environment[key]}"
            for key, value in known.environment.items()
            if key in environment and environment[key] != value
        ]
        if others:
            lines.append(f"The environment differs: {'; '.join(others)}.")
        elif same_identity:
            lines.append(
                "Code, parameters, data, libraries"
                + (" and processor" if "processor" in known.environment else "")
                + f" are those of the run, with {known.card['threads']} threads. Another "
                "processor, or build of a library, rounds differently, and training magnifies it."
            )
    return lines
