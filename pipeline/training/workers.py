"""Starting and connecting the workers of one training; see `training.team`."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from pipeline import progress
from pipeline.errors import ParamsError, SpotlightError
from pipeline.training.team import ALONE, Team

_LINES = 12  # of a worker's log that are shown
_PATIENCE = 600  # seconds that workers wait for each other
_SAME, _OTHERS = b"1", b"0"  # worker 0's answers when all are there: whether they train the same

Address = tuple[str, int]


@contextlib.contextmanager
def connected(
    count: int, fingerprint: str, command: Sequence[str], *, folder: Path, logs: Path
) -> Iterator[Team]:
    """Connect the workers of a training, before TensorFlow's first computation.

    `TF_CONFIG` names them, if it is set. Otherwise this process is the chief and starts the
    others on this machine; they end with the block.

    Args:
        count: how many workers there are to be.
        fingerprint: of what they train.
        command: starts another one.
        folder: in which it is called.
        logs: folder for what the workers started here write, `INDEX.log`.

    Raises:
        ParamsError: `TF_CONFIG` does not name that many workers, or isn't set and there is a GPU.
        SpotlightError: they train different things, could not connect, or one was lost.
    """
    with contextlib.ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []
        if count > 1 and "TF_CONFIG" not in os.environ:
            if tf.config.list_physical_devices("GPU"):
                raise ParamsError(
                    f"`training.workers` is {count}, but workers that are started together can't "
                    "share a GPU, and TensorFlow sees one.",
                    fix="set `workers: 1`, hide the GPU with CUDA_VISIBLE_DEVICES=-1, or give each "
                    "worker its own, started with TF_CONFIG (docs/scale.md).",
                )
            own, *others = local_cluster(count)
            os.environ["TF_CONFIG"] = own
            stack.callback(os.environ.pop, "TF_CONFIG")
            started = stack.enter_context(_processes(others, command, folder=folder, logs=logs))
        index, address = _place(count) if "TF_CONFIG" in os.environ else (0, ("", 0))
        if count == 1:
            yield ALONE
            return
        if not started:
            progress.say(f"worker {index} waits until all {count} are there")

        def check() -> None:
            if any(process.poll() is not None for process in started):
                raise _lost(started, logs, "")

        meet(index, count, address, fingerprint, check)
        strategy = _strategy(index, count)
        try:
            yield Team(count, index, strategy)
        except tf.errors.OpError as error:
            _, lost, reason = error.message.partition("Collective ops is aborted by: ")
            if not lost:
                raise
            raise _lost(started, logs, reason.partition("\n")[0]) from None
        for process in started:
            process.wait()


def meet(
    index: int, count: int, address: Address, fingerprint: str, check: Callable[[], None]
) -> None:
    """Wait until all workers are there, and train the same.

    TensorFlow would wait deaf to Ctrl-C, and compare nothing.

    Args:
        index: of this worker.
        count: of all workers.
        address: of worker 0, to which the others say that they are there.
        fingerprint: of what this worker trains.
        check: called again and again by worker 0; it raises if waiting is in vain.

    Raises:
        SpotlightError: they train different things, some don't come, or the port is in use.
    """
    same = (
        _report(index, address, fingerprint)
        if index
        else _gather(count, address, fingerprint, check)
    )
    if not same:
        raise SpotlightError(
            "The workers have different data, parameters, code or libraries.",
            fix="check out the same commit everywhere, `dvc pull`, and start all of them again.",
        )


def _report(index: int, address: Address, fingerprint: str) -> bool:
    """Tell worker 0 that this one is there; returns whether all train the same."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),  # worker 0 is not there yet, or was lost meanwhile
            socket.create_connection(address, timeout=_PATIENCE) as chief,
        ):
            chief.sendall(f"{index} {fingerprint}\n".encode())
            if answer := chief.recv(1):
                return answer == _SAME
        time.sleep(0.2)
    raise SpotlightError(
        f"Worker {index} waited {_PATIENCE // 60} minutes for worker 0 at {address}.",
        fix="start all workers within that time, and see that this address can be reached.",
    )


def _gather(count: int, address: Address, fingerprint: str, check: Callable[[], None]) -> bool:
    """Wait for the other workers; returns whether all train the same."""
    try:
        server = socket.create_server(("", address[1]))
    except OSError as error:
        raise SpotlightError(
            f"Worker 0 can't use port {address[1]}: {error.strerror}.",
            fix="name a free port in TF_CONFIG, the same for all workers.",
        ) from None
    there: dict[int, tuple[bytes, socket.socket]] = {}
    deadline = time.monotonic() + _PATIENCE
    with server, contextlib.ExitStack() as stack:
        server.settimeout(0.2)
        while len(there) < count - 1:
            check()
            if time.monotonic() > deadline:
                missing = ", ".join(str(one) for one in range(1, count) if one not in there)
                raise SpotlightError(
                    f"Worker 0 waited {_PATIENCE // 60} minutes for these: {missing}.",
                    fix="start all workers within that time.",
                )
            with contextlib.suppress(OSError, ValueError):  # nobody came, or somebody else
                peer = stack.enter_context(server.accept()[0])
                peer.settimeout(5)
                index, given = peer.makefile("rb").readline(100).split()
                if 0 < int(index) < count:
                    there[int(index)] = (given, peer)
        same = all(given == fingerprint.encode() for given, _ in there.values())
        for _, peer in there.values():
            with contextlib.suppress(OSError):
                peer.sendall(_SAME if same else _OTHERS)
                peer.recv(1)  # until it has left, which frees the port at once
    return same


@contextlib.contextmanager
def _processes(
    configs: Sequence[str], command: Sequence[str], *, folder: Path, logs: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start a worker for each `TF_CONFIG`; none outlives the block."""
    logs.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        started = []
        for index, config in enumerate(configs, 1):
            log = stack.enter_context((logs / f"{index}.log").open("wb"))
            environment = {**os.environ, "TF_CONFIG": config}
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append(process)
        yield started


def _strategy(index: int, count: int) -> tf.distribute.Strategy:
    """TensorFlow's connection of workers that have met.

    Raises:
        SpotlightError: they could not connect, or one has several GPUs.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise SpotlightError(
            f"Worker {index} of {count} can't connect with the others: {error.message}",
            fix="name in TF_CONFIG, for each worker, its machine and a free port of it.",
        ) from None
    signal.signal(signal.SIGTERM, before)  # TensorFlow would take note of it, and go on
    if strategy.num_replicas_in_sync != count:
        raise SpotlightError(
            f"{count} workers have {strategy.num_replicas_in_sync} GPUs, but each computes on one.",
            fix="let each see a single GPU, with CUDA_VISIBLE_DEVICES.",
        )
    return strategy


def _lost(started: Sequence[subprocess.Popen[bytes]], logs: Path, reason: str) -> SpotlightError:
    """The error that tells which worker has ended, if it was started here."""
    for index, process in enumerate(started, 1):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        if process.returncode is not None:
            log = logs / f"{index}.log"
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]
            reason = "\n".join([f"exit code {process.returncode}, the end of {log}:", *last])
            break
    return SpotlightError(
        f"A worker of this training has ended: {reason}",
        fix="start the training again: it goes on after its last whole epoch.",
    )


def local_cluster(count: int) -> list[str]:
    """`TF_CONFIG` of each of some workers on this machine."""
    with contextlib.ExitStack() as stack:  # all ports are held until all are known
        servers = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    cluster = {"worker": addresses}
    return [
        json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        for index in range(count)
    ]


def _place(count: int) -> tuple[int, Address]:
    """This process's index among the workers in `TF_CONFIG`, and the address of worker 0.

    Raises:
        ParamsError: there are not `count` of them, or this process is none.
    """
    given = os.environ["TF_CONFIG"]
    try:
        config = json.loads(given)
        workers = {
            (job, number): address
            for job in ("chief", "worker")
            for number, address in enumerate(config["cluster"].get(job, ()))
        }
        index = list(workers).index((config["task"]["type"], int(config["task"]["index"])))
        host, _, port = next(iter(workers.values())).rpartition(":")
        place = index, (host.strip("[]"), int(port))
    except (AttributeError, KeyError, TypeError, ValueError):
        workers = {}
    if len(workers) != count:
        raise ParamsError(
            f"`training.workers` is {count}, but TF_CONFIG doesn't name this process and that "
            f"many workers. Received: {given}.",
            fix="correct it as docs/scale.md shows, or `unset TF_CONFIG` to have all workers on "
            "this machine.",
        )
    return place
