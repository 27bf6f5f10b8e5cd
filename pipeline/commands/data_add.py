"""`data add`: add data of your own, and print its entry for params.yaml."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.errors import DataError
from pipeline.repository import mend_after_kill
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.data.guess import Guess
    from pipeline.data.look import Look
    from pipeline.encoding.suggestion import Suggestion

WIDTH = 80
SHOWN = 12  # columns
TRAIN = 0.64  # of the rows: a fifth is for test, and a fifth of the rest for validation


def add_parser(actions: Subparsers) -> None:
    """Add the action; its flags name columns where the guess isn't clear."""
    about = "copy a file or folder to data/own/NAME, and print its entry for params.yaml"
    parser = actions.add_parser("add", help=about, description=about)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="CSV, TSV, Excel, JSON (lines), parquet; an archive or a folder of them",
    )
    parser.add_argument("name", metavar="NAME", help="name of the dataset")
    for flag, about in (
        ("label", "column of the classes"),
        ("target", "column to predict"),
    ):
        parser.add_argument(f"--{flag}", metavar="COLUMN", help=about)
    for flag, about in (
        ("columns", "names of all columns in order, for a file without a header"),
        ("text", "column of the texts, or columns that are joined"),
        ("time", "column of the time, or columns that make it up"),
        ("series", "column that tells several series apart"),
        ("features", "columns that the network reads"),
    ):
        parser.add_argument(
            f"--{flag}", metavar="COLUMN", nargs="+", action="extend", default=[], help=about
        )
    parser.set_defaults(run=run)


def run(workspace: Workspace, file: str, name: str, columns: Sequence[str], **wishes: Any) -> None:
    """Copy a file or folder to `data/own/NAME`, and print its entry for params.yaml.

    Args:
        workspace: where.
        file: what to copy; a relative path starts at the current folder.
        name: of the dataset.
        columns: names of all columns, if the file has no header.
        wishes: flag → the columns that it names.

    Raises:
        DataError: the name can't be used, the file holds nothing to learn from, it isn't clear
            which columns to take, or the folder has links out of it.
    """
    from pipeline.core.files import new_folder
    from pipeline.data import guess, readers

    if not file:
        raise DataError("No file is named.", fix="make add-data FILE=reviews.csv NAME=reviews")
    source = readers.resolve_path(
        file,
        home=Path.cwd(),
        fix="name a file or folder of yours, as in `make add-data FILE=reviews.csv NAME=reviews`; "
        "a relative path starts at the current folder.",
    )
    folder = workspace.root / "data" / "own" / name
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise DataError(
            f"A dataset can't be called {name!r}.",
            fix="use lowercase letters, digits, - and _, and begin with a letter: NAME=reviews",
        )
    if folder.exists():
        raise DataError(
            f"A dataset '{name}' already exists in {folder.relative_to(workspace.root)}.",
            fix="edit its file there (the next `dvc repro` sees it), or choose another NAME.",
        )
    _check_entries(source)
    guessed = guess.guess_source(source, guess.Wishes(**wishes), names=columns)
    path = f"data/own/{name}/{source.name}"
    suggested = _suggestion(guessed, source)
    entry = guess.params_entry(name, path, guessed.source, suggested.encode, suggested.training)
    with new_folder(folder) as own:
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, own / source.name)
    mend_after_kill(workspace.root)
    added = subprocess.run(
        [sys.executable, "-m", "dvc", "add", path],
        cwd=workspace.root,
        check=False,
        capture_output=True,
        text=True,
    )
    if added.returncode:
        shutil.rmtree(folder)
        said = [line for line in added.stderr.splitlines() if line.startswith("ERROR: ")]
        why = said[-1].removeprefix("ERROR: ") if said else f"exit code {added.returncode}"
        raise DataError(
            f"`dvc add {path}` failed: {why}.",
            fix="fix what it names, and add the file again.",
        )
    notes = (*guessed.notes, *suggested.notes)
    progress.say(
        "\n".join(
            [
                f"Added {path}: {guessed.look.rows:,} rows.\n",
                *_columns(guessed.look),
                *_noted(notes),
                f"\nPaste this under `datasets:` in params.yaml, and set `dataset: {name}`:",
                f"\n{entry}",
                "Correct what is wrong. Then: make repro",
                f"To share the data: git add data/own/{name} && dvc push",
            ]
        )
    )


def _check_entries(source: Path) -> None:
    """Refuse what a copy of a folder would follow out of it, or could not copy.

    Raises:
        DataError: it holds a link to anything but one of its own files, or something that is
            neither a file nor a folder.
    """
    root = source.resolve()
    for entry in (source, *sorted(source.rglob("*"))):
        target = Path(os.path.realpath(entry))  # without an error in a loop of links
        linked = entry.is_symlink() and entry != source
        if linked and not (target.is_relative_to(root) and target.is_file()):
            raise DataError(
                f"{entry} is a link to {entry.readlink()}, which is none of the folder's files.",
                fix="put a copy there in place of the link, or remove it.",
            )
        if not linked and not (target.is_file() or target.is_dir()):
            raise DataError(
                f"{entry} is neither a file nor a folder, but a pipe, a socket or a device.",
                fix="remove it, or name a file with the data.",
            )


def _suggestion(guessed: "Guess", path: Path) -> "Suggestion":
    """How to encode and train what was guessed of the file."""
    from pipeline.encoding import suggestion

    look, source = guessed.look, guessed.source
    if source["kind"] == "files":
        names = source["text_column"]
        texts = look.joined([names] if isinstance(names, str) else names)
        return suggestion.for_texts(texts, rows=round(TRAIN * guessed.rows))
    if source["kind"] == "series":
        values, notes = _series(source, path)
        suggested = suggestion.for_series(values, rows=guessed.rows)
        return replace(suggested, notes=(*notes, *suggested.notes))
    return suggestion.for_sequences(rows=round(TRAIN * guessed.rows))


def _series(
    source: Mapping[str, Any], path: Path
) -> tuple[list["NDArray[np.float64]"], tuple[str, ...]]:
    """The target's values in train, and what `download` will say of it; none if it refuses."""
    from pipeline.core.sources import SeriesSource
    from pipeline.data import series
    from pipeline.data.series_checks import check_series

    with tempfile.TemporaryDirectory() as cache:
        asked = SeriesSource(path=str(path), **source)
        try:
            loaded = series.load_series(path.name, asked, home=path.parent, cache=Path(cache))
            return loaded.each("train", loaded.target), check_series(loaded).notes
        except DataError as error:
            return [], (f"`make repro` will refuse it: {error.message} To mend it: {error.fix}",)


def _columns(look: "Look") -> Iterator[str]:
    """A line for each column with what it holds."""
    from pipeline.data import columns

    shown = list(look.columns.values())[:SHOWN]
    width = min(max(len(one.name) for one in shown), 24)
    for one in shown:
        name = columns.shorten(one.name, width).ljust(width)
        yield f"  {name}  {columns.shorten(one.describe(), WIDTH - width - 4)}"
    if len(look.columns) > SHOWN:
        yield f"  … and more columns: {len(look.columns) - SHOWN:,}"
    if look.seen < look.rows:
        yield f"  (seen in a sample of {look.seen:,} rows)"


def _noted(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield ""
    for note in notes:  # a path stays in one piece
        yield textwrap.fill(
            note,
            WIDTH - 2,
            initial_indent="· ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
