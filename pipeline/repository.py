"""Git and DVC: revisions, recorded hashes, and running the pipeline."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.errors import SpotlightError
from pipeline.termination import end_processes

TIMEOUT = 30  # seconds, for each git command


class PipelineError(SpotlightError):
    """A stage failed under DVC, after printing its own error."""


def git(root: Path, *arguments: str) -> str | None:
    """Git's output as text, or None if git is missing or the command fails."""
    output = git_bytes(root, *arguments)
    return None if output is None else output.decode("utf-8", "surrogateescape")


def git_bytes(root: Path, *arguments: str) -> bytes | None:
    """Git's output, or None if git is missing or the command fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, check=True, timeout=TIMEOUT
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def locked_hash(lock: str, path: str) -> str | None:
    """DVC's hash of an output, `….dir` for a folder; None if there is none that can be read.

    Args:
        lock: the content of a `dvc.lock`.
        path: the output's path, as written in `dvc.lock`.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = YAML(typ="safe").load(lock)["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        return next((out.get("md5") for out in outs if out["path"] == path), None)
    except (YAMLError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None  # DVC itself refuses a damaged lock file


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
        arguments = ["init", "--no-scm", "--quiet"]
        if (folder / ".dvc").is_dir():
            arguments = ["config", "--local", "core.no_scm", "true"]
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True)


def mend_after_kill(folder: Path) -> None:
    """Replace what a kill left half-written, since DVC rewrites two of its files in place.

    It refuses every later command if one of them can't be read: its record of who uses which file,
    or dvc.lock. While anybody holds one of DVC's locks, a file may be about to be whole, and stays.

    Args:
        folder: has a pipeline; DVC's own folder is there, or in a folder around it.
    """
    around = (one / ".dvc" / "tmp" for one in (folder, *folder.resolve().parents))
    scratch = next((one for one in around if one.is_dir()), None)
    lock = folder / "dvc.lock"
    if scratch is None or (_is_sound(record := scratch / "rwlock") and _is_whole_lock(lock)):
        return
    from dvc.lock import LockError, make_lock

    with (
        contextlib.suppress(LockError),
        make_lock(str(scratch / "lock")),
        make_lock(str(scratch / "rwlock.lock")),
    ):
        if not _is_sound(record):
            record.unlink()
            progress.say(
                "removed .dvc/tmp/rwlock: an earlier run was killed while DVC was using it\n"
            )
        if not _is_whole_lock(lock):
            committed = git_bytes(folder, "show", "HEAD:./dvc.lock")
            lock.unlink()
            if committed is not None:
                lock.write_bytes(committed)
            progress.say(
                f"{'restored' if committed else 'removed'} dvc.lock: an earlier run was killed "
                "while DVC was writing it. DVC's cache has what was finished.\n"
            )


def _is_sound(record: Path) -> bool:
    """Whether DVC reads it, and anybody in it lives.

    DVC itself forgets a process that is gone, but not one that its parent hasn't heard of yet: in a
    container whose first process waits for no others, that is for ever.
    """
    try:
        content = json.loads(record.read_bytes())
        numbers = list(_process_numbers(content))
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and not (numbers and all(map(_is_zombie, numbers)))


def _process_numbers(value: Any) -> Iterator[int]:
    """Every `pid` in DVC's record, which has one for a writer and a list of readers."""
    if isinstance(value, dict):
        if isinstance(value.get("pid"), int):
            yield value["pid"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _process_numbers(part)


def _is_zombie(number: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(number).status() == psutil.STATUS_ZOMBIE)
    except (psutil.Error, OverflowError, ValueError):
        return False


def _is_whole_lock(lock: Path) -> bool:
    """Whether DVC reads it; also if a merge left its marks, which are the user's to resolve."""
    try:
        content = lock.read_bytes()
    except FileNotFoundError:
        return True
    if b"<<<<<<<" in content:
        return True
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(content))
    except (YAMLError, ValueError, RecursionError, Invalid):
        return False
    return True


@contextlib.contextmanager
def worktree(root: Path, commit: str, *, scratch: Path) -> Iterator[Path]:
    """Yield the project as a commit has it, in a temporary folder below `scratch`.

    Raises:
        PipelineError: git can't check it out.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="worktree-") as folder:
        tree = Path(folder).resolve() / "tree"
        # Without the user's hooks: DVC's own would check out every output.
        added = git(
            root, "-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--detach", "-f",
            str(tree), commit,
        )  # fmt: skip
        try:
            if added is None:
                raise PipelineError(
                    f"git can't check out the commit {commit[:12]}.",
                    fix="fetch it, if another clone has it: git fetch --all. A commit that was "
                    "never pushed and then rewritten is gone.",
                )
            yield tree / (git(root, "rev-parse", "--show-prefix") or "").strip()
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def dvc_repro(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
    """Run `dvc repro` in a folder that has a pipeline.

    Raises:
        PipelineError: a stage failed.
    """
    mend_after_kill(folder)
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    with subprocess.Popen(command, cwd=folder, env=env) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # DVC and its stage got it, too. `subprocess.run` would kill DVC, perhaps while it
            # writes, and leave the stage running.
            end_processes(None)
            process.wait()
            raise
    if code:
        raise PipelineError(
            f"dvc repro failed with exit code {code}; the stage's own error is above.",
            fix="fix that error and run the command again; finished stages are not repeated.",
        )
