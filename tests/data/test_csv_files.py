import csv
import gzip
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import csv_files
from pipeline.data.header import PLAIN, Layout
from pipeline.errors import DataError

WANTED = ["text", "label"]
NONE = Layout(quoting="none")
LABELS = st.sampled_from(["neg", "pos"])


def read(content: str | bytes, layout: Layout = PLAIN, *, name: str = "a.csv") -> list[list[str]]:
    """The wanted cells of a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return [cells for _, cells in csv_files.rows(file, WANTED, layout)]


def read_or_fix(content: str, *, name: str = "a.csv") -> list[list[str]] | str:
    """The same, or the remedy if it is refused."""
    try:
        return read(content, name=name)
    except DataError as error:
        return error.fix


def lines(rows: Sequence[Sequence[str]], mark: str = "\t") -> str:
    """Lines that were never quoted, below a header."""
    return "".join(f"{mark.join(row)}\n" for row in [WANTED, *rows])


@given(st.lists(st.tuples(st.text('ab", \r\n\t;'), LABELS), min_size=1))
def test_quoted_text_comes_through(rows: list[tuple[str, str]]) -> None:
    """What a CSV writer wrote is read as it was, or refused if in doubt: never changed."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([WANTED, *rows])
    expected = [list(row) for row in rows]
    assert read(written.getvalue(), Layout(quoting="minimal")) == expected
    found = read_or_fix(written.getvalue())
    assert found == expected or (isinstance(found, str) and "quoting: minimal" in found)


@given(st.lists(st.tuples(st.text('ab" '), LABELS), min_size=1))
def test_no_row_is_swallowed(rows: list[tuple[str, str]]) -> None:
    """Of a TSV that was never quoted, every row arrives with its label, or it is refused."""
    assert read(lines(rows), NONE, name="a.tsv") == [list(row) for row in rows]
    found = read_or_fix(lines(rows), name="a.tsv")
    if isinstance(found, str):
        assert "quoting: none" in found
    else:
        assert [label for _, label in found] == [label for _, label in rows]


SWALLOWED = [(f"slow kettle {n}", "neg" if n % 2 else "pos") for n in range(40)]
SWALLOWED[10] = ('"' + SWALLOWED[10][0], "pos")
SWALLOWED[29] = (SWALLOWED[29][0] + '"', "neg")


def test_quotes_of_a_file_that_was_never_quoted_are_refused_by_line() -> None:
    """A mark that opens a cell and one that closes another would make one row of twenty."""
    assert len(read(lines(SWALLOWED), NONE, name="a.tsv")) == 40
    with pytest.raises(DataError, match=r"line 12: .* one row of 20 lines") as error:
        read(lines(SWALLOWED), name="a.tsv")
    assert "quoting: none" in error.value.fix
    assert len(read(lines(SWALLOWED), Layout(quoting="minimal"), name="a.tsv")) == 21


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"so it is" he said', "line 3: .* closed in line 3 before the cell ends"),
        ('"so it is', "line 3: .* is never closed"),
    ],
)
def test_misplaced_quote_is_refused(text: str, words: str) -> None:
    """Text after a closing mark would lose the marks; one never closed, all the rest."""
    rows = [("well", "pos"), (text, "neg"), ("bad", "neg")]
    with pytest.raises(DataError, match=words):
        read(lines(rows))
    assert read(lines(rows), NONE)[1] == [text, "neg"]


def test_texts_with_commas_in_their_lines_are_no_rows() -> None:
    """Even if many lines begin with the same word, and have as many commas as a row."""
    text = "However, it was number {0}.\nHowever, so was {0}.\nThat, of course, is it.\nEnd of {0}"
    rows = [(text.format(n), "pos" if n % 2 else "neg") for n in range(50)]
    written = io.StringIO(newline="")
    csv.writer(written).writerows([WANTED, *rows])
    assert read(written.getvalue()) == [list(row) for row in rows]


def test_cell_may_span_lines() -> None:
    """Lines of a text aren't rows, even with separators in them."""
    text = '"Well, I think\nit is good, really\nso, yes",pos\n'
    rows = [*[f"text {n},{'neg' if n % 2 else 'pos'}\n" for n in range(8)], text]
    assert read("text,label\n" + "".join(rows))[-1] == [
        "Well, I think\nit is good, really\nso, yes",
        "pos",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_encodings(end: str, encoding: str) -> None:
    """Those of every system, with and without a byte order mark."""
    content = end.join(["text;label", "schön;pos", '"a;b";neg', ""])
    assert read(content.encode(encoding)) == [["schön", "pos"], ["a;b", "neg"]]


@pytest.mark.parametrize("mark", csv_files.SEPARATORS)
def test_separator_is_found(mark: str) -> None:
    """By the wanted columns, or by how many columns there are."""
    assert read(lines([("a", "pos")], mark)) == [["a", "pos"]]


def test_compressed_file() -> None:
    """Read as it is; a damaged one is refused."""
    content = gzip.compress(lines([("a", "pos")] * 1000).encode())
    assert read(content, name="a.tsv.gz") == [["a", "pos"]] * 1000
    for damaged in (content[:-10], b"no gzip", content[:20] + b"\0" * 9 + content[29:]):
        with pytest.raises(DataError, match=r"a\.tsv\.gz can't be unpacked"):
            read(damaged, name="a.tsv.gz")


def test_nul_is_refused() -> None:
    """It is no text; UTF-16 without a mark has many."""
    with pytest.raises(DataError, match="line 2: a NUL"):
        read("text,label\na\0b,pos\n")


# ── headers ──────────────────────────────────────────────────────────────────────────────

NO_HEADER = '"4","short","a text"\n"3","also","another, well"\n"4","last","and so on"\n'
NO_HEADER += '"3","another one","a text"\n'


def test_file_without_header() -> None:
    """Every row arrives if the columns are named; else the first one is shown, not lost."""
    named = Layout(columns=("label", "title", "text"))
    assert read(NO_HEADER, named) == [
        ["a text", "4"],
        ["another, well", "3"],
        ["and so on", "4"],
        ["a text", "3"],
    ]
    with pytest.raises(DataError, match=r"'4', 'short', 'a text'.*without a header") as error:
        read(NO_HEADER)
    assert "3 columns" in error.value.fix
    assert "`columns: [label, column_2, text]`" in error.value.fix
    with pytest.raises(DataError, match="line 1: 3 fields, but `columns` names 2"):
        read(NO_HEADER, Layout(columns=("label", "text")))


@pytest.mark.parametrize("first", ["7,good", "0.5,good", f"{'a long text ' * 6},pos"])
def test_first_row_is_told_from_a_header(first: str) -> None:
    """By a number, by a value that recurs, by its length."""
    with pytest.raises(DataError, match="without a header"):
        read(f"{first}\n1,pos\n2,pos\n3,neg\n" if "long" not in first else f"{first}\nb,neg\n")


def test_header_where_none_should_be() -> None:
    """`columns` for a file that has a header would make a row of it."""
    with pytest.raises(DataError, match="first line is a header") as error:
        read("Label,Text\npos,a\n", Layout(columns=("label", "text")))
    assert "remove `columns`" in error.value.fix


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (",text,label\n0,a,pos\n1,b,neg\n", [["a", "pos"], ["b", "neg"]]),
        ("text,label,\na,pos,\nb,neg,\n", [["a", "pos"], ["b", "neg"]]),
        ("text,label\na,pos,,\nb,neg\n", [["a", "pos"], ["b", "neg"]]),
        ("text,label,,\na,pos\nb,neg,\n", [["a", "pos"], ["b", "neg"]]),
        ("text,label\n  \na,pos\n", [["a", "pos"]]),
        ("id,text,id,label\n0,a,0,pos\n", [["a", "pos"]]),
        ("text,label\n\na,pos\n\n", [["a", "pos"]]),
    ],
)
def test_odd_but_readable(content: str, expected: list[list[str]]) -> None:
    """A nameless column, trailing separators, another column twice, blank lines."""
    assert read(content) == expected


def test_one_hot_labels_are_told() -> None:
    """Columns of 0 and 1 where the label should be."""
    rows = [f"{n},a text,{n % 2},{n // 2 % 2},0" for n in range(6)]
    with pytest.raises(DataError, match="2 columns of 0 and 1: 'toxic', 'rude'") as error:
        read("\n".join(["id,text,toxic,rude,none", *rows]))
    assert "Several labels in a row are not supported" in str(error.value)
    with pytest.raises(DataError, match="Did you mean 'texts'"):
        read("\n".join(["id,texts,toxic,rude,none", *rows]))


def test_a_first_line_that_names_the_separator_is_no_row(tmp_path: Path) -> None:
    """Excel writes and reads `sep=;`; the lines keep their numbers."""
    file = tmp_path / "own.csv"
    file.write_text("sep=;\ntext;label\nfine, really, yes, so;1\nnot at all;0\n")
    assert list(csv_files.rows(file, ["label", "text"])) == [
        ("line 3", ["1", "fine, really, yes, so"]),
        ("line 4", ["0", "not at all"]),
    ]
