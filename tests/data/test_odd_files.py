"""Files that hold something else than their name says are errors for people."""

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.sources import FilesSource, HubSource
from pipeline.data import guess, readers, sources
from pipeline.errors import DataError

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(("name", "content"), [("a.json", DEEP), ("a.jsonl", f"{DEEP}\n")])
def test_json_that_nests_without_end_is_named(tmp_path, name, content):
    """Python's own limit is met long before."""
    (tmp_path / name).write_text(content)
    (tmp_path / "cache").mkdir()
    source = FilesSource(kind="files", path=name)
    with pytest.raises(DataError, match=name):
        sources.load_corpus("mine", source, home=tmp_path, cache=tmp_path / "cache")


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"splits": 3}', ""])
def test_a_saved_dataset_whose_description_is_not_one_is_named(tmp_path, content):
    """`dataset_dict.json` is written by a library, and may be cut off or another's."""
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "dataset_dict.json").write_text(content)
    source = HubSource(kind="hub", path="copy")
    with pytest.raises(DataError, match="copy"):
        sources.load_corpus("mine", source, home=tmp_path, cache=tmp_path / "cache")


def test_parquet_whose_text_is_not_utf_8_is_named(tmp_path):
    """Its writer declares that it is, and the reader takes its word."""
    texts = pa.array([b"sch\xf6n", b"good"] * 10).cast(pa.string(), safe=False)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts, "label": ["a", "b"] * 10}), path)
    with pytest.raises(DataError, match=r"a\.parquet.* is not UTF-8"):
        guess.guess_source(path)


def test_another_users_folder_that_does_not_exist_is_named(tmp_path):
    """`data add ~nosuchuser/x`, which a shell passes on as it stands."""
    with pytest.raises(DataError, match="no folder on this machine"):
        readers.resolve_path("~nosuchuser/x.csv", home=tmp_path)


TEXTS = [f"a story of {number} nights" for number in range(40)]
TIMES = [f"2024-{month:02d}" for month in range(1, 9)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"text": TEXTS, "price": [0.5 + n for n in range(40)]}, "no column of classes"),
        ({"words": [one.split() for one in TEXTS], "label": ["a", "b"] * 20}, "join each"),
        ({"day": pd.date_range("2024", periods=40), "price": ["1,234.50"] * 40}, "1234.5"),
        ({"shop": list("abcd"), **{time: [1.5, 2, 3, 4] for time in TIMES}}, "a row for each time"),
        (
            {"shop": list("abcd"), "2019": [1, 2, 3, 5], "2020": [2, 3, 4, 6], "2021": [3] * 4},
            "2019",
        ),
    ],
)
def test_a_table_of_another_shape_says_what_to_do(tmp_path, table, said):
    """Prices instead of classes, words instead of texts, a column for each time."""
    pd.DataFrame(table).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError) as caught:
        guess.guess_source(tmp_path / "a.parquet")
    assert said in f"{caught.value} {caught.value.fix}"


@pytest.mark.parametrize("split", ["", "train"])
def test_a_folder_that_datasets_saved_is_named(tmp_path, split):
    """With the line that converts it: its tables are in a format of its own."""
    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1] * 20})
    datasets.DatasetDict({"train": rows}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="save_to_disk") as caught:
        readers.files_by_split(tmp_path / "saved" / split)
    assert ".to_parquet('train.parquet')" in caught.value.fix
    assert ('["train"]' in caught.value.fix) == (not split)


def test_classes_that_may_be_one_and_classes_of_one_row_are_named(tmp_path):
    """Spelled in several ways, or too rare to learn."""
    labels = ["Good", " good", "bad", "BAD"] * 10
    pd.DataFrame({"text": [*TEXTS, "x y"], "label": [*labels, "odd"]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    first, alike, rare, *_ = guess.guess_source(tmp_path / "a.csv").notes
    assert "5 classes, ' good', BAD, Good, bad, odd" in first
    assert "' good', 'Good'; 'BAD', 'bad' differ only in case or spaces" in alike
    assert "'odd' has one row" in rare


def test_a_header_that_is_taken_for_a_row_is_named(tmp_path):
    """The user names the columns of a file whose header has other names."""
    rows = [f"{text},{number % 2}" for number, text in enumerate(TEXTS)]
    (tmp_path / "a.csv").write_text("\n".join(["review,stars", *rows]))
    notes = guess.guess_source(tmp_path / "a.csv", names=["text", "label"]).notes
    assert "Its first line may be a header: if so, leave out `columns`." in notes
    (tmp_path / "b.csv").write_text("\n".join([*rows, "fine,stars"]))
    notes = guess.guess_source(tmp_path / "b.csv", names=["text", "label"]).notes
    assert "'stars' has one row" in notes[1]
    assert len(notes) == 2
