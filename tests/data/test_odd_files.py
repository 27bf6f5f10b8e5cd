"""Files that hold something else than their name says are errors for people."""

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
