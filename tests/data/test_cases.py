"""Files as people bring them, each with what is right."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.sources import FilesSource
from pipeline.data import checks, sources
from pipeline.data.sources import Corpus
from pipeline.errors import DataError


def load(folder: Path, content: str, *, name: str = "a.csv", **changes: Any) -> Corpus:
    """A file with this content as a corpus that can be trained on."""
    (folder / name).write_text(content, encoding="utf-8")
    source = FilesSource(kind="files", path=name, **changes)
    cache = Path(tempfile.mkdtemp(dir=folder))
    return checks.check_corpus(sources.load_corpus("own", source, home=folder, cache=cache)).corpus


def table(header: str, labels: Sequence[str], *, rows: int = 40, text: str = "text") -> str:
    """A CSV file of numbered texts with these labels in turn."""
    lines = (f"{text} {n},{labels[n % len(labels)]}" for n in range(rows))
    return "\n".join([header, *lines, ""])


def counts(corpus: Corpus) -> dict[str, int]:
    """class → rows in all splits."""
    labels = [corpus.classes[label] for name in corpus.labeled for label in corpus.labels(name)]
    return {name: labels.count(name) for name in corpus.classes}


def test_sorted_by_class(tmp_path: Path) -> None:
    """All rows of one class, then all of the other."""
    lines = [f"text {n},{'pos' if n >= 2000 else 'neg'}" for n in range(4000)]
    corpus = load(tmp_path, "\n".join(["text,label", *lines]))
    assert counts(corpus) == {"neg": 2000, "pos": 2000}
    assert len(set(corpus.labels("test"))) == 2


def test_float_stars(tmp_path: Path) -> None:
    """Stars as decimals, beside a column of lists that nobody asked for."""
    expected = {str(star): 10 for star in range(1, 6)}
    columns = {"text_column": "reviewText", "label_column": "overall"}
    rows = [
        {"reviewText": f"text {n}", "helpful": [2, n], "overall": float(1 + n % 5)}
        for n in range(50)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert counts(load(tmp_path, lines, name="a.json", **columns)) == expected
    stars = [f"{star}.0" for star in range(1, 6)]
    content = table("reviewText,overall", stars, rows=50)
    assert counts(load(tmp_path, content, **columns)) == expected


@pytest.mark.parametrize("name", ["{}", "intent_{:02}"])
def test_many_classes(name: str, tmp_path: Path) -> None:
    """Seventy-seven intents, by number or by name, in that order."""
    names = [name.format(number) for number in range(77)]
    corpus = load(tmp_path, table("text,label", names, rows=77 * 8))
    assert corpus.classes == tuple(names)
    assert set(counts(corpus).values()) == {8}


@pytest.mark.parametrize(
    ("labels", "expected", "said"),
    [
        (["+1", "-1"], {"-1": 20, "+1": 20}, ""),
        (["1", "1.0", "0", "0.0"], {"0": 20, "1": 20}, "The labels '1' and '1.0' are one class"),
        (["+1", "1", "-1", "-1.0"], {"-1": 20, "1": 20}, "The labels '+1' and '1' are one class"),
        (["01", "1"], {"01": 20, "1": 20}, ""),
        (["1.0", "1.5"], {"1.0": 20, "1.5": 20}, ""),
        (
            ["10.0", "9.5", "10", "0.5"],
            {"0.5": 10, "9.5": 10, "10": 20},
            "The labels '10.0' and '10' are one class",
        ),
        (
            ['"4,5"', '"5,0"', "5", "4"],
            {"4": 10, "4,5": 10, "5": 20},
            "The labels '5,0' and '5' are one class",
        ),
        (["1.1", "1.10", "1.9", "1"], {"1": 10, "1.1": 10, "1.10": 10, "1.9": 10}, ""),
        (["1", '"1,000"'], {"1": 20, "1,000": 20}, ""),
        (["10", "9"], {"9": 20, "10": 20}, ""),
        (["$", "$$"], {"$": 20, "$$": 20}, ""),
        (["x" * 80, "y" * 80], {"x" * 80: 20, "y" * 80: 20}, ""),
        (
            ['"Cambridge, UK"', '"Cambridge, MA"', '"Boston, MA"', '"Boston, UK"'],
            {"Boston, MA": 10, "Boston, UK": 10, "Cambridge, MA": 10, "Cambridge, UK": 10},
            "",
        ),
        (["rock and roll", "AC/DC"], {"AC/DC": 20, "rock and roll": 20}, ""),
    ],
)
def test_labels_name_classes(
    labels: list[str],
    expected: dict[str, int],
    said: str,
    *,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Signs, decimals, leading zeros, symbols; what is merged is said."""
    corpus = load(tmp_path, table("text,label", labels))
    assert counts(corpus) == expected
    assert list(corpus.classes) == list(expected)
    shown = capsys.readouterr().out
    assert said in shown if said else shown == ""


@pytest.mark.parametrize("letter", ["\x1b[31m", "\a", "\u2028", "\x7f"])
def test_control_characters_in_a_label_are_refused(letter: str, tmp_path: Path) -> None:
    """They would color, clear or ring the terminal."""
    with pytest.raises(DataError, match=r"line 3: .* control character") as error:
        load(tmp_path, table("text,label", ["good", f"b{letter}ad"]))
    assert letter not in str(error.value)


SEVERAL = {
    "bars": (["drama|comedy", "action"], {}, "line 2: the label 'drama|comedy' seems"),
    "commas": (
        ['"drama, comedy"', "drama", "comedy"],
        {},
        "line 2: the label 'drama, comedy' seems",
    ),
    "a list as text": (["\"['drama', 'comedy']\"", "drama"], {}, "seems to be several labels"),
    "an array as text": (["[0 1]", "[1 0]"], {}, "seems to be several labels"),
    "one-hot": (["0,1", "1,0", "1,1"], {"header": "text,drama,comedy"}, "2 columns of 0 and 1"),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_several_labels_a_row_are_refused(case: str, tmp_path: Path) -> None:
    """Combinations must not become classes."""
    labels, changes, words = SEVERAL[case]
    with pytest.raises(DataError, match=words) as error:
        load(tmp_path, table(changes.get("header", "text,label"), labels))
    assert "not supported" in str(error.value)


def test_lists_of_labels_are_refused(tmp_path: Path) -> None:
    """Even if each has one."""
    lines = "".join(json.dumps({"text": f"text {n}", "label": ["a"]}) + "\n" for n in range(9))
    with pytest.raises(DataError, match="several are not supported"):
        load(tmp_path, lines, name="a.jsonl")


def test_one_hot_labels_in_json_are_refused(tmp_path: Path) -> None:
    """As in a table."""
    rows = [{"text": f"text {n}", "toxic": n % 2, "rude": n // 2 % 2} for n in range(9)]
    with pytest.raises(DataError, match="2 columns of 0 and 1: 'toxic', 'rude'"):
        load(tmp_path, json.dumps(rows), name="a.json")


def test_what_looks_like_several_labels_may_be_listed_as_classes(tmp_path: Path) -> None:
    """And one of several columns of labels may be learned."""
    corpus = load(tmp_path, table("text,label", ["a|b", "c"]), classes=("c", "a|b"))
    assert counts(corpus) == {"c": 20, "a|b": 20}
    one_hot = table("text,toxic,rude", ["0,1", "1,0", "1,1", "0,0"])
    assert counts(load(tmp_path, one_hot, label_column="toxic")) == {"0": 20, "1": 20}


# ── several text columns, groups ─────────────────────────────────────────────────────────

TITLED = [
    {
        "title": f"title {n}" if n % 3 else None,
        "body": f"body {n}" if n % 4 else "  ",
        "label": n % 2,
    }
    for n in range(1, 36)
    if n % 12
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_several_text_columns_are_joined(name: str, tmp_path: Path) -> None:
    """By a blank line, without the parts that are missing; a row without any is refused."""
    columns = ("title", "body")
    lines = {
        "a.jsonl": [json.dumps(row) for row in TITLED],
        "a.csv": [
            "title,body,label",
            *(f"{row['title'] or ''},{row['body']},{row['label']}" for row in TITLED),
        ],
    }[name]
    corpus = load(tmp_path, "\n".join(lines), name=name, text_column=columns)
    texts = {text for part in corpus.splits.values() for text in part["text"].to_pylist()}
    assert texts == {
        "\n\n".join(part for part in (row["title"], row["body"].strip()) if part)
        for row in TITLED
        if isinstance(row["body"], str)
    }
    empty = '{"title": null, "body": "", "label": 1}' if name == "a.jsonl" else ",,1"
    with pytest.raises(DataError, match=f"line {len(lines) + 1}: the columns 'title', 'body' are"):
        load(tmp_path, "\n".join([*lines, empty]), name=name, text_column=columns)


def test_groups_stay_together(tmp_path: Path) -> None:
    """A product's reviews are in one split, and so are those of products that share a review."""
    lines = [f"text {n},{n % 2},product {n // 5}" for n in range(100)]
    lines += ["text 3,1,product 19", "text 99,1,product 7"]
    content = "\n".join(["text,label,product", *lines])
    corpus = load(tmp_path, content, group_column="product")
    groups = {name: set(part["group"].to_pylist()) for name, part in corpus.splits.items()}
    assert not groups["train"] & groups["test"]
    assert len(groups["train"] | groups["test"]) == 20
    connected = [{"text 3", "text 95", "text 35"} & set(part["text"].to_pylist()) for part in
                 corpus.splits.values()]  # fmt: skip
    assert sorted(map(len, connected)) == [0, 3]
    assert corpus.origin["group_column"] == "product"


def test_groups_of_given_splits_are_counted(tmp_path: Path) -> None:
    """They are the user's own, so they are only told."""
    (tmp_path / "c").mkdir()
    for split, first in (("train", 0), ("test", 15)):
        lines = [f"{split} {n},{n % 2},{(first + n) // 2}" for n in range(20)]
        (tmp_path / "c" / f"{split}.csv").write_text("\n".join(["text,label,film", *lines]))
    source = FilesSource(kind="files", path="c", group_column="film")
    corpus = sources.load_corpus("own", source, home=tmp_path, cache=tmp_path)
    assert "Groups that are in both train and test: 3." in checks.check_corpus(corpus).notes


def test_neighbors_stay_together(tmp_path: Path) -> None:
    """Without a column of groups: every four rows of the file are one."""
    content = "\n".join(["text,label", *(f"text {n},{n // 40}" for n in range(80))])
    corpus = load(tmp_path, content, group_rows=4)
    for part in corpus.splits.values():
        numbers = [int(text.removeprefix("text ")) for text in part["text"].to_pylist()]
        assert [number // 4 for number in numbers] == part["group"].to_pylist()
        assert len(numbers) == 4 * len(set(part["group"].to_pylist()))
    assert corpus.origin["group_rows"] == 4


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["a", ""], "line 3: the column 'film' is empty"),
        (["a", " "], "line 3: the column 'film' is empty"),
        (["a"], "each class has only one group in the column 'film'"),
    ],
)
def test_unusable_groups_are_refused(groups: list[str], words: str, tmp_path: Path) -> None:
    """A row without one, and one for all."""
    lines = [f"text {n},{n % 2},{groups[n % len(groups)]}" for n in range(20)]
    with pytest.raises(DataError, match=words):
        load(tmp_path, "\n".join(["text,label,film", *lines]), group_column="film")
