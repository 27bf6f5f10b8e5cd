import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.serving import questions

TEXTS = ['A "quoted", long\nreview', "Nobody in it can act", "42", "a \x00 and \x1b[31m", "电影 🎬"]
LINES = [text for text in TEXTS if "\n" not in text]


def written(path, texts):
    """A file of that suffix with a column `text` and another."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), path)
    elif path.suffix == ".txt":
        path.write_text("".join(f"{text}\r\n" for text in texts), encoding="utf-8", newline="")
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps({'id': 1, 'text': text})}\n" for text in texts))
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows(
                [["id", "text"], *([number, text] for number, text in enumerate(texts))]
            )
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "txt"])
def test_every_format_holds_the_same_texts(tmp_path, suffix):
    """Whatever letters are in them; a number in a CSV file is a text too."""
    texts = LINES if suffix == "txt" else TEXTS
    found = list(questions.texts(written(tmp_path / f"rows.{suffix}", texts), "text"))
    assert [question.content for question in found] == texts
    assert all(f"rows.{suffix}, " in question.where for question in found)


def test_standard_input_is_a_text_a_line(monkeypatch):
    """As a .txt file is."""
    content = "\n".join(LINES).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert [question.content for question in questions.texts("-", "text")] == LINES


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"review\nx\n", "a.csv has no column 'text'. It has: 'review'"),
        ("a.csv", b"text,label\nx,1\n\ny\n", "a.csv, line 4: 1 fields, but the header has 2"),
        ("a.csv", b'text\n"two\nlines"\n" "\n', "a.csv, line 4 holds ' ' instead of a text"),
        ("a.csv", b"text\nb\xe9te\n", "not UTF-8"),
        ("a.csv", b'text\nx\n"open\nrest\n', "a.csv, line 3, can't be read: unexpected end"),
        ("a.csv", b'text\n"x" y\n', "a.csv, line 2, can't be read"),
        ("a.csv", b"text,text\nx,y\n", "a.csv has 2 columns 'text'"),
        ("a.csv", b"", "a.csv has no rows"),
        ("a.csv", b"text\n", "a.csv has no rows"),
        ("a.jsonl", b'{"text": "x"}\n{"text": null}\n', "a.jsonl, line 2 holds nothing"),
        ("a.jsonl", b'{"text": 3}\n', "a.jsonl, line 1 holds 3 instead"),
        ("a.jsonl", b'{"text": ["x"]}\n', "a.jsonl, line 1 holds ['x'] instead"),
        ("a.jsonl", b'{"text": "a\\ud800"}\n', "line 1 holds '\\ud800', which is no character"),
        ("a.jsonl", b'{"test": "x"}\n', "line 1 has no column 'text'. It has: 'test'. Did you"),
        ("a.jsonl", b'"x"\n', "a.jsonl, line 1 is not an object but str"),
        ("a.jsonl", b"{\n", "a.jsonl, line 1 is not JSON"),
        ("a.jsonl", b'{"text": "x"}\nb\xe9\n', "a.jsonl, line 2 is not UTF-8 (byte 0xe9)"),
        ("a.txt", b"x\n\ny\n", "a.txt, line 2 holds '' instead of a text"),
        ("a.txt", b"x\nb\xe9te\n", "a.txt, line 2 is not UTF-8 (byte 0xe9)"),
        ("a.parquet", b"PAR1 and junk", "a.parquet, after row 0, can't be read"),
    ],
)
def test_what_is_no_text_is_an_error_that_names_the_row(tmp_path, name, content, said):
    """What it holds instead, and what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        list(questions.texts(str(tmp_path / name), "text"))
    assert said in error.value.message
    assert error.value.fix


def test_a_parquet_column_may_hold_other_things(tmp_path):
    """A missing value and a number are refused by row."""
    for column, said in [(["x", None], "row 2 holds nothing"), ([1.5], "row 1 holds 1.5")]:
        pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=said):
            list(questions.texts(str(tmp_path / "a.parquet"), "text"))


@pytest.mark.parametrize("name", ["missing.csv", "folder", "data.xlsx", "none", "/dev/null"])
def test_a_file_that_cannot_be_read_is_refused_at_once(tmp_path, name):
    """Before any library is imported."""
    (tmp_path / "folder").mkdir()
    for file in ("data.xlsx", "none"):
        (tmp_path / file).touch()
    with pytest.raises(DataError, match=name):
        questions.check_file(str(tmp_path / name))


def test_rows_are_read_as_they_are_needed(tmp_path):
    """The bad row at the end is met only there."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n' * 1000 + "{}\n")
    found = questions.texts(str(path), "text")
    assert next(found).content == "x"
    with pytest.raises(DataError, match="line 1,001"):
        list(found)


# ── series ───────────────────────────────────────────────────────────────────────────────

FEATURES = ["load", "oil"]


def steps(tmp_path, content):
    """The windows of a CSV file."""
    (tmp_path / "a.csv").write_text(content)
    return list(questions.windows(str(tmp_path / "a.csv"), FEATURES, 2))


def test_the_last_steps_of_a_file_are_the_window(tmp_path):
    """In their order; other columns don't matter."""
    (window,) = steps(tmp_path, "oil,date,load\n1,a,10\n2,b,20\n3,c,30\n")
    assert window.content == {"load": [20.0, 30.0], "oil": [2.0, 3.0]}
    assert "last 2 rows" in window.where


def test_rows_of_lists_are_windows(tmp_path):
    """One each."""
    rows = [{"load": [1, 2], "oil": [3, 4]}, {"load": [5, 6], "oil": [7, 8]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = list(questions.windows(str(tmp_path / "a.jsonl"), FEATURES, 2))
    assert [question.content for question in found] == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("load,oil\n1,2\n", "has 1 time steps; the model reads 2"),
        ("load,oil\n", "has no rows"),
        ("load,oil\n1,2\n3,\n", "line 3: oil holds '', which is not a number"),
        ("load,oils\n1,2\n", "has no column 'oil'"),
    ],
)
def test_what_is_no_window_is_refused(tmp_path, content, said):
    """With the line, and what stands there."""
    with pytest.raises(DataError, match=said):
        steps(tmp_path, content)


def test_lines_of_text_hold_no_series():
    """The features are named."""
    with pytest.raises(DataError, match="load, oil"):
        list(questions.windows("-", FEATURES, 2))
