import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.sources import FilesSource
from pipeline.data import checks, excel_files, readers, sources
from pipeline.data.header import Layout
from pipeline.data.sources import Corpus
from pipeline.errors import DataError
from tests.support.workbook import NAMESPACE, SHEET, WORKBOOK


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write these files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def load(folder: Path, name: str = "c", **changes: Any) -> Corpus:
    """A file or folder in `folder` as a corpus."""
    cache = Path(tempfile.mkdtemp(dir=folder))
    source = FilesSource(kind="files", path=name, **changes)
    return sources.load_corpus("own", source, home=folder, cache=cache)


def texts(where: str, count: int = 8) -> dict[str, str]:
    """Text files of two classes."""
    return {
        f"{where}{label}/{n}.txt": f"{where} {label} {n}\nschön"
        for label in ("neg", "pos")
        for n in range(count)
    }


def contents(corpus: Corpus, split: str) -> set[tuple[str, str]]:
    """Text and class of every row."""
    rows = corpus.splits[split].to_pylist()
    return {(row["text"], corpus.classes[row["label"]]) for row in rows}


# ── a folder per class ───────────────────────────────────────────────────────────────────


def test_folder_per_class(tmp_path: Path) -> None:
    """Each file is a row, and its folder's name is its label."""
    write(tmp_path / "c", texts(""))
    corpus = load(tmp_path)
    found = contents(corpus, "train") | contents(corpus, "test")
    assert found == {(text, name.partition("/")[0]) for name, text in texts("").items()}


def test_folder_per_split_and_class(tmp_path: Path) -> None:
    """As IMDB comes: splits, classes, an unlabeled folder, and lists that are no reviews."""
    files = {**texts("train/"), **texts("test/", 4), "train/unsup/1.txt": "no label"}
    write(
        tmp_path / "c", {**files, "train/urls_pos.txt": "http://", "README": "about", "i.txt": ""}
    )
    corpus = load(tmp_path)
    for split in ("train", "test"):
        assert contents(corpus, split) == {
            (text, name.split("/")[1])
            for name, text in files.items()
            if name.startswith(split) and "unsup" not in name
        }
    assert corpus.splits["unsupervised"].to_pylist() == [{"text": "no label"}]
    (note,) = (note for note in checks.check_corpus(corpus).notes if "Not read" in note)
    assert note == "Not read, because in no class's folder: 2 files, such as i.txt."


def test_files_of_class_folders_are_located_and_hashed(tmp_path: Path) -> None:
    """An edit of one is seen; a broken one is named."""
    write(tmp_path / "c", texts(""))
    corpus = load(tmp_path)
    assert set(corpus.origin["files"]) == {"neg", "pos"}
    write(tmp_path / "c", {"pos/3.txt": "edited"})
    assert readers.changed_files(corpus.origin, home=tmp_path) == ["pos"]
    (tmp_path / "c" / "pos" / "3.txt").write_bytes("schön".encode("latin-1"))
    with pytest.raises(DataError, match=r"pos/3\.txt, line 1: not UTF-8"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("files", "changes", "words"),
    [
        ({**texts(""), **texts("test/")}, {}, "doesn't say its split"),
        (texts("test/"), {}, "none for train"),
        (texts(""), {"text_column": "review"}, "no column 'review'. It has: 'text', 'label'"),
        (texts("", 0) | {"pos/1.txt": "a", "pos/2.txt": "b"}, {}, "same class, 'pos'"),
    ],
)
def test_unusable_class_folders_are_refused(
    files: dict[str, str], changes: dict[str, str], words: str, tmp_path: Path
) -> None:
    """Some in a split and some not, no train, another column, a single class."""
    write(tmp_path / "c", files)
    with pytest.raises(DataError, match=words):
        checks.check_corpus(load(tmp_path, **changes))


# ── tables ───────────────────────────────────────────────────────────────────────────────

LINES = "".join(f"text {n}\t{n % 2}\n" for n in range(20))


def test_text_files_with_separators_are_tables(tmp_path: Path) -> None:
    """A .txt file alone, or one for each split, with or without a header."""
    write(tmp_path, {"a.txt": "text\tlabel\n" + LINES, "c/train.txt": LINES})
    write(tmp_path, {"c/test.txt": LINES.replace("text", "other")})
    assert sum(map(len, load(tmp_path, "a.txt").splits.values())) == 20
    corpus = load(tmp_path, columns=("text", "label"))
    assert {split: len(table) for split, table in corpus.splits.items()} == {
        "train": 20,
        "test": 20,
    }


def test_two_tables_of_one_header_are_read_as_one(tmp_path: Path) -> None:
    """Unless a name says otherwise; a README beside them is no data."""
    rows = "text,label\n" + LINES.replace("\t", ",")
    write(tmp_path / "c", {"a.csv": rows, "b.csv": rows.replace("text ", "b "), "notes.txt": "a"})
    assert sum(map(len, load(tmp_path).splits.values())) == 40
    write(tmp_path / "c", {"b.csv": rows.replace("label", "class")})
    with pytest.raises(DataError, match=r"b\.csv has no column 'label'"):
        load(tmp_path)


# ── Excel ────────────────────────────────────────────────────────────────────────────────


def workbook(path: Path, **changes: str) -> Path:
    """A workbook with changed parts."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**WORKBOOK, **changes}.items():
            archive.writestr(name, content)
    return path


def test_excel_workbook(tmp_path: Path) -> None:
    """Cells as they are shown: shared and formatted strings, numbers, dates; no empty rows."""
    file = workbook(tmp_path / "a.xlsx")
    assert list(readers.rows(file, ["text", "label", "when"])) == [
        ("row 2", ["schön <b>", "5", "2024-02-29 12:00:00"]),
        ("row 4", ["007", "True", ""]),
        ("row 5", ["a\rb", "4.5", ""]),
    ]
    named = Layout(columns=("a", "b", "c", "d"))
    assert next(readers.rows(file, ["b", "c"], named)) == ("row 1", ["label", ""])
    assert readers.locate_row([file], 1, wanted=["text"]) == f"{file}, row 4"


def test_excel_columns_are_numbered_like_letters() -> None:
    """A, Z, AA, ZZ, AAA."""
    letters = {"A": 0, "Z": 25, "AA": 26, "ZZ": 701, "AAA": 702}
    assert {one: excel_files.column_number(one) for one in letters} == letters


def test_excel_workbook_becomes_a_corpus(tmp_path: Path) -> None:
    """Like a CSV file."""
    rows = "".join(
        f'<row r="{n}"><c t="inlineStr"><is><t>text {n}</t></is></c><c><v>{n % 2}</v></c></row>'
        for n in range(2, 22)
    )
    sheet = SHEET[: SHEET.index('<row r="2">')] + rows + "</sheetData></worksheet>"
    workbook(tmp_path / "a.xlsx", **{"xl/worksheets/sheet1.xml": sheet})
    corpus = load(tmp_path, "a.xlsx")
    assert sum(map(len, corpus.splits.values())) == 20
    assert corpus.classes == ("0", "1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xl/worksheets/sheet2.xml": SHEET}, "several sheets: 'One', 'Two'"),
        ({"xl/worksheets/sheet1.xml": "<worksheet"}, "can't be read as an Excel workbook"),
        ({"xl/sharedStrings.xml": f"<sst {NAMESPACE}/>"}, "can't be read as an Excel workbook"),
        ({"xl/worksheets/sheet1.xml": SHEET.replace("row", "line")}, "has no rows"),
        ({"xl/worksheets/sheet1.xml": SHEET.replace('"B1"', '"Q1"')}, "row 1 has its cells out"),
    ],
)
def test_unusable_workbook_is_refused(changes: dict[str, str], words: str, tmp_path: Path) -> None:
    """Several sheets, damaged parts."""
    with pytest.raises(DataError, match=words):
        list(readers.rows(workbook(tmp_path / "a.xlsx", **changes), ["text", "label"]))


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    """Old or protected files are no zip archives."""
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(DataError, match="can't be read as an Excel workbook") as error:
        load(tmp_path, "a.xlsx")
    assert "CSV" in error.value.fix


def test_what_is_neither_a_file_nor_a_folder_is_told(tmp_path: Path) -> None:
    """A pipe would be waited for, and a link to itself is not a name that was mistyped."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="but a pipe, a socket or a device"):
        readers.resolve_path("pipe.csv", home=tmp_path)
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(
        DataError, match=r"loop\.csv is a link to loop\.csv, where there is nothing"
    ):
        readers.resolve_path("loop.csv", home=tmp_path)
