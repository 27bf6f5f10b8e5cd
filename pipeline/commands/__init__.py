"""The command line: one module per command, which owns its arguments.

`studies` has what the studies' commands share, `servers` what those that serve do, `outcome` what
the terminal shows of a result.
Every start calls each module's `add_parser`, so heavy libraries are imported in `run`.
"""

import argparse
from typing import TypeAlias

MOST_JOBS = 256  # each is a process with a TensorFlow of its own
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


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
