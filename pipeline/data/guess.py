"""Guess what the columns of a user's file are, and write an entry for params.yaml."""

import csv
import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from ruamel.yaml import YAML

from pipeline.data import readers
from pipeline.errors import DataError

ROWS = 1000  # how many rows are inspected
LABELS = ("label", "class", "category", "sentiment", "target", "topic", "rating", "stars", "y")
EVIDENCE = ("evidence", "spans", "rationale", "rationales")
MOST_CLASSES = 50  # a column with more distinct values is not taken for classes
ENCODE = {
    "files": {
        "tokenizer": "words",
        "vocabulary": 30000,
        "max_len": 400,
        "validation_share": 0.2,
        "seed": 0,
    },
    "series": {"window": 48, "horizon": 1, "stride": 1, "standardize": True},
    "sequences": {"standardize": True},
}


@dataclass(frozen=True)
class Guess:
    """What a file seems to contain.

    Attributes:
        source: the entry's `source`, without its path.
        seen: column → the kind of its values and a few examples, for the reader.
    """

    source: Mapping[str, Any]
    seen: Mapping[str, str]


def guess_source(path: Path) -> Guess:
    """Guess from the first thousand rows.

    Raises:
        DataError: the format is unknown, the file can't be read, or no column can be predicted.
    """
    file = readers.files_by_split(path)["train"][0]
    rows = _first_rows(file)
    if not rows:
        raise readers.no_rows(file)
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    kinds = {name: _kind(values) for name, values in columns.items()}
    seen = {name: f"{kinds[name]}: {_examples(values)}" for name, values in columns.items()}
    source = _sequences(columns, kinds) or _text(columns, kinds) or _series(kinds)
    if source is not None:
        return Guess(source, seen)
    listed = "; ".join(f"{name!r} ({kind})" for name, kind in kinds.items())
    raise DataError(
        f"{file} has no columns to learn from: {listed}.",
        fix="provide a text and a class in each row, numbers over time, or lists of numbers.",
    )


def params_entry(name: str, path: str, guessed: Guess) -> str:
    """The lines to paste under `datasets` in params.yaml."""
    kind = guessed.source["kind"]
    source = {"kind": kind, "path": path, **guessed.source}
    content = {name: {"source": source, "encode": ENCODE[kind], "training": {}}}
    written = io.StringIO()
    yaml = YAML()
    yaml.allow_unicode = True
    yaml.width = 1000
    yaml.dump(content, written)
    return "".join(f"  {line}\n" for line in written.getvalue().splitlines())


# ── guesses ──────────────────────────────────────────────────────────────────────────────


def _sequences(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> dict[str, Any] | None:
    features = [name for name, kind in kinds.items() if kind == "numbers in lists"]
    others = [name for name in columns if name not in features]
    if not features or not others:
        return None
    target = _label(columns, kinds, others)
    if target is not None:
        return {"kind": "sequences", "features": features, "target": target}
    numeric = [name for name in others if kinds[name] == "numbers"]
    if not numeric:
        return None
    return {
        "kind": "sequences",
        "features": features,
        "target": numeric[-1],
        "task": "regression",
    }


def _text(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> dict[str, Any] | None:
    """The column with the longest texts, and the most likely column of classes."""
    # Texts are mostly distinct; names of classes or places recur.
    texts = [
        name
        for name, kind in kinds.items()
        if kind == "text" and len(set(columns[name])) > len(columns[name]) / 2
    ]
    if not texts:
        return None
    text = max(texts, key=lambda name: sum(len(value or "") for value in columns[name]))
    label = _label(columns, kinds, [name for name in columns if name != text])
    if label is None:
        return None
    evidence = [name for name in columns if name.lower() in EVIDENCE]
    return {
        "kind": "files",
        "text_column": text,
        "label_column": label,
        **({"evidence_column": evidence[0]} if evidence else {}),
    }


def _series(kinds: Mapping[str, str]) -> dict[str, Any] | None:
    """Every numeric column is a feature, and the last one is also the target."""
    times = [name for name, kind in kinds.items() if kind == "times"]
    numeric = [name for name, kind in kinds.items() if kind in {"numbers", "whole numbers"}]
    if not numeric:
        return None
    return {
        "kind": "series",
        **({"time_column": times[0]} if times else {}),
        "features": numeric,
        "target": numeric[-1],
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    }


def _label(
    columns: Mapping[str, list[Any]], kinds: Mapping[str, str], names: list[str]
) -> str | None:
    """The column that looks most like classes: by its name, or else by having few values."""
    fitting = {
        name: len(set(columns[name]))
        for name in names
        if kinds[name] in {"text", "whole numbers"}
        and 2 <= len(set(columns[name])) <= min(MOST_CLASSES, len(columns[name]) // 2)
    }
    named = [name for wish in LABELS for name in fitting if name.lower() == wish]
    return named[0] if named else min(fitting, key=lambda name: fitting[name], default=None)


def _kind(values: list[Any]) -> str:
    """The kind that all values of a column have, ignoring missing ones."""
    there = [value for value in values if value not in {None, ""}] if _hashable(values) else values
    if not there:
        return "nothing"
    if all(isinstance(value, list) for value in there):
        inner = [item for value in there for item in value]
        numeric = all(isinstance(item, int | float) for item in inner)
        return "numbers in lists" if inner and numeric else "lists"
    for kind, fits in (("whole numbers", _whole), ("numbers", _number), ("times", _time)):
        if all(fits(value) for value in there):
            return kind
    return "text" if all(isinstance(value, str) for value in there) else "mixed"


def _hashable(values: list[Any]) -> bool:
    return not any(isinstance(value, list | dict) for value in values)


def _whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().removeprefix("-").isdecimal()
    return isinstance(value, int)


def _number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _time(value: Any) -> bool:
    if isinstance(value, datetime):
        return True
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _examples(values: list[Any]) -> str:
    """Three distinct values, each shortened."""
    shown: list[str] = []
    for value in values:
        text = repr(value)
        text = text if len(text) <= 40 else f"{text[:39]}…"
        if text not in shown:
            shown.append(text)
        if len(shown) == 3:
            break
    return ", ".join(shown)


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _first_rows(file: Path) -> list[dict[str, Any]]:
    try:
        match readers.BUILDERS[file.suffix.lower()]:
            case "csv":
                return _first_csv_rows(file)
            case "parquet":
                with pq.ParquetFile(file) as content:
                    batch = next(content.iter_batches(batch_size=ROWS), None)
                return [] if batch is None else list(batch.to_pylist())
            case _:
                return list(itertools.islice(readers.json_rows(file), ROWS))
    except (ValueError, TypeError, OSError) as error:  # pyarrow's and json's errors included
        raise readers.read_error(file, error) from None


def _first_csv_rows(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = itertools.islice(csv.DictReader(lines, delimiter=readers.csv_separator(file)), ROWS)
        # Fields beyond the header's are under None; reading the whole file reports where.
        return [{name: row[name] for name in row if name is not None} for row in rows]
