"""A command ends with every process that it started, so that no orphan goes on."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE = 15  # seconds that processes get to clean up


@contextlib.contextmanager
def ends_its_processes() -> Iterator[None]:
    """While the block runs, SIGTERM ends this process's descendants, and then this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _: object) -> None:
    end_processes(signal.SIGTERM)
    raise SystemExit(128 + number)


def end_processes(sent: signal.Signals | None) -> None:
    """Wait until every process that this one started has ended; one that goes on is killed.

    Args:
        sent: tells them to end; None if they know, as a terminal's Ctrl-C goes to all.
    """
    started = descendants(os.getpid())
    if sent is not None:
        _send(sent, started)
    deadline = time.monotonic() + _PATIENCE
    while any(map(is_running, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _send(signal.SIGKILL, [one for one in started if is_running(one)])


def descendants(process: int) -> list[int]:
    """The processes that a process started, and those that they started, as Linux lists them."""
    found: list[int] = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def _send(number: signal.Signals, processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def is_running(process: int) -> bool:
    """Whether a process runs: one that has ended but was not waited for does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"
