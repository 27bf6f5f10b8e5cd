"""`--cluster`: cells of a matrix, or a search, on the nodes of a Ray cluster, through DVC's remote.

A node needs the libraries, git and the remote, but not this folder: it gets the commit, and what is
not committed, with each task. The cells that it trains go into the remote's run cache.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.cells import failed_cells, stale_cells
from pipeline.node import SHARE
from pipeline.repository import PipelineError, dvc_repro, git, git_bytes

TRIES = 3  # of a task whose node is lost, after the first


@dataclass(frozen=True)
class Snapshot:
    """The project as it is here, for a node.

    Attributes:
        bundle: the commit and its history, as `git bundle` writes it.
        patch: what is not committed of tracked files.
        files: path → content of what git may not have: `.dvc/config.local`, in which the remote's
            credentials may be, and `dvc.lock`, which says what is to be pulled.
        part: where the pipeline is, relative to the repository.
    """

    bundle: bytes
    patch: bytes
    files: Mapping[str, bytes]
    part: str


def repro_on_cluster(
    folder: Path, stage: str, *, address: str, before: Sequence[str], threads: int
) -> None:
    """Train the stale cells of a matrix on a cluster, and bring their results into DVC's cache.

    A node that is lost costs no more than an epoch: another goes on from its cells' checkpoints.

    Args:
        folder: with the pipeline.
        stage: whose cells, as in `dvc.yaml`.
        address: of the cluster's head, such as `ray://head:10001`, or `local`.
        before: stages that come first, and run here.
        threads: of each cell.

    Raises:
        PipelineError: Ray or the remote is missing, an earlier stage failed, or cells did.
    """
    _ray()
    dvc_repro(folder, *before)
    waiting = stale_cells(folder, stage)
    if not waiting:
        return
    _dvc(folder, "push", "--run-cache")  # with the data
    tasks = {cell: [["pipeline", "cell", cell]] for cell in waiting}
    failed = _on_nodes(folder, tasks, address=address, threads=threads)
    _dvc(folder, "fetch", "--run-cache")
    if failed:
        first, output = next(iter(failed.items()))
        raise failed_cells(list(failed), len(waiting), of=f"what {first} said", output=output)


def search_on_cluster(
    folder: Path, arguments: Sequence[str], *, address: str, workers: int, threads: int
) -> None:
    """Run `search` on several nodes at once; a database keeps their trials.

    A worker that fails stops no other.

    Args:
        folder: with the pipeline, whose data is encoded.
        arguments: of the command, the database's address among them.
        address: of the cluster's head, such as `ray://head:10001`, or `local`.
        workers: how many.
        threads: of each.

    Raises:
        PipelineError: Ray or the remote is missing, or every worker failed.
    """
    _ray()
    _dvc(folder, "push")
    tasks = {
        f"worker {number}": [["pipeline", "search", *arguments]] for number in range(1, workers + 1)
    }
    failed = _on_nodes(folder, tasks, address=address, threads=threads)
    if len(failed) == workers:
        worker, output = next(iter(failed.items()))
        raise PipelineError(
            f"All workers failed. The end of what {worker} said:\n{output.strip()}",
            fix="fix that error and run the command again; finished trials are not repeated.",
        )


def _on_nodes(
    folder: Path, tasks: Mapping[str, Sequence[Sequence[str]]], *, address: str, threads: int
) -> dict[str, str]:
    """Run commands in clones on a cluster's nodes; returns what those that failed said, by task."""
    ray = _ray()
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise PipelineError(
            f"There is no Ray cluster at {address!r}: {error}",
            fix="start one with `ray start --head`, and give its address.",
        ) from None
    failed: dict[str, str] = {}
    try:
        # By value, since a node has no `pipeline` of this project's before it has cloned it.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        remote = ray.remote(num_cpus=threads, max_retries=TRIES, scheduling_strategy="SPREAD")
        run = remote(run_in_clone)
        snapshot = ray.put(take_snapshot(folder))
        running = {run.remote(snapshot, commands): name for name, commands in tasks.items()}
        begun = time.monotonic()
        while running:
            (task,), _ = ray.wait(list(running))
            name = running.pop(task)
            if (output := _result(ray, task)) is not None:
                failed[name] = output
            how = "ended" if output is None else "failed"
            progress.say(
                f"{len(tasks) - len(running)} of {len(tasks)}: {name} {how} after "
                f"{time.monotonic() - begun:.0f} s"
            )
    finally:
        ray.shutdown()
    return failed


def take_snapshot(folder: Path) -> Snapshot:
    """The commit that is checked out, and what is changed besides.

    Raises:
        PipelineError: the folder is not in a git repository with a commit.
    """
    bundle = git_bytes(folder, "bundle", "create", "--quiet", "-", "HEAD")
    if bundle is None:
        raise PipelineError(
            f"{folder} has no git commit that a node could check out.",
            fix="git init && git add -A && git commit -m Begin",
        )
    beside = [".dvc/config.local", "dvc.lock"]
    return Snapshot(
        bundle=bundle,
        patch=git_bytes(folder, "diff", "--binary", "HEAD") or b"",
        files={name: (folder / name).read_bytes() for name in beside if (folder / name).exists()},
        part=(git(folder, "rev-parse", "--show-prefix") or "").strip(),
    )


def run_in_clone(snapshot: Snapshot, commands: Sequence[Sequence[str]]) -> str | None:
    """On a node: run Python modules with their arguments in a clone that has the data.

    Returns:
        None, or the end of the output of the command that failed.
    """
    # The stages call the first `python` on PATH.
    scripts, others = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{others}"}
    with tempfile.TemporaryDirectory(prefix="spotlight-") as scratch:
        bundle, clone = Path(scratch, "project.bundle"), Path(scratch, "clone")
        bundle.write_bytes(snapshot.bundle)

        def run(*command: str, given: bytes = b"") -> None:
            here = clone / snapshot.part if command[0] == sys.executable else scratch
            subprocess.run(
                command, cwd=here, env=environment, input=given,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
            )  # fmt: skip

        try:
            run("git", "clone", "-q", str(bundle), str(clone))
            run("git", "-C", str(clone), "apply", "--allow-empty", given=snapshot.patch)
            for name, content in snapshot.files.items():
                Path(clone, snapshot.part, name).write_bytes(content)
            for command in (["dvc", "pull", "--allow-missing"], *commands):
                run(sys.executable, "-m", *command)
        except subprocess.CalledProcessError as error:
            return str(error.output.decode("utf-8", "replace"))
    return None


def _result(ray: Any, task: Any) -> str | None:
    """What a task returned; Ray's error if none of its nodes lived to return anything."""
    try:
        output: str | None = ray.get(task)
    except ray.exceptions.RayError as error:
        return str(error)
    return output


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise PipelineError(
            "--cluster needs Ray, which is not installed.",
            fix="install it here and on every node: "
            ".venv/bin/python -m uv pip install --group cluster",
        ) from None
    return ray


def _dvc(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PipelineError(f"dvc {' '.join(arguments)} failed:\n{done.stdout.strip()}", fix=SHARE)
