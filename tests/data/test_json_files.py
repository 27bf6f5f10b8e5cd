import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.sources import FilesSource
from pipeline.data import readers, sources
from pipeline.data.sources import Corpus
from pipeline.errors import DataError

ROWS = [{"text": f"text {n}", "label": "bad" if n % 2 else "good"} for n in range(12)]
NESTED = [
    {"id": n, "content": {"body": row["text"], "lang": "en"}, "meta": {"label": row["label"]}}
    for n, row in enumerate(ROWS)
]
DOTTED = {"text_column": "content.body", "label_column": "meta.label"}
PRETTY = "\n".join(json.dumps(row, indent=2) for row in ROWS)
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "a list": (json.dumps(ROWS), {}),
    "a pretty list": (json.dumps(ROWS, indent=2), {}),
    "lines": ("\n".join(map(json.dumps, ROWS)), {}),
    "lines with blank ones": ("\n\n" + "\n\n".join(map(json.dumps, ROWS)) + "\n\n", {}),
    "pretty objects": (PRETTY, {}),
    "objects on one line": (" ".join(map(json.dumps, ROWS)), {}),
    "a wrapped list": (json.dumps({"version": "1.1", "data": ROWS}), {}),
    "a deeply wrapped list": (json.dumps({"a": {"b": ROWS, "c": []}}, indent=2), {}),
    "nested lines": ("\n".join(map(json.dumps, NESTED)), DOTTED),
    "nested list": (json.dumps({"data": NESTED}), DOTTED),
    "dotted keys": (
        json.dumps([{"content.body": r["text"], "meta.label": r["label"]} for r in ROWS]),
        DOTTED,
    ),
    "columns": (json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}), {}),
    "names and cells": (
        json.dumps({"columns": [*ROWS[0]], "data": [[*row.values()] for row in ROWS]}),
        {},
    ),
    "names, numbers and cells": (
        json.dumps(
            {
                "columns": [*ROWS[0]],
                "index": [*range(len(ROWS))],
                "data": [[*row.values()] for row in ROWS],
            }
        ),
        {},
    ),
    "rows by name": (json.dumps({str(n): row for n, row in enumerate(ROWS)}), {}),
    "columns by row": (
        json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}),
        {},
    ),
}


def load(folder: Path, name: str, **changes: Any) -> Corpus:
    """A file of `folder` as a corpus."""
    source = FilesSource(kind="files", path=name, test_share=0.25, **changes)
    cache = Path(tempfile.mkdtemp(dir=folder))
    return sources.load_corpus("own", source, home=folder, cache=cache)


def contents(corpus: Corpus) -> list[tuple[str, str]]:
    """Every text and its class, in order of the texts."""
    return sorted(
        (row["text"], corpus.classes[row["label"]])
        for table in corpus.splits.values()
        for row in table.to_pylist()
    )


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(shape: str, suffix: str, tmp_path: Path) -> None:
    """Objects by line, one after another, in a list, wrapped, nested."""
    content, columns = SHAPES[shape]
    (tmp_path / f"a{suffix}").write_text(content)
    corpus = load(tmp_path, f"a{suffix}", **columns)
    assert contents(corpus) == sorted((row["text"], row["label"]) for row in ROWS)


def test_nested_parquet(tmp_path: Path) -> None:
    """The same names for the fields of a nested column."""
    pq.write_table(pa.Table.from_pylist(NESTED), tmp_path / "a.parquet")
    expected = sorted((row["text"], row["label"]) for row in ROWS)
    assert contents(load(tmp_path, "a.parquet", **DOTTED)) == expected


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (PRETTY, "line 9"),
        ("\n\n" + PRETTY, "line 11"),
        ("\n".join(map(json.dumps, ROWS)), "line 3"),
        (json.dumps(ROWS), "row 3"),
        (json.dumps({"data": ROWS}), "row 3 of 'data'"),
    ],
)
def test_rows_are_located(content: str, place: str, tmp_path: Path) -> None:
    """By line where a row has one of its own."""
    file = tmp_path / "a.json"
    file.write_text(content)
    assert readers.locate_row([file, file], 2, wanted=["text"]) == f"{file}, {place}"
    assert readers.locate_row([file, file], 14, wanted=["text"]) == f"{file}, {place}"


LARGE = [str(2**64 + 1), str(2**64 + 2), "-" + "9" * 5000]


def test_integers_beyond_64_bits_stay_apart(tmp_path: Path) -> None:
    """As floats they would be one class."""
    lines = [f'{{"text": "text {n}", "label": {LARGE[n % 3]}}}' for n in range(12)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    classes = {label for _, label in contents(load(tmp_path, "a.jsonl"))}
    assert classes == set(LARGE)
    (tmp_path / "b.jsonl").write_text("\n".join(['{"text": "a", "label": 1}'] * 3 + lines))
    with pytest.raises(DataError, match=r"line 1: .* type int here and integer of more than 64"):
        load(tmp_path, "b.jsonl")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PRETTY + "\n{", "line 49: not valid JSON"),
        (PRETTY.replace('"text": "text 1"', '"text" "text 1"'), "line 6: not valid JSON"),
        ('{"text": "a"}\n{"text": "b"} 5\n', "line 2: not valid JSON: Extra data"),
        ('{"text": "a", "label": 1, "label": 0}\n' * 3, "has the key 'label' twice"),
        ('{"a": ' * 100_000, "nested too deeply"),
        (json.dumps({"train": ROWS, "test": ROWS}), "several lists of rows: 'train', 'test'"),
        (json.dumps(NESTED), "has no column 'text'. It has: 'id', 'content.body', 'content.lang'"),
        (json.dumps([*ROWS, 5]), "row 13: not an object but int"),
        (json.dumps([*ROWS, {"text": "\ud800", "label": "good"}]), "row 13: .* not UTF-8"),
        (json.dumps([*ROWS, {"text": [1], "label": "good"}]), "row 13: .* type list here"),
    ],
)
def test_broken_file_is_refused_with_the_place(content: str, words: str, tmp_path: Path) -> None:
    """And with what is wrong there."""
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=words):
        load(tmp_path, "a.json")


def test_type_that_changes_late_is_refused(tmp_path: Path) -> None:
    """Whole numbers beside decimals are numbers; texts beside numbers are neither."""
    rows = [{"text": f"text {n}", "label": 1 + n % 2} for n in range(20_000)]
    rows[15_000]["label"] = 2.0
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert load(tmp_path, "a.json").classes == ("1", "2")
    for row in rows[10_000:]:
        row["label"] = "two"
    (tmp_path / "b.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"b\.json: a column's type changes: .*'?label"):
        load(tmp_path, "b.json")


def test_columns_are_not_for_json(tmp_path: Path) -> None:
    """Its rows name their columns."""
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    with pytest.raises(DataError, match="names its columns itself"):
        load(tmp_path, "a.json", columns=("text", "label"))
