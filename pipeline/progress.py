"""Progress bars on a terminal, and lines of output that don't break them."""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

# All but line feed and tab; those that turn the direction; surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def bar(
    items: Iterable[T], *, what: str, total: int | None = None, unit: str = "it"
) -> Iterator[T]:
    """Yield `items`, showing a progress bar with the time left."""
    from tqdm import tqdm  # here, so that the command line starts without any library

    return iter(tqdm(items, desc=what, total=total, unit=unit, **_options()))


def epoch_bar(*, what: str, total: int) -> "tqdm[Any]":
    """A bar that the caller updates."""
    from tqdm import tqdm

    return tqdm(desc=what, total=total, unit="batch", leave=False, **_options())


def say(line: str = "") -> None:
    """Print a line without breaking a progress bar, its control characters spelled out."""
    write(printable(line))


def write(line: str) -> None:
    """The same for a line with colors of ours, in which all else is printable."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def printable(text: str) -> str:
    """Text with its control characters spelled out.

    A label or a file's name could otherwise color the terminal, move its cursor, or turn the
    direction of what follows; half of a surrogate pair can't be printed at all.
    """
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def width() -> int:
    """Columns of the terminal; without limit in a log file, where a line stays a line."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def paragraph(text: str, *, bullet: str = "") -> str:
    """Text in lines that fit the terminal, after a bullet if there is one."""
    return textwrap.fill(
        text,
        width(),
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def bullets(items: Iterable[str]) -> str:
    """Paragraphs as a list."""
    return "\n".join(paragraph(item, bullet="- ") for item in items)


def _options() -> dict[str, Any]:
    # In a log file a bar would fill pages; there, the lines from `say` show the progress.
    return {"disable": not sys.stderr.isatty(), "dynamic_ncols": True, "mininterval": 0.2}
