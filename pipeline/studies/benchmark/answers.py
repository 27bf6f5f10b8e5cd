"""How long it takes from the start of a process to its first answer, as a user waits for it."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import SpotlightError
from pipeline.studies.benchmark.arithmetic import spread

_TEXT = "This picture is more of a marvel than a mess."
_HOST = "127.0.0.1"


class _Started(NamedTuple):
    """A command that answers on a port.

    Attributes:
        process: itself.
        port: where it answers.
        begun: when it was started, on the performance counter.
        said: the file of all that it prints.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    begun: float
    said: Path


def measure(root: Path, times: int) -> dict[str, Any]:
    """Seconds until the first answer of `predict`, of the demo's page, and of the served model.

    Args:
        root: the project's folder, with trained models and a champion.
        times: how often each is started.

    Returns:
        Spreads by what was waited for, and `load_average`, of the minute before.

    Raises:
        SpotlightError: a command failed.
    """
    load = os.getloadavg()[0]
    demo = [_demo(root) for _ in range(times)]
    return {
        "predict": spread([_predict(root) for _ in range(times)]),
        "page": spread([page for page, _ in demo]),
        "demo": spread([answer for _, answer in demo]),
        "serve": spread([_serve(root) for _ in range(times)]),
        "load_average": load,
    }


def _predict(root: Path) -> float:
    command, begun = _command("predict", _TEXT), time.perf_counter()
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise _failed("predict", done.stderr.decode())
    return time.perf_counter() - begun


def _demo(root: Path) -> tuple[float, float]:
    """Until the page is there, and until two models have answered its first question."""
    with _started(root, "demo", "--no-browser") as demo:
        page = _wait(demo, "/", None)
        return page, _wait(demo, "/ask", {"text": _TEXT})


def _serve(root: Path) -> float:
    with _started(root, "serve") as server:
        return _wait(server, "/invocations", {"dataframe_records": [{"text": _TEXT}]})


@contextlib.contextmanager
def _started(root: Path, *arguments: str) -> Iterator[_Started]:
    """A command on a free port, until the block ends."""
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port: int = free.getsockname()[1]
    with tempfile.NamedTemporaryFile() as said:
        command = _command(*arguments, "--port", str(port))
        begun = time.perf_counter()
        with subprocess.Popen(command, cwd=root, stdout=said, stderr=said) as process:
            try:
                yield _Started(process, port, begun, Path(said.name))
            finally:
                process.terminate()


def _wait(started: _Started, path: str, question: object) -> float:
    """Ask until there is an answer; returns the seconds since the start."""
    while True:
        connection = http.client.HTTPConnection(_HOST, started.port)
        body = None if question is None else json.dumps(question)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read().decode()
        except ConnectionError:
            if started.process.poll() is not None:
                raise _failed(path, started.said.read_text(encoding="utf-8")) from None
            time.sleep(0.01)
        else:
            if response.status != http.client.OK:
                raise _failed(path, content)
            return time.perf_counter() - started.begun
        finally:
            connection.close()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", *arguments]


def _failed(what: str, said: str) -> SpotlightError:
    return SpotlightError(
        f"`{what}` gave no answer: {' '.join(said.split())[-300:]}",
        fix="make repro, which trains the models and registers the champion.",
    )
