"""Progress bars on a terminal, and lines of output that don't break them."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")


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
    """Print a line without breaking a progress bar."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def _options() -> dict[str, Any]:
    # In a log file a bar would fill pages; there, the lines from `say` show the progress.
    return {"disable": not sys.stderr.isatty(), "dynamic_ncols": True, "mininterval": 0.2}
