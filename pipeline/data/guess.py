"""Guess what the columns of a user's file are for, and write an entry for params.yaml."""

import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pipeline.data import guess_series, guess_text
from pipeline.data.columns import as_text
from pipeline.data.look import Look, listed, listed_kinds, look_at
from pipeline.data.times import find_formats
from pipeline.errors import DataError


@dataclass(frozen=True)
class Wishes:
    """The columns that the user named, each with the flag of that name."""

    text: Sequence[str] = ()
    label: str | None = None
    time: Sequence[str] = ()
    features: Sequence[str] = ()
    target: str | None = None
    series: Sequence[str] = ()

    @property
    def flags(self) -> dict[str, tuple[str, ...]]:
        """Flag → the columns that it names, for the given ones."""
        return {
            name: (value,) if isinstance(value, str) else tuple(value)
            for name, value in asdict(self).items()
            if value
        }


@dataclass(frozen=True)
class Guess:
    """What a file seems to contain.

    Attributes:
        look: what was seen of it.
        source: the entry's `source`, without its path.
        rows: number of rows; of several series, those of the shortest.
        notes: sentences for the reader.
    """

    look: Look
    source: Mapping[str, Any]
    rows: int
    notes: tuple[str, ...] = ()


def guess_source(path: Path, wishes: Wishes | None = None, *, names: Sequence[str] = ()) -> Guess:
    """Guess from a look at the whole file what to learn from which columns.

    Args:
        path: the file.
        wishes: the columns that the user named.
        names: of all columns in order, for a file without a header.

    Raises:
        DataError: the format is unknown, the file can't be read, a named column doesn't fit, or
            it isn't clear which columns to take; the message then lists the candidates.
    """
    wishes = wishes or Wishes()
    look = look_at(path, names=names)
    _check(wishes, look)
    kind, source, rows, notes = _guess(look, wishes)
    if look.repeated:
        notes.append(_repeated(look))
    if names and kind == "files" and _may_be_header(look, source["label_column"]):
        notes.append("Its first line may be a header: if so, leave out `columns`.")
    layout = {"columns": list(look.layout.columns), "quoting": look.layout.quoting}
    told = {key: value for key, value in layout.items() if value}
    if look.layout.columns and not names:
        told_so = "This looks like a file without a header. Name its columns in `columns`."
        notes.insert(0, told_so)
    if look.layout.quoting:
        notes.insert(0, "Quotation marks are read as characters like any other.")
    return Guess(look, {"kind": kind, **told, **source}, rows, tuple(notes))


def _may_be_header(look: Look, label: str) -> bool:
    """Whether the first row's class may be the column's name: no other row that was seen has it."""
    column = look.columns[label]
    return look.places[0] == 0 and column.counts[as_text(column.values[0])] == 1


def _guess(look: Look, wishes: Wishes) -> tuple[str, dict[str, Any], int, list[str]]:
    """The kind, the rest of `source`, the rows, and notes."""
    of_text, of_numbers = _sides(wishes)
    if not wishes.flags:
        _refuse_times_as_columns(look)
    time = guess_series.find_time(look)
    if of_text or (not of_numbers and guess_text.find_texts(look, timed=bool(time))):
        source, notes = guess_text.text_source(look, text=wishes.text, label=wishes.label)
        return "files", source, look.rows, notes
    lists = [one.name for one in look.columns.values() if one.kind == "lists of numbers"]
    if lists and set(wishes.features) <= set(lists):
        source = guess_series.sequences_source(
            look, features=wishes.features or lists, target=wishes.target
        )
        return "sequences", source, look.rows, []
    if not of_numbers and not (time and any(one.numeric for one in look.columns.values())):
        raise _nothing(look)
    source, rows, notes = guess_series.series_source(
        look,
        time=wishes.time,
        features=wishes.features,
        target=wishes.target,
        series=wishes.series,
    )
    return "series", source, rows, notes


def params_entry(
    name: str,
    path: str,
    source: Mapping[str, Any],
    encode: Mapping[str, Any],
    training: Mapping[str, Any],
) -> str:
    """The lines to paste under `datasets` in params.yaml."""
    sections = {
        "source": {"kind": source["kind"], "path": path, **source},
        "encode": encode,
        "training": training,
    }
    content = {
        name: {
            section: {key: _in_one_line(value) for key, value in values.items()}
            for section, values in sections.items()
        }
    }
    written = io.StringIO()
    yaml = YAML()
    yaml.allow_unicode = True
    yaml.width = 76
    yaml.dump(content, written)
    return "".join(f"  {line.rstrip()}\n" for line in written.getvalue().splitlines())


def _in_one_line(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {":", "?"}:  # ruamel.yaml forgets the quotes
        return DoubleQuotedScalarString(value)
    if not isinstance(value, list | dict):
        return value
    flow = (
        CommentedMap(value) if isinstance(value, dict) else CommentedSeq(map(_in_one_line, value))
    )
    flow.fa.set_flow_style()
    return flow


def _sides(wishes: Wishes) -> tuple[list[str], list[str]]:
    """The flags that ask for texts, and those that ask for numbers."""
    given = wishes.flags
    of_text = [name for name in given if name in {"text", "label"}]
    return of_text, [name for name in given if name not in of_text]


def _check(wishes: Wishes, look: Look) -> None:
    """Refuse flags that name no column, or one that holds something else.

    Raises:
        DataError: with what the column holds, or the nearest name.
    """
    listed_numbers = any(one.kind == "lists of numbers" for one in look.columns.values())
    for flag, names in wishes.flags.items():
        for name in names:
            if name not in look.columns:
                near = difflib.get_close_matches(name, look.columns, n=1, cutoff=0.5)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise DataError(
                    f"--{flag}: {look.file} has no column {name!r}. It has: "
                    f"{listed(look.columns)}.{hint}",
                    fix="correct the name.",
                )
            found = look.columns[name]
            fits = {
                "text": found.kind == "text",
                "label": guess_text.may_be_label(look, found),
                "features": found.numeric or found.kind == "lists of numbers",
                "target": found.numeric or (listed_numbers and found.kind in guess_text.CLASSES),
                "time": found.kind in {"times", "times of day", "whole numbers"},
            }
            if not fits.get(flag, True):
                raise DataError(
                    f"--{flag}: the column {name!r} of {look.file} holds {found.describe()}.",
                    fix="name another column.",
                )
    if all(_sides(wishes)):
        raise DataError(
            f"{' and '.join(f'--{name}' for name in wishes.flags)} don't go together.",
            fix="name --text and --label for texts, or --time, --features and --target for "
            "numbers.",
        )


def _refuse_times_as_columns(look: Look) -> None:
    """Refuse a table that has a column for each time.

    Raises:
        DataError: most columns are numbers, and named by a day, a month or a year.
    """
    dated = [
        one.name
        for one in look.columns.values()
        if one.numeric and (re.fullmatch(r"[12]\d{3}", one.name) or find_formats([one.name]))
    ]
    if len(dated) > 2 and len(dated) > len(look.columns) / 2:
        raise DataError(
            f"{look.file} has a column for each time: {listed(dated)}.",
            fix="write a row for each time instead, in pandas with `melt` or `.T`.",
        )


def _repeated(look: Look) -> str:
    return f"Not read, for several columns have this name: {listed(look.repeated)}."


def _nothing(look: Look) -> DataError:
    if look.repeated:
        return DataError(
            f"{look.file} has nothing to learn from. {_repeated(look)}",
            fix="rename all but one of them.",
        )
    columns = list(look.columns.values())
    shown = listed_kinds(columns)
    if names := [one.name for one in columns if one.kind == "lists"]:
        return DataError(
            f"{look.file} has no texts: {shown}.",
            fix=f"if {names[0]!r} holds lists of words, join each into one text.",
        )
    for why, names in look.unread().items():
        return DataError(
            f"{look.file} has no numbers that can be read, because {why}: {shown}.",
            fix=f"write plain numbers in {listed(names)}, such as 1234.5.",
        )
    if any(one.numeric for one in columns):
        return DataError(
            f"{look.file} has neither texts nor a time column: {shown}.",
            fix="if its rows are consecutive steps of a series, name the column to predict: "
            "--target COLUMN",
        )
    return DataError(
        f"{look.file} has no columns to learn from: {shown}.",
        fix="provide a text and a class in each row, numbers over time, or lists of numbers.",
    )
