"""Commands, run outside of any `make` that the tests themselves run under."""

import os
import socket
import subprocess
from pathlib import Path


def run(
    *command: str | Path, cwd: Path, env: dict[str, str | Path] | None = None, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command outside of any `make` that the tests themselves run under."""
    make = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARGS", "PYTHON", "FILE", "NAME",
            "TEXT")  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if name not in make}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | {name: str(value) for name, value in (env or {}).items()},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done


def free_port() -> int:
    """A port of this machine on which nothing listens yet."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
