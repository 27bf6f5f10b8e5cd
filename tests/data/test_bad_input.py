"""Bad input: one paragraph that says where and what to do, an exit code, nothing destroyed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from pipeline.__main__ import main
from tests.support.paths import PARAMS

GOOD = [{"text": f"word{number} and more", "label": number % 2} for number in range(12)]


def csv(rows: list[str], *, header: str = "text,label") -> bytes:
    """A CSV file of these lines."""
    return ("\n".join([header, *rows]) + "\n").encode()


def jsonl(*rows: object) -> bytes:
    """A JSON-lines file of these rows."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(columns: dict[str, Any]) -> bytes:
    """A parquet file of these columns, uncompressed so that a test can damage its pages."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="none", use_dictionary=False)
    return sink.getvalue().to_pybytes()


def with_labels(*labels: object) -> bytes:
    """A JSON-lines file with these labels."""
    return jsonl(*({"text": f"text {number}", "label": v} for number, v in enumerate(labels)))


LINES = [f"text {number},{number % 2}" for number in range(8)]
PARQUET = parquet({"text": ["long " * 200 + str(n) for n in range(400)], "label": [0, 1] * 200})
DAMAGED = PARQUET[:2000] + b"\xff" * 4000 + PARQUET[6000:]
SPAN = {"source": {"evidence_column": "evidence"}}
NAMES = {"source": {"classes": ["neg", "pos"]}}

# name → (file's name, content, changes to the entry, what the message must say)
CASES: dict[str, tuple[str, bytes | None, dict[str, Any], list[str]]] = {
    "no file": ("a.csv", None, {}, ["no file or folder", "a.csv", "a.tsv"]),
    "unknown format": ("a.docx", b"PK", {}, [".docx", ".csv", "convert"]),
    "empty file": ("a.csv", b"", {}, ["a.csv has no rows"]),
    "empty json lines": ("a.jsonl", b"", {}, ["a.jsonl has no rows"]),
    "header alone": ("a.csv", csv([]), {}, ["a.csv has no rows"]),
    "empty list": ("a.json", b"[]", {}, ["a.json has no rows"]),
    "blank lines": ("a.jsonl", b"\n\n", {}, ["a.jsonl has no rows"]),
    "parquet without rows": (
        "a.parquet",
        parquet({"text": pa.array([], "string"), "label": pa.array([], "int64")}),
        {},
        ["a.parquet has no rows"],
    ),
    "json of one value": ("a.json", b"5", {}, ["a.json", "list of objects"]),
    "one column as text and label": (
        "a.csv",
        csv(LINES),
        {"source": {"text_column": ["text", "label"]}},
        ["both name 'label'", "two columns"],
    ),
    "missing column": (
        "a.csv",
        csv(LINES, header="text,labels"),
        {},
        ["no column 'label'", "'text', 'labels'", "Did you mean 'labels'?"],
    ),
    "missing column in json lines": (
        "a.jsonl",
        jsonl({"review": "good", "label": 1}),
        {},
        ["no column 'text'", "'review', 'label'"],
    ),
    "missing column in parquet": (
        "a.parquet",
        parquet({"texts": ["a"], "label": [1]}),
        {},
        ["no column 'text'", "'texts'"],
    ),
    "column twice": ("a.csv", csv(["a,b,1"], header="text,text,label"), {}, ["2 columns", "text"]),
    "too many fields": (
        "a.csv",
        csv([*LINES, "well, well,1"]),
        {},
        ["line 10", "3 fields", "the header has 2", "quotes"],
    ),
    "too many fields in every row": ("a.csv", csv(["a,b,1", "c,d,0"]), {}, ["line 2", "3 fields"]),
    "too few fields": ("a.csv", csv([*LINES, "alone"]), {}, ["line 10", "1 fields"]),
    "quotation left open": ("a.csv", csv([*LINES[:3], '"open,1', "b,0"]), {}, ["line 5", "quot"]),
    "latin-1": (
        "a.csv",
        csv([*LINES, "schön,1"]).decode().encode("latin-1"),
        {},
        ["line 10", "UTF-8", "0xf6"],
    ),
    "utf-16 without a mark": (
        "a.csv",
        csv(LINES).decode().encode("utf-16-le"),
        {},
        ["line 1", "NUL", "UTF-16"],
    ),
    "latin-1 json lines": (
        "a.jsonl",
        jsonl(*GOOD, {"text": "schön", "label": 1}).decode().encode("latin-1"),
        {},
        ["line 13", "UTF-8"],
    ),
    "binary": ("a.csv", b"\x89PNG\r\n\x1a\n\x00", {}, ["line 1", "UTF-8", "text file"]),
    "broken json line": (
        "a.jsonl",
        jsonl(*GOOD[:2]) + b'{"text": "b" "label": 0}\n',
        {},
        ["line 3", "not valid JSON"],
    ),
    "cut-off json line": ("a.jsonl", jsonl(*GOOD) + b'{"text": "b', {}, ["line 13", "JSON"]),
    "json line that is no object": ("a.jsonl", b"[1, 2]\n[3, 4]\n", {}, ["line 1", "list"]),
    "cut-off json": ("a.json", json.dumps(GOOD).encode()[:-20], {}, ["a.json", "not valid JSON"]),
    "no parquet": ("a.parquet", b"hello, I am no parquet file", {}, ["a.parquet", "can't be read"]),
    "cut-off parquet": ("a.parquet", PARQUET[:-500], {}, ["a.parquet", "truncated"]),
    "damaged parquet": ("a.parquet", DAMAGED, {}, ["a.parquet, after row", "damaged"]),
    "null text": (
        "a.jsonl",
        jsonl(*GOOD, {"text": None, "label": 1}),
        {},
        ["line 13", "'text' is null"],
    ),
    "null label": (
        "a.jsonl",
        jsonl(*GOOD, {"text": "unlabelled"}),
        {},
        ["line 13", "'label' is null"],
    ),
    "blank label": ("a.csv", csv([*LINES, "text,"]), {}, ["line 10", "'label' is blank"]),
    "number as text": (
        "a.parquet",
        parquet({"text": [1, 2], "label": [0, 1]}),
        {},
        ["int64", "text"],
    ),
    "text of two types": (
        "a.jsonl",
        jsonl(*GOOD, {"text": 5, "label": 1}),
        {},
        ["line 13", "'text' has type int here and str elsewhere"],
    ),
    "label out of range": (
        "a.jsonl",
        with_labels(0, 1, 0, 1, 2),
        NAMES,
        ["line 5", "label '2'", "numbers from 0 to 1", "neg, pos"],
    ),
    "label of no class": (
        "a.csv",
        csv(["a,pos", "b,neg", "c,positive"]),
        NAMES,
        ["line 4", "'positive'", "neg, pos"],
    ),
    "decimal label": ("a.jsonl", with_labels(0.5, 1.5), {}, ["line 1", "0.5", "integer"]),
    "list as label": ("a.jsonl", with_labels([0], [1]), {}, ["'label' has type list"]),
    "single class": ("a.jsonl", with_labels(*[1] * 20), {}, ["same class", "'1'"]),
    "too few rows": ("a.csv", csv(["a,x", "b,y", "c,z"]), {}, ["too few", "3 classes", "6"]),
    "class of one row": (
        "a.jsonl",
        with_labels(*[0, 1] * 9, 2),
        {},
        ["class '2' has 1 distinct", "two"],
    ),
    "every text another label": (
        "a.jsonl",
        with_labels(*[f"label {number}" for number in range(1001)]),
        {},
        ["1,001 distinct labels"],
    ),
    "blank texts": (
        "a.jsonl",
        jsonl(*({"text": " " * (n // 2), "label": n % 2} for n in range(40))),
        {},
        ["every text", "blank"],
    ),
    "evidence outside the text": (
        "a.jsonl",
        jsonl(*({**row, "evidence": [[0, 99]]} for row in GOOD)),
        SPAN,
        ["line 1", "[0, 99]", "14 characters"],
    ),
    "evidence that is no span": (
        "a.jsonl",
        jsonl(*({**row, "evidence": [7]} for row in GOOD)),
        SPAN,
        ["line 1", "evidence", "[start, end]"],
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that writes a project with one dataset of files, and enters it."""

    def make(path: str, **changes: Any) -> Path:
        params = YAML(typ="safe").load((PARAMS).read_text())
        source = {"kind": "files", "path": path, **changes.get("source", {})}
        params |= {
            "dataset": "own",
            "datasets": {"own": {**params["datasets"]["demo"], "source": source}},
        }
        with (tmp_path / "params.yaml").open("w") as file:
            YAML(typ="safe").dump(params, file)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("DVC_ROOT", raising=False)
        earlier = tmp_path / "data" / "raw"
        earlier.mkdir(parents=True)
        (earlier / "card.json").write_text("from before")
        return tmp_path

    return make


def assert_refused(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """`download` fails as a person may expect of it, and leaves the earlier output alone."""
    code = main(["download"])
    shown = capsys.readouterr().err
    assert code == 3
    assert "Traceback" not in shown
    message, fix = shown.strip().split("\n")
    assert message.startswith("error: ")
    assert fix.startswith("  → ")
    for word in words:
        assert word in shown
    assert [path.name for path in (folder / "data" / "raw").iterdir()] == ["card.json"]
    assert (folder / "data" / "raw" / "card.json").read_text() == "from before"
    assert [path.name for path in (folder / "data").iterdir()] == ["raw"]
    assert list((folder / ".spotlight").iterdir()) == []


@pytest.mark.parametrize("case", CASES)
def test_bad_file_is_refused(
    case: str, project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind of bad file: the place, the rule and the remedy in one paragraph."""
    name, content, changes, words = CASES[case]
    folder = project(name, **changes)
    if content is None:
        (folder / "a.tsv").write_text("")
    else:
        (folder / name).write_bytes(content)
    assert_refused(folder, capsys, words)


FOLDERS: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "no data file": ({"notes.md": b"hello"}, ["no data files", ".parquet"]),
    "two formats": ({"a.csv": csv(LINES), "b.jsonl": jsonl(*GOOD)}, ["mixes", ".csv, .jsonl"]),
    "a file of no split": ({"train.csv": csv(LINES), "more.csv": csv(LINES)}, ["'more.csv'"]),
    "no train": ({"test.csv": csv(LINES)}, ["none for train"]),
    "second file broken": (
        {"train-1.csv": csv(LINES), "train-2.csv": csv([*LINES, "a,1,2"])},
        ["train-2.csv, line 10"],
    ),
    "null in the second file": (
        {"train-1.jsonl": jsonl(*GOOD), "train-2.jsonl": jsonl({"text": "a"}, {"label": 1})},
        ["train-2.jsonl, line 1", "null"],
    ),
    "train is test": (
        {"train.csv": csv(LINES), "test.csv": csv(LINES)},
        ["0 rows to train on (after dropping 8 rows"],
    ),
    "class of test alone": (
        {"train.csv": csv(LINES), "test.csv": csv(["new,0", "newer,2"])},
        ["class '2' has 0 distinct"],
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_bad_folder_is_refused(
    case: str, project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind of bad folder: which file, and what to do."""
    content, words = FOLDERS[case]
    folder = project("corpus")
    (folder / "corpus").mkdir()
    for name, data in content.items():
        (folder / "corpus" / name).write_bytes(data)
    assert_refused(folder, capsys, words)
