"""The command line: one module per command, which owns its arguments.

Every start calls each module's `add_parser`, so heavy libraries are imported in `run`.
"""

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
