"""The command line: one module per command, which owns its arguments.

`studies` has what the studies' commands share, `outcome` what the terminal shows of a result.
Every start calls each module's `add_parser`, so heavy libraries are imported in `run`.
"""

import argparse
import signal
from typing import TypeAlias

from pipeline.errors import SpotlightError

MOST_JOBS = 256  # each is a process with a TensorFlow of its own
_MEANT = (0, -signal.SIGINT, -signal.SIGTERM)
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class ServerError(SpotlightError):
    """MLflow's server did not start, or stopped by itself."""


def check_server(returncode: int, *, port: int) -> None:
    """Tell that MLflow's server wasn't stopped by who started it.

    Raises:
        ServerError: it wasn't; a negative code is the signal that killed it.
    """
    if returncode not in _MEANT:
        raise ServerError(
            f"MLflow's server ended with exit code {returncode}; its message is above.",
            fix=f"if port {port} is in use, choose another one: --port {port + 1}",
        )


def port_number(text: str) -> int:
    """The number of a port, of an argument; 0 lets the system choose one."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number up to 65535")
    return int(text)


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the number of trainings at a time."""
    parser.add_argument(
        "--jobs", type=_count, default=1, metavar="N", help="trainings at a time (default: 1)"
    )


def _count(written: str) -> int:
    if not (written.isdecimal() and 1 <= int(written) <= MOST_JOBS):
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_JOBS}, not {written!r}")
    return int(written)
