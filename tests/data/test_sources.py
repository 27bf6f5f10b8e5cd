import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.sources import FilesSource, HubSource
from pipeline.data import card, checks, sources
from pipeline.data.sources import Corpus
from pipeline.errors import DataError
from tests.support.paths import REAL_DATA

ROWS = [
    {"review": "Good, and «schön»\nin two lines", "mood": "pos", "id": 1},
    {"review": 'He said "no"', "mood": "neg", "id": 2},
    {"review": "NA", "mood": "neg", "id": 3},
    {"review": "这部电影很好 🎬", "mood": "pos", "id": 4},
    {"review": "", "mood": "pos", "id": 5},
    {"review": "007", "mood": "neg", "id": 6},
]
COLUMNS = {"text_column": "review", "label_column": "mood", "test_share": 0.34}
Load = Callable[..., Corpus]


@pytest.fixture
def load(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Load:
    """A function that loads a source of `tmp_path`, each time with a fresh cache."""

    def fresh(source: FilesSource | HubSource) -> Corpus:
        cache = tmp_path_factory.mktemp("cache")
        return sources.load_corpus("own", source, home=tmp_path, cache=cache)

    return fresh


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows in the format that the path's suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case ".json":
            path.write_text(json.dumps(rows))
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case _:
            separator = "\t" if path.suffix == ".tsv" else ","
            quoted = [
                ['"' + str(value).replace('"', '""') + '"' for value in row.values()]
                for row in rows
            ]
            lines = [separator.join(rows[0]), *(separator.join(line) for line in quoted)]
            path.write_text("\n".join(lines) + "\n")


def contents(corpus: Corpus) -> dict[str, list[dict[str, Any]]]:
    """The splits' rows."""
    return {name: table.to_pylist() for name, table in corpus.splits.items()}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "[a] é*.csv"])
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path, load: Load) -> None:
    """Texts come through character by character, whatever file they are in."""
    write(tmp_path / name, ROWS)
    corpus = load(FilesSource(kind="files", path=name, **COLUMNS))
    assert corpus.classes == ("neg", "pos")
    rows = [
        (row["text"], corpus.classes[row["label"]])
        for split in contents(corpus).values()
        for row in split
    ]
    assert sorted(rows) == sorted((row["review"], row["mood"]) for row in ROWS)
    for table in corpus.splits.values():
        assert table.schema.types == [pa.string(), pa.int64()]


def test_excel_s_csv_is_read(tmp_path: Path, load: Load) -> None:
    """Semicolons and a byte order mark, as Excel writes them in half of Europe."""
    text = "\ufeffreview;mood\n" + "".join(f'"{n}; well";{n % 2}\n' for n in range(8))
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    corpus = load(FilesSource(kind="files", path="a.csv", **COLUMNS))
    texts = {row["text"] for split in contents(corpus).values() for row in split}
    assert texts == {f"{n}; well" for n in range(8)}


@pytest.mark.parametrize(
    ("labels", "classes", "expected", "names"),
    [
        ([0, 1, 0, 1], None, [0, 1, 0, 1], ("0", "1")),
        ([10, 9, 10, 9], None, [1, 0, 1, 0], ("9", "10")),
        ([True, False, True, False], None, [1, 0, 1, 0], ("False", "True")),
        ([1.0, 2.0, 1.0, 2.0], None, [0, 1, 0, 1], ("1", "2")),
        (["b", "a", "None", "a"], None, [2, 1, 0, 1], ("None", "a", "b")),
        ([1, 0, 1, 0], ("neg", "pos"), [1, 0, 1, 0], ("neg", "pos")),
        (["pos", "neg", "pos", "neg"], ("pos", "neg"), [0, 1, 0, 1], ("pos", "neg")),
        ([2, 1, 2, 1], ("1", "2"), [1, 0, 1, 0], ("1", "2")),
    ],
)
def test_labels_become_class_numbers(
    labels: list[Any],
    classes: tuple[str, ...] | None,
    expected: list[int],
    names: tuple[str, ...],
    *,
    tmp_path: Path,
    load: Load,
) -> None:
    """Whole numbers, names, truth values: numbered in their own order, or the user's."""
    rows = [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]
    write(tmp_path / "c" / "train.jsonl", rows)
    write(tmp_path / "c" / "test.jsonl", rows)
    corpus = load(FilesSource(kind="files", path="c", classes=classes))
    assert corpus.classes == names
    assert corpus.labels("train").tolist() == corpus.labels("test").tolist() == expected


def test_folder_s_files_tell_their_splits(tmp_path: Path, load: Load) -> None:
    """Names and folders tell the split; several files of one follow by name; others are let be."""
    for number, name in enumerate(
        ["train-1.csv", "train-2.csv", "dev.csv", "test/part.csv", "unsupervised.csv"]
    ):
        write(tmp_path / "c" / name, [{"text": f"{number} {n}", "label": n % 2} for n in range(4)])
    (tmp_path / "c" / "README.md").write_text("about")
    (tmp_path / "c" / ".hidden.csv").write_text("nothing")
    corpus = load(FilesSource(kind="files", path="c"))
    texts = {name: table["text"].to_pylist() for name, table in corpus.splits.items()}
    assert list(texts) == ["train", "validation", "test", "unsupervised"]
    assert texts["train"] == [f"{number} {n}" for number in (0, 1) for n in range(4)]
    assert texts["test"][0] == "3 0"
    assert corpus.splits["unsupervised"].column_names == ["text"]
    assert corpus.made == {}


def test_missing_test_split_is_made(tmp_path: Path, load: Load) -> None:
    """Stratified, copies of a text on one side, the same each time, another with another seed."""
    rows = [
        {"text": f"text {n % 70}", "label": "rare" if n % 70 < 10 else "usual"} for n in range(100)
    ]
    write(tmp_path / "a.parquet", rows)
    source = FilesSource(kind="files", path="a.parquet", test_share=0.3, seed=5)
    corpus, again = load(source), load(source)
    assert contents(corpus) == contents(again)
    other = load(source.model_copy(update={"seed": 6}))
    assert contents(corpus) != contents(other)
    train, test = (set(corpus.splits[name]["text"].to_pylist()) for name in ("train", "test"))
    assert not train & test
    assert len(test) == 21
    assert len(corpus.splits["train"]) + len(corpus.splits["test"]) == 100
    rare = {f"text {n}" for n in range(10)}
    assert len(test & rare) == 3
    assert corpus.made["test"] == {"share": 0.3, "seed": 5, "of": "train"}


@pytest.mark.parametrize("written", ["pairs", "objects", "csv"])
def test_evidence_comes_along(written: str, tmp_path: Path, load: Load) -> None:
    """Spans as pairs, as objects, or as JSON within a CSV file."""
    spans = [[[0, 4]], [], [[0, 2], [3, 9]], [[1, 2]]]
    objects = [[{"start": a, "end": b} for a, b in row] for row in spans]
    values = {"pairs": spans, "objects": objects, "csv": [json.dumps(row) for row in spans]}
    rows = [
        {"text": f"a text {n % 2}{n}", "label": n % 2, "why": why}
        for n, why in enumerate(values[written])
    ]
    name = "train.csv" if written == "csv" else "train.jsonl"
    write(tmp_path / name, rows)
    source = FilesSource(kind="files", path=name, evidence_column="why", test_share=0.5)
    corpus = load(source)
    kept = [row for split in contents(corpus).values() for row in split]
    assert {row["text"]: row["evidence"] for row in kept} == dict(
        zip((row["text"] for row in rows), objects, strict=True)
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A local copy of a small hub dataset, with the README that names its configuration."""
    folder = tmp_path / "copies" / "a [copy]"
    for split, rows in {"train": 8, "test": 4, "unsupervised": 3}.items():
        write(
            folder / "plain_text" / f"{split}-00000-of-00001.parquet",
            [
                {"text": f"{split} {n}", "label": -1 if split == "unsupervised" else n % 2}
                for n in range(rows)
            ],
        )
    (folder / "README.md").write_text(
        """---
dataset_info:
  config_name: plain_text
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': neg, '1': pos}}}
configs:
- config_name: plain_text
  data_files:
  - {split: train, path: plain_text/train-*}
  - {split: test, path: plain_text/test-*}
  - {split: unsupervised, path: plain_text/unsupervised-*}
---
"""
    )
    return folder


HUB = HubSource(
    kind="hub",
    path="copies/a [copy]",
    config="plain_text",
    revision="0" * 40,
    unsupervised="unsupervised",
)


def test_local_copy_stands_in_for_the_hub(copy: Path, load: Load) -> None:
    """Its splits, its class names; nothing is written into it."""
    before = sorted(copy.rglob("*"))
    corpus = load(HUB)
    assert corpus.classes == ("neg", "pos")
    assert {name: len(table) for name, table in corpus.splits.items()} == {
        "train": 8,
        "test": 4,
        "unsupervised": 3,
    }
    assert corpus.splits["unsupervised"].column_names == ["text"]
    assert sorted(copy.rglob("*")) == before


def test_every_kind_of_local_copy_gives_the_same_bytes(
    copy: Path, load: Load, tmp_path: Path
) -> None:
    """With its README, without it, and as `save_to_disk` left it."""

    def bytes_of(source: HubSource, name: str) -> list[bytes]:
        findings = checks.check_corpus(load(source))
        (tmp_path / name).mkdir()
        card.write_raw(tmp_path / name, findings.tables, findings.card())
        return [file.read_bytes() for file in sorted((tmp_path / name).glob("*.parquet"))]

    expected = bytes_of(HUB, "one")
    assert expected == bytes_of(HUB, "two")
    loaded = datasets.load_dataset(
        "parquet",
        data_files={
            name: str(next((tmp_path / "copies").rglob(f"{name}-*"))).replace("[", "[[]", 1)
            for name in ("train", "test", "unsupervised")
        },
        cache_dir=str(tmp_path / "cache"),
    )
    loaded.save_to_disk(str(tmp_path / "saved"))
    assert bytes_of(HUB.model_copy(update={"path": "saved"}), "three") == expected
    (copy / "README.md").unlink()
    assert bytes_of(HUB, "four") == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": "tests"}, ["no split 'tests'", "train, test, unsupervised"]),
        ({"text_column": "texts"}, ["no column 'texts'", "Did you mean 'text'?"]),
        ({"config": "fancy"}, ["fancy", "plain_text"]),
    ],
)
def test_wrong_name_in_a_local_copy_is_told(
    change: dict[str, str], words: list[str], copy: Path, load: Load
) -> None:
    """A split, a column or a configuration that isn't there, with those that are."""
    with pytest.raises(DataError) as error:
        load(HUB.model_copy(update=change))
    assert all(word in str(error.value) for word in words)


def test_damaged_local_copy_is_told(copy: Path, load: Load) -> None:
    """A file cut off while it was copied is named."""
    file = next(copy.rglob("test-*"))
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"test-00000-of-00001\.parquet, after row 0,"):
        load(HUB)


def test_a_local_copy_that_lacks_rows_is_told(copy: Path, load: Load) -> None:
    """Its README says how many there are."""
    readme = copy / "README.md"
    said = {"train": 9, "test": 4, "unsupervised": 3}
    lines = [f"  - {{name: {name}, num_examples: {rows}}}" for name, rows in said.items()]
    counted = "\n".join(["  splits:", *lines, "configs:"])
    readme.write_text(readme.read_text().replace("configs:", counted))
    with pytest.raises(DataError, match=r"local copy .* can't be read: .*num_examples=9") as raised:
        load(HUB)
    assert "copy it again, complete" in raised.value.fix


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("hub", ["silent", "closed", "offline"])
def test_hub_out_of_reach_is_one_clear_error(
    hub: str, silent_server: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the dataset, says that it could not be reached, and offers copy and demo."""
    monkeypatch.setattr("pipeline.data.hub.TIMEOUT", 0.5)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "ENDPOINT",
        silent_server if hub == "silent" else "http://127.0.0.1:9",
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", hub == "offline")
    start = time.monotonic()
    with pytest.raises(DataError) as error:
        load(HUB.model_copy(update={"path": "stanfordnlp/imdb"}))
    assert time.monotonic() - start < 10
    for words in ("stanfordnlp/imdb", "Could not reach", "local copy", "dataset: demo"):
        assert words in str(error.value)


@pytest.mark.real
def test_imdb_s_local_copy(load: Load) -> None:
    """50,000 labeled reviews, as many without; those that also stand in test are left out."""
    path = REAL_DATA / "imdb"
    findings = checks.check_corpus(load(HUB.model_copy(update={"path": str(path)})))
    assert {name: split.rows for name, split in findings.splits.items()} == {
        "train": 25_000 - 123,
        "test": 25_000,
        "unsupervised": 50_000 - 270,
    }
    assert findings.shared["train/test"] == 123
    assert np.bincount(findings.corpus.labels("test")).tolist() == [12_500, 12_500]
