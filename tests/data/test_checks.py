import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data import card, checks
from pipeline.data.sources import Corpus
from pipeline.errors import DataError


def table(rows: list[tuple[str, int]]) -> pa.Table:
    """A split of (text, label)."""
    texts, labels = zip(*rows, strict=True)
    return pa.table({"text": list(texts), "label": np.array(labels, np.int64)})


TRAIN = [("a", 0), ("b", 1), ("c", 0), ("d", 1), ("c", 0), ("e", 0), ("f", 1), ("", 1), ("g", 0)]
CORPUS = Corpus(
    name="own",
    classes=("neg", "pos"),
    splits={
        "train": table(TRAIN),
        "validation": table([("d", 1), ("h", 0), ("i", 1)]),
        "test": table([("b", 0), ("h", 1), ("j\ufffd", 1), ("j\ufffd", 1)]),
        "unsupervised": pa.table({"text": ["a", "k", "h", "b"]}),
    },
    origin={"kind": "files", "path": "own.csv", "files": {"own.csv": "0" * 64}},
)


def test_rows_that_a_later_split_shares_are_left_out_and_counted() -> None:
    """Train gives way to validation and test, validation to test; test stays whole.

    Unlabeled texts that are measured on go too.
    """
    findings = checks.check_corpus(CORPUS)
    kept = {name: split["text"].to_pylist() for name, split in findings.corpus.splits.items()}
    assert kept == {
        "train": ["a", "c", "c", "e", "f", "", "g"],
        "validation": ["d", "i"],
        "test": ["b", "h", "j\ufffd", "j\ufffd"],
        "unsupervised": ["a", "k"],
    }
    assert findings.dropped == {
        "train": {"validation": 1, "test": 1},
        "validation": {"test": 1},
        "unsupervised": {"validation": 1, "test": 1},
    }
    assert findings.shared == {
        "train/validation": 1,
        "train/test": 1,
        "train/unsupervised": 2,
        "validation/test": 1,
        "validation/unsupervised": 1,
        "test/unsupervised": 2,
    }


def test_findings_count_what_a_reader_should_know() -> None:
    """Rows, classes, lengths, blank and repeated texts, texts with two labels."""
    findings = checks.check_corpus(CORPUS)
    train = findings.splits["train"]
    assert (train.rows, train.blank, train.repeated) == (7, 1, 1)
    assert train.labels == {"neg": 5, "pos": 2}
    assert train.characters == {"min": 0, "median": 1, "q95": 1, "max": 1}
    assert findings.splits["test"].repeated == 1
    assert findings.two_labels == 2
    notes = " ".join(findings.notes)
    assert "Dropped from train because test has the same text: 1 rows." in notes
    assert "wrong encoding" in notes
    shown = findings.render()
    assert "own: 2 classes" in shown
    assert all(name in shown for name in ("train", "validation", "test", "unsupervised", "pos"))


def test_imbalance_and_look_alike_classes_are_noted() -> None:
    """Five times as many rows of a class, and names that differ in case alone."""
    rows = [(f"text {n}", 0 if n < 21 else 1) for n in range(25)]
    corpus = Corpus("own", ("Good", "good "), {"train": table(rows), "test": table(rows[:1])}, {})
    notes = " ".join(checks.check_corpus(corpus).notes)
    assert "imbalanced" in notes
    assert "'Good', 'good '" in notes
    assert "test has no rows of: good " in notes


@pytest.mark.parametrize(
    ("rows", "classes", "words"),
    [
        ([("a", 0), ("b", 0), ("c", 0)], ("x",), "same class"),
        ([("a", 0), ("b", 1), ("c", 1)], ("x", "y"), "too few"),
        ([("a", 0), ("b", 1), ("c", 1), ("d", 1)], ("x", "y"), "class 'x' has 1 distinct"),
        ([("a", 0), ("a", 0), ("c", 1), ("d", 1)], ("x", "y"), "class 'x' has 1 distinct"),
        ([(" ", 0), ("\n", 0), ("\t", 1), ("", 1)], ("x", "y"), "blank"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(
    rows: list[tuple[str, int]], classes: tuple[str, ...], words: str
) -> None:
    """One class, too few rows, a class without a second row, nothing but spaces."""
    corpus = Corpus("own", classes, {"train": table(rows), "test": table([("z", 0)])}, {})
    with pytest.raises(DataError, match=words):
        checks.check_corpus(corpus)


def test_card_says_what_the_folder_holds(tmp_path: Path) -> None:
    """Its hashes are the files', its rows add up with what was dropped, its bytes are stable."""
    findings = checks.check_corpus(CORPUS)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        card.write_raw(tmp_path / name, findings.tables, findings.card())
    written = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    content = json.loads(written["card.json"])
    assert (content["kind"], content["task"]) == ("text", "binary")
    assert content["classes"] == ["neg", "pos"]
    assert content["revision"] is None
    assert content["source"]["files"] == {"own.csv": "0" * 64}
    assert set(written) == {"card.json"} | {f"{name}.parquet" for name in content["splits"]}
    dropped = sum(content["dropped"]["train"].values())
    assert content["splits"]["train"]["rows"] + dropped == len(TRAIN)
    assert content["duplicates"]["within"]["train"] == 1
    assert content["duplicates"]["two_labels"] == 2
