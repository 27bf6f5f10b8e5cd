"""The project as git and DVC see it: revisions, recorded hashes, and running the pipeline."""

import subprocess
import sys
from pathlib import Path

from pipeline.errors import SpotlightError

TIMEOUT = 30  # seconds that git may take


class PipelineError(SpotlightError):
    """DVC could not run the pipeline to its end; the stage has said why."""


def git(root: Path, *arguments: str) -> str | None:
    """What git prints; None without git, outside a repository, or where it fails."""
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
    """DVC's hash of an output, `….dir` for a folder; None where DVC recorded none.

    Args:
        lock: the content of a `dvc.lock`.
        path: of the output, as `dvc.lock` has it.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    except YAMLError:
        return None
    outs = (out for stage in stages.values() for out in stage.get("outs", []))
    return next((out.get("md5") for out in outs if out["path"] == path), None)


def prepare(folder: Path) -> None:
    """Let DVC work in an unpacked archive too: there it must be told that git is absent."""
    if git(folder, "rev-parse", "--is-inside-work-tree") is None:
        dvc = [sys.executable, "-m", "dvc"]
        if not (folder / ".dvc").is_dir():
            subprocess.run([*dvc, "init", "--no-scm", "--quiet"], cwd=folder, check=True)
        subprocess.run([*dvc, "config", "--local", "core.no_scm", "true"], cwd=folder, check=True)


def dvc_repro(folder: Path, *arguments: str) -> None:
    """Call `dvc repro` in a folder with a pipeline.

    Raises:
        PipelineError: a stage failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *arguments], cwd=folder, check=False
    )
    if done.returncode:
        raise PipelineError(
            f"dvc repro ended with exit code {done.returncode}; the stage's own message is above.",
            fix="fix what it names and run it again: what is finished is not done twice.",
        )
