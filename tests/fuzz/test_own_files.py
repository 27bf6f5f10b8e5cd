"""Damaged files of every format that `data add` reads: a table, or an error for people."""

import contextlib
import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.sources import FilesSource
from pipeline.data import guess, sources
from pipeline.data.checks import check_corpus
from pipeline.errors import DataError
from tests.support.fuzz import FUZZED, damaged
from tests.support.workbook import WORKBOOK

ROWS = [
    {"text": f'the lamp, No. {n}, is "{word}" – schön', "label": word, "stars": n % 5}
    for n, word in enumerate(["good", "bad"] * 15)
]


def delimited(mark):
    """A table whose cells may be in quotation marks."""
    cells = [[f'"{row["text"].replace(chr(34), 2 * chr(34))}"', row["label"], str(row["stars"])]
             for row in ROWS]  # fmt: skip
    return "\n".join(mark.join(line) for line in [list(ROWS[0]), *cells]).encode()


def parquet():
    """The same as parquet."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


def excel():
    """The same as a workbook, whose parts are compressed, as a spreadsheet writes them."""
    cells = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="{column}{number}" t="inlineStr"><is><t>{escape(str(cell))}</t></is></c>'
            for column, cell in zip("ABC", line, strict=True)
        )
        + "</row>"
        for number, line in enumerate([list(ROWS[0]), *(row.values() for row in ROWS)], 1)
    )
    sheet = WORKBOOK["xl/worksheets/sheet2.xml"].replace(
        "<sheetData/>", f"<sheetData>{cells}</sheetData>"
    )
    return zipped(**{**WORKBOOK, "xl/worksheets/sheet1.xml": sheet})


def zipped(**parts):
    """A .zip of files, by their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(name, content):
    """A .tar.gz of one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


FILES = {
    "a.csv": delimited(","),
    "a.tsv": delimited("\t"),
    "a.txt": delimited(";"),
    "a.json": json.dumps(ROWS, ensure_ascii=False).encode(),
    "a.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode(),
    "a.parquet": parquet(),
    "a.xlsx": excel(),
    "a.csv.gz": gzip.compress(delimited(","), mtime=0),
    "a.zip": zipped(**{"a.csv": delimited(",")}),
    "a.tar.gz": tarred("a.csv", delimited(",")),
}


@pytest.mark.parametrize("name", FILES)
@FUZZED
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path, name, data):
    """When it is added, and when it is downloaded."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))  # what is known of a path is kept
    (folder / "cache").mkdir()
    (folder / name).write_bytes(data.draw(damaged(FILES[name])))
    with contextlib.suppress(DataError):
        assert guess.guess_source(folder / name).rows > 0
    with contextlib.suppress(DataError):
        source = FilesSource(kind="files", path=name)
        found = check_corpus(
            sources.load_corpus("own", source, home=folder, cache=folder / "cache")
        )
        assert found.tables["train"].num_rows > 0


@pytest.mark.parametrize("name", FILES)
def test_the_whole_files_are_read(tmp_path, name):
    """So that what is damaged above is something."""
    (tmp_path / name).write_bytes(FILES[name])
    assert guess.guess_source(tmp_path / name).source["label_column"] == "label"


def test_a_cell_far_to_the_right_takes_no_memory(tmp_path):
    """Its column would have a cell for each before it."""
    content = zipfile.ZipFile(io.BytesIO(FILES["a.xlsx"]))
    parts = {name: content.read(name) for name in content.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'r="C2"', b'r="ZZZZZZ2"')
    (tmp_path / "a.xlsx").write_bytes(zipped(**parts))
    with pytest.raises(DataError, match="row 2 has a cell beyond the last column"):
        guess.guess_source(tmp_path / "a.xlsx")
