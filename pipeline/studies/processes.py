"""Measurements in processes of their own, where libraries share neither threads nor memory."""

import contextlib
import io
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core import runtime
from pipeline.errors import SpotlightError

_here: Any = None  # the worker's object, in the worker's process


class Timed(NamedTuple):
    """What a call returned, and what it took.

    Attributes:
        result: what it returned.
        seconds: on the clock.
        cpu_seconds: of all threads together. Other programs slow the clock's more than these.
    """

    result: Any
    seconds: float
    cpu_seconds: float


class Worker:
    """An object in its own process.

    Args:
        module: below `pipeline.studies`; the object itself, or what holds its class.
        make: the class; None if the module is the object.
        arguments: of the class.
    """

    def __init__(self, module: str, make: str | None = None, *arguments: Any) -> None:
        self._module = module
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._ask(_make, module, make, arguments)

    def call(self, method: str, *arguments: Any) -> Timed:
        """Call a method of the object, and wait for it."""
        timed: Timed = self._ask(_call, method, arguments)
        return timed

    def peak_memory(self) -> float:
        """The most memory that the process has held so far, in MiB."""
        peak: float = self._ask(_peak_memory)
        return peak

    def close(self) -> None:
        self._pool.shutdown()

    def _ask(self, function: Any, *arguments: Any) -> Any:
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise SpotlightError(
                f"The process that measures {self._module} was killed, probably because memory "
                "ran out.",
                fix="free memory, or measure less: see --help.",
            ) from None


@contextlib.contextmanager
def worker(module: str, make: str | None = None, *arguments: Any) -> Iterator[Worker]:
    """A worker that ends with the block."""
    made = Worker(module, make, *arguments)
    try:
        yield made
    finally:
        made.close()


def alone(module: str, function: str, *arguments: Any) -> tuple[Timed, float]:
    """Call a function in a fresh process; returns its result and the process's peak in MiB."""
    with worker(module) as process:
        timed = process.call(function, *arguments)
        return timed, process.peak_memory()


def _make(module: str, make: str | None, arguments: tuple[Any, ...]) -> None:
    global _here  # noqa: PLW0603  # a pool's process has no other place for its object
    with runtime.quiet_imports():
        loaded = import_module(f"pipeline.studies.{module}")
    _here = getattr(loaded, make)(*arguments) if make else loaded


def _call(method: str, arguments: tuple[Any, ...]) -> Timed:
    with contextlib.redirect_stdout(io.StringIO()):  # what stages print
        return timed(getattr(_here, method), *arguments)


def timed(function: Callable[..., Any], *arguments: Any) -> Timed:
    """Call a function in this process."""
    begun, used = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return Timed(result, time.perf_counter() - begun, time.process_time() - used)


def _peak_memory() -> float:
    # Not getrusage's value: a process inherits that from its parent.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert found, "Linux reports every process's high-water mark"
    return int(found[1]) / 1024
