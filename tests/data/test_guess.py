import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from pipeline.core import params
from pipeline.data import guess, series, sources
from pipeline.errors import DataError
from tests.support.paths import PARAMS

Write = Callable[[str, list[dict[str, Any]]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes rows to a file of that name."""

    def written(name: str, rows: list[dict[str, Any]]) -> Path:
        path = tmp_path / name
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif path.suffix == ".csv":
            lines = [";".join(rows[0]), *(";".join(map(str, row.values())) for row in rows)]
            path.write_text("\n".join(lines))
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return written


REVIEWS = [
    {"id": n, "by": f"user {n % 3}", "stars": n % 5, "what": f"A review with the number {n}."}
    for n in range(40)
]
HOURS = [
    {"at": f"2026-01-{1 + n // 24:02d} {n % 24:02d}:00:00", "load": n / 3, "heat": n}
    for n in range(60)
]
STROKES = [{"x": [n, n + 1], "y": [n * 0.5, 2.0], "shape": "ab"[n % 2]} for n in range(20)]


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        (
            "own.csv",
            REVIEWS,
            {"kind": "files", "text_column": "what", "label_column": "stars"},
        ),
        (
            "own.jsonl",
            [
                {"text": row["what"], "Label": ["yes", "no"][n % 2], "spans": [[0, 1]]}
                for n, row in enumerate(REVIEWS)
            ],
            {
                "kind": "files",
                "text_column": "text",
                "label_column": "Label",
                "evidence_column": "spans",
            },
        ),
        (
            "own.csv",
            HOURS,
            {
                "kind": "series",
                "time_column": "at",
                "features": ["load", "heat"],
                "target": "load",
                "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            },
        ),
        (
            "own.parquet",
            STROKES,
            {"kind": "sequences", "features": ["x", "y"], "target": "shape"},
        ),
        (
            "own.jsonl",
            [{"x": row["x"], "sum": sum(row["x"]) + 0.5} for row in STROKES],
            {"kind": "sequences", "features": ["x"], "target": "sum", "task": "regression"},
        ),
    ],
)
def test_entry_is_guessed_and_works_as_pasted(
    name: str, rows: list[dict[str, Any]], expected: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    """Columns and task come from a look; the printed lines load the file without an edit."""
    path = write(name, rows)
    guessed = guess.guess_source(path)
    assert guessed.source == expected
    encode = {"files": {"vocabulary": 9, "max_len": 9}}.get(guessed.source["kind"], {})
    lines = guess.params_entry("own", name, guessed.source, encode, {})
    assert all(line.startswith("  ") for line in lines.splitlines())

    text = (PARAMS).read_text()
    before, after = text.split("datasets:\n")
    pasted = before.replace("dataset: demo", "dataset: own") + f"datasets:\n{lines}{after}"
    entry = params.parse_params(YAML(typ="safe").load(pasted)).entry
    (tmp_path / "cache").mkdir()
    if isinstance(entry, params.SeriesEntry):
        series.load_series("own", entry.source, home=tmp_path, cache=tmp_path / "cache")
    else:
        sources.load_corpus("own", entry.source, home=tmp_path, cache=tmp_path / "cache")


def test_what_was_seen_is_told(write: Write) -> None:
    """Each column's kind, how many distinct values it has, and a few of them."""
    seen = guess.guess_source(write("own.csv", REVIEWS)).look.columns
    assert seen["stars"].describe() == "whole numbers, 5 distinct: 0, 1, 2"
    assert seen["what"].describe().startswith("text, 40 distinct: A review")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no rows"),
        ("a,b\n", "no rows"),
        ("a\none\ntwo\nthree\n", "no column for the class"),
        ("a\none\none\none\none\n", "no columns to learn from: 'a' \\(text\\)"),
        ("a,b\n1.5,2\n2.5,3\n", "(?s)neither texts nor a time column.*--target"),
    ],
)
def test_file_without_anything_to_learn_is_refused(
    content: str, words: str, tmp_path: Path
) -> None:
    """An empty file, a header alone, a single column of text."""
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        guess.guess_source(tmp_path / "own.csv")


def test_broken_file_is_refused_with_its_line(tmp_path: Path) -> None:
    """As reading it whole would be."""
    (tmp_path / "own.jsonl").write_text('{"text": "a", "label": 1}\n{"text": \n')
    with pytest.raises(DataError, match="line 2: not valid JSON"):
        guess.guess_source(tmp_path / "own.jsonl")


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("own.txt", [f"__label__{'ab'[n % 2]} a text with {n}" for n in range(40)], "fastText's"),
        ("own.csv", ["text", *(f"a text with {n}" for n in range(40))], "no column for the class"),
        (
            "own.csv",
            ["text,label,text", *(f"a text with {n},{n % 2},x" for n in range(40))],
            "several columns have this name: 'text'",
        ),
        (
            "own.csv",
            ["# exported today", "text,label", *(f"a text with {n},{n % 2}" for n in range(40))],
            "the header has 1(.|\\n)*remove all lines above",
        ),
    ],
)
def test_what_a_file_lacks_is_said(name, lines, said, tmp_path):
    """Rather than an empty list of candidates."""
    (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(DataError, match=said):
        guess.guess_source(tmp_path / name)


@pytest.mark.parametrize("end", [",", ",,"])
def test_a_header_may_end_in_separators(tmp_path, end):
    """As the rows below it do, in what spreadsheets write."""
    lines = [f"a text with {n},{n % 2}{end}" for n in range(40)]
    (tmp_path / "own.csv").write_text("\n".join([f"text,label{end}", *lines]))
    found = guess.guess_source(tmp_path / "own.csv")
    assert [*found.look.columns] == ["text", "label"]


@pytest.mark.parametrize("blank", ["", " "])
def test_rows_without_a_label_are_counted(tmp_path, blank):
    """Training would stop at the first of them."""
    lines = [f"a text with {n},{blank if n % 10 == 3 else n % 2}" for n in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *lines]))
    found = guess.guess_source(tmp_path / "own.csv")
    assert any("4 of 40 rows have no 'label'" in note for note in found.notes)


def test_hours_from_1_to_24_are_named(tmp_path):
    """No format of a time knows the hour 24 of a day."""
    lines = [f"2026-01-{1 + n // 24:02d},{n % 24 + 1},{n / 3:.2f}" for n in range(96)]
    (tmp_path / "own.csv").write_text("\n".join(["Date,Hour,load", *lines]))
    with pytest.raises(DataError, match="hours from 0 to 23"):
        guess.guess_source(tmp_path / "own.csv", guess.Wishes(time=("Date", "Hour")))


@pytest.mark.parametrize(
    "name", [": x", "? x", "- y", "#z", "a: b", "{c", "null", "1", " q", "x,y"]
)
def test_a_column_of_any_name_can_be_pasted(name: str) -> None:
    """Quoted where YAML would read something else, alone and in a list."""
    source = {"kind": "series", "features": [name, "b"], "target": name}
    lines = guess.params_entry("own", "own.csv", source, {}, {})
    read = YAML(typ="safe").load(lines)["own"]["source"]
    assert (read["features"], read["target"]) == ([name, "b"], name)
