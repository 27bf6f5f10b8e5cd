"""The command line: one module per command, which owns its arguments.

`cells` has what commands that train share, `outcome` what the terminal shows of a result.
Every start calls each module's `add_parser`, so heavy libraries are imported in `run`.
"""

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def port_number(text: str) -> int:
    """The number of a port, of an argument; 0 lets the system choose one."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number up to 65535")
    return int(text)
