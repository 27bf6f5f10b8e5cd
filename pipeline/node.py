"""`cell`: train one cell on a node that may be lost, with its checkpoint on DVC's remote.

Whoever trains it next goes on from there. A checkpoint names the inputs that it is valid for: one
of other parameters is not used. Projects with one remote may replace each other's; then the next
node starts over.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.repository import PipelineError

SHARE = "name a remote that every node can reach: dvc remote add -d shared URL"
INTERVAL = 2.0  # seconds between two looks for a new checkpoint
_PLACE = ("spotlight", "checkpoints")  # in the remote, beside what DVC keeps there


def train_cell(folder: Path, cell: str, checkpoint: Path) -> None:
    """Train a cell of a matrix, and what it needs, if DVC finds it stale; push it to the run cache.

    Args:
        folder: with the pipeline, whose data is here.
        cell: such as `train@bilstm-1`.
        checkpoint: the file from which its training goes on.

    Raises:
        PipelineError: there is no remote, or the cell failed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    shared = Shared.of(folder, checkpoint)
    shared.fetch()
    # Not the cell alone: what DVC doesn't keep, such as the marker of the check, is made here.
    command = [sys.executable, "-m", "dvc", "repro", cell]
    with subprocess.Popen(command, cwd=folder) as training:
        while training.poll() is None:
            try:
                training.wait(INTERVAL)
            except subprocess.TimeoutExpired:
                shared.push()
    if training.returncode:
        raise PipelineError(f"dvc repro {cell} failed.", fix="its own error is above.")
    try:
        with Repo(str(folder)) as repo:
            repo.push(run_cache=True)
    except DvcException as error:
        raise PipelineError(f"The result of {cell} can't be pushed: {error}", fix=SHARE) from None
    shared.remove()


@dataclass
class Shared:
    """A checkpoint here, and its copy on the remote.

    Attributes:
        here: the file.
        there: the copy's path.
        files: DVC's access to the remote.
        errors: what it and its libraries raise.
        seen: when the file that was last copied was written, in nanoseconds; None: none was.
    """

    here: Path
    there: str
    files: Any
    errors: tuple[type[Exception], ...]
    seen: int | None = None

    @classmethod
    def of(cls, folder: Path, checkpoint: Path) -> "Shared":
        """Find the copy's place.

        Raises:
            PipelineError: there is no remote.
        """
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            with Repo(str(folder)) as repo:
                remote = repo.cloud.get_remote()
        except DvcException as error:
            raise PipelineError(f"DVC's remote can't be used: {error}", fix=SHARE) from None
        there = remote.fs.join(remote.path, *_PLACE, checkpoint.name)
        return cls(checkpoint, there, remote.fs, (DvcException, OSError))

    def fetch(self) -> None:
        """Copy the remote's checkpoint here, if there is one."""
        self.here.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self.files.exists(self.there):
                self.files.get_file(self.there, str(self.here))
                self.seen = self.here.stat().st_mtime_ns
        except self.errors as error:
            progress.say(f"The checkpoint on the remote can't be read, so it isn't used: {error}")

    def push(self) -> None:
        """Copy the checkpoint to the remote, if it is a new one; a remote out of reach waits."""
        try:
            written = self.here.stat().st_mtime_ns
            if written == self.seen:
                return
            part = f"{self.there}.part"
            self.files.makedirs(self.files.parent(self.there), exist_ok=True)
            self.files.put_file(str(self.here), part)
            self.files.mv(part, self.there)
            self.seen = written
        except FileNotFoundError:
            return  # none yet, or the training has ended
        except self.errors as error:
            progress.say(f"The checkpoint could not be copied to the remote: {error}")

    def remove(self) -> None:
        """Delete the copy, if there is one."""
        try:
            if self.files.exists(self.there):
                self.files.remove(self.there)
        except self.errors as error:
            progress.say(f"{self.there} could not be deleted: {error}")
