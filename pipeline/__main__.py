"""`python -m pipeline COMMAND`: starts fast; a command imports its libraries when it is called."""
# PYTHON_ARGCOMPLETE_OK: the shell may ask this module for completions; see `main`.

import argparse
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

_at_interrupt = signal.getsignal(signal.SIGINT)
if __name__ == "__main__" and _at_interrupt is signal.default_int_handler:
    # Ctrl-C while what follows is imported ends without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from pipeline import progress
from pipeline.commands import (
    advise,
    attention_study,
    bench,
    cell,
    data,
    demo,
    distractor_study,
    docs,
    export,
    interval_study,
    length_study,
    parts_study,
    predict,
    promote,
    repro,
    reproduce,
    roar,
    search,
    serve,
    size_study,
    stages,
    suggestion_study,
    ui,
)
from pipeline.errors import MachineError, SpotlightError
from pipeline.termination import ends_its_processes
from pipeline.workspace import Workspace

COMMANDS = (
    stages,
    repro,
    predict,
    demo,
    serve,
    export,
    advise,
    ui,
    data,
    promote,
    length_study,
    search,
    suggestion_study,
    size_study,
    interval_study,
    distractor_study,
    parts_study,
    roar,
    attention_study,
    bench,
    docs,
    reproduce,
    cell,
)
# As --help lists them; the stages that are not named here follow.
GROUPS = {
    "everyday commands": (
        "repro",
        "report",
        "predict",
        "demo",
        "serve",
        "export",
        "advise",
        "ui",
        "data",
        "promote",
        "reproduce",
        "docs",
    ),
    "studies": (
        "length-study",
        "search",
        "suggestion-study",
        "size-study",
        "interval-study",
        "distractor-study",
        "parts-study",
        "roar",
        "attention-study",
        "bench",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # closed by who called
            setattr(sys, stream, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions, so argcomplete is there
        import argcomplete

        argcomplete.autocomplete(parser)
    options = vars(parser.parse_args(arguments))
    name: str = options.pop("command")
    run: Callable[..., None] = options.pop("run")
    try:
        with ends_its_processes():
            run(Workspace.current(), **options)
    except SpotlightError as error:
        return _failed(error)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "pipeline":
            raise
        print(
            f"error: this Python ({sys.executable}) lacks the library '{error.name}': the "
            "project's environment is not active.\n"
            "  → make setup && . .venv/bin/activate, or make repro, which does both.",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, MemoryError, RecursionError) as error:
        return _failed(MachineError.of(error, name))
    except KeyboardInterrupt:
        print(
            "\nstopped. What was finished is kept: run the command again to continue.",
            file=sys.stderr,
        )
        return 130
    return 0


def _failed(error: SpotlightError) -> int:
    print(progress.printable(f"error: {error}"), file=sys.stderr)
    return error.exit_code


class _Parser(argparse.ArgumentParser):
    """Tells of an argument that a command doesn't know with that command's usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def _parser() -> argparse.ArgumentParser:
    name = "python -m pipeline"
    parser = _Parser(
        prog=name,
        usage=f"{name} COMMAND [ARG ...]",
        description="Does attention make a Bi-LSTM better, and can its weights be trusted?",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        prog=name, dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    for command in COMMANDS:
        command.add_parser(commands)
    parser.epilog = _listed({name: each.description for name, each in commands.choices.items()})
    return parser


def _listed(about: dict[str, str | None]) -> str:
    """The commands in their groups, a line or two each."""
    named = [name for group in GROUPS.values() for name in group]
    width = max(map(len, about)) + 2
    stages_alone = tuple(name for name in about if name not in named)
    lines: list[str] = []
    for title, names in {**GROUPS, "stages, called by DVC": stages_alone}.items():
        lines += [f"{title}:"]
        lines += [
            textwrap.fill(
                about[name] or "",
                shutil.get_terminal_size().columns - 2,
                initial_indent=f"  {name:<{width}}",
                subsequent_indent=" " * (width + 2),
            )
            for name in names
        ]
        lines += [""]
    lines += ["`python -m pipeline COMMAND --help` explains one."]
    return "\n".join(lines)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _at_interrupt)
    sys.exit(main())
