"""Git and DVC: revisions, recorded hashes, and running the pipeline."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from pipeline import progress
from pipeline.errors import SpotlightError

TIMEOUT = 30  # seconds, for each git command


class PipelineError(SpotlightError):
    """A stage failed under DVC, after printing its own error."""


def git(root: Path, *arguments: str) -> str | None:
    """Git's output, or None if git is missing or the command fails."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def locked_hash(lock: str, path: str) -> str | None:
    """DVC's hash of an output, `….dir` for a folder; None if DVC recorded none.

    Args:
        lock: the content of a `dvc.lock`.
        path: the output's path, as written in `dvc.lock`.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    except YAMLError:
        return None
    outs = (out for stage in stages.values() for out in stage.get("outs", []))
    return next((out.get("md5") for out in outs if out["path"] == path), None)


def keep_index_private(folder: Path) -> None:
    """Let nobody else write to DVC's index, `core.site_cache_dir`, or to the folder around it.

    The index holds pickles, and DVC makes its folders writable to every user of the machine.
    """
    index = folder / ".spotlight" / "dvc"
    index.mkdir(parents=True, exist_ok=True)
    index.chmod(0o700)
    index.parent.chmod(index.parent.stat().st_mode & 0o755)


def init_dvc(folder: Path) -> None:
    """Make DVC work without git, as in an unpacked archive, and keep its index private."""
    keep_index_private(folder)
    if git(folder, "rev-parse", "--is-inside-work-tree") is None:
        dvc = [sys.executable, "-m", "dvc"]
        if not (folder / ".dvc").is_dir():
            subprocess.run([*dvc, "init", "--no-scm", "--quiet"], cwd=folder, check=True)
        subprocess.run([*dvc, "config", "--local", "core.no_scm", "true"], cwd=folder, check=True)


def drop_unreadable_lock(folder: Path) -> None:
    """Remove DVC's record of who uses which file, if a kill left it half-written.

    DVC rewrites it in place, and refuses every later command. While anybody holds one of DVC's
    locks, it may be about to be whole, and stays.
    """
    scratch = folder / ".dvc" / "tmp"
    record = scratch / "rwlock"
    if _is_whole(record):
        return
    from dvc.lock import LockError, make_lock

    with (
        contextlib.suppress(LockError),
        make_lock(str(scratch / "lock")),
        make_lock(str(scratch / "rwlock.lock")),
    ):
        if not _is_whole(record):
            record.unlink()
            progress.say(
                "removed .dvc/tmp/rwlock: an earlier run was killed while DVC was writing it\n"
            )


def _is_whole(record: Path) -> bool:
    try:
        return isinstance(json.loads(record.read_bytes()), dict)
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False


def dvc_repro(folder: Path, *arguments: str) -> None:
    """Run `dvc repro` in a folder that has a pipeline.

    Raises:
        PipelineError: a stage failed.
    """
    drop_unreadable_lock(folder)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *arguments], cwd=folder, check=False
    )
    if done.returncode:
        raise PipelineError(
            f"dvc repro failed with exit code {done.returncode}; the stage's own error is above.",
            fix="fix that error and run the command again; finished stages are not repeated.",
        )
