"""`--jobs`: several commands next to each other, such as the cells of a stage's matrix.

Each cell of a matrix runs under a DVC of its own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline import progress
from pipeline.repository import PipelineError, dvc_repro

MEMORY = 2**30  # bytes that a command is thought to need until the first ones have shown it
_LINES = 12  # of a failed one's log that are shown


def repro_cells(
    folder: Path, stage: str, *, jobs: int, before: Sequence[str], threads: int, logs: Path
) -> None:
    """Bring the stale cells of a matrix up to date, several at a time; see `run_side_by_side`.

    Args:
        folder: with the pipeline.
        stage: whose cells, as in `dvc.yaml`.
        jobs: how many at a time.
        before: stages that come first.
        threads: of each cell.
        logs: folder for the logs.

    Raises:
        PipelineError: an earlier stage failed, or cells did; it names them.
    """
    dvc_repro(folder, *before)
    repro = ["dvc", "--wait-for-lock", "repro", "--single-item"]
    commands = {cell: [*repro, cell] for cell in stale_cells(folder, stage)}
    run_side_by_side(commands, folder=folder, jobs=jobs, threads=threads, logs=logs)


def run_side_by_side(
    commands: Mapping[str, Sequence[str]], *, folder: Path, jobs: int, threads: int, logs: Path
) -> None:
    """Run Python modules, several at a time.

    One starts as soon as one of the `jobs` is free, and so is the memory that the largest one so
    far took. Its output goes to a log of its own. One that fails stops nothing else.

    Args:
        commands: name → a module and its arguments.
        folder: in which they run.
        jobs: how many at a time.
        threads: of each.
        logs: folder for the logs.

    Raises:
        PipelineError: some failed; it names them.
    """
    waiting = list(commands)
    total, failed = len(waiting), []
    if not total:
        return
    cores = len(os.sched_getaffinity(0))
    if jobs * threads > cores:
        progress.say(
            f"{jobs} jobs of {threads} threads each share {cores} cores: with fewer jobs, none "
            "waits for another."
        )
    running: dict[psutil.Popen, tuple[str, float]] = {}
    need = MEMORY
    with _ended(running):
        while waiting or running:
            free = psutil.virtual_memory().available
            while waiting and len(running) < jobs and (not running or free > need):
                name = waiting.pop(0)
                process = _start(folder, commands[name], _log(logs, name))
                running[process] = (name, time.monotonic())
                free -= need
            gone, _ = psutil.wait_procs(list(running), timeout=0.5)
            need = max([need, *map(_memory, running)])
            for process in gone:
                name, begun = running.pop(process)
                if process.returncode:
                    failed.append(name)
                done = total - len(waiting) - len(running)
                how = "failed after" if process.returncode else "took"
                progress.say(f"{done} of {total}: {name} {how} {time.monotonic() - begun:.0f} s")
    if failed:
        failed.sort(key=[*commands].index)  # the same error, whichever ended first
        log = _log(logs, failed[0])
        output = log.read_text(encoding="utf-8", errors="replace")
        raise failed_cells(failed, total, of=str(log), output=output)


def failed_cells(cells: Sequence[str], total: int, *, of: str, output: str) -> PipelineError:
    """The error that names the cells that failed, with the end of the first one's output."""
    last = "\n".join(output.splitlines()[-_LINES:])
    return PipelineError(
        f"{len(cells)} of {total} cells failed: {', '.join(cells)}. The end of {of}:\n{last}",
        fix="fix that error and run the command again; finished cells are not repeated.",
    )


def stale_cells(folder: Path, stage: str) -> list[str]:
    """The cells of a stage that DVC would run, in the order of the matrix.

    Raises:
        PipelineError: DVC can't tell.
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "status", "--json", stage]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipelineError(
            f"dvc status failed with exit code {done.returncode}:\n{done.stderr.strip()}",
            fix="correct dvc.yaml or params.yaml.",
        )
    return [name for name in json.loads(done.stdout) if name.startswith(f"{stage}@")]


def _log(logs: Path, name: str) -> Path:
    return logs / f"{name}.log"


def _start(folder: Path, command: Sequence[str], log: Path) -> psutil.Popen:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return psutil.Popen(
            [sys.executable, "-m", *command], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )


def _memory(process: psutil.Popen) -> int:
    """Bytes that a process and its descendants hold; 0 once it has ended."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family)
    except psutil.Error:
        return 0


@contextmanager
def _ended(running: dict[psutil.Popen, tuple[str, float]]) -> Iterator[None]:
    """End what still runs when the block is left, as by Ctrl-C."""
    try:
        yield
    finally:
        left = [one for process in running for one in _family(process)]
        for one in left:
            one.terminate()
        for one in psutil.wait_procs(left, timeout=15)[1]:
            one.kill()


def _family(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [*process.children(recursive=True), process]
    except psutil.Error:
        return []
