"""Reading text datasets, all of them through Hugging Face `datasets`."""

import contextlib
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError, DatasetsError
from numpy.typing import NDArray

from pipeline.core.params import DemoSource, FilesSource, HubSource, TextSource
from pipeline.data import readers, schema, splitting
from pipeline.data.schema import Place
from pipeline.errors import DataError

# Seconds until the Hub counts as unreachable; read once, when `huggingface_hub` is imported.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

SPLITS = ("train", "validation", "test", "unsupervised")
TIMEOUT = 10.0  # seconds until the Hub counts as unreachable


@dataclass(frozen=True)
class Corpus:
    """A text dataset in the schema of `data/raw`.

    Attributes:
        name: the dataset's name in params.yaml.
        classes: the names of the labels 0, 1, …
        splits: train, test and, if the source has them, validation and unsupervised: tables of
            text, label and, if known, evidence; unsupervised has only texts.
        origin: the source, for the card.
        made: split → how it was made, if the source has none.
        facts: split → further statistics, such as the demo corpus's noise.
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, pa.Table]
    origin: Mapping[str, Any]
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def labels(self, split: str) -> NDArray[np.int64]:
        """<int64>[n], the classes of a split's rows."""
        return np.asarray(self.splits[split]["label"].to_numpy(), np.int64)

    @property
    def labeled(self) -> tuple[str, ...]:
        """The splits that have labels."""
        return tuple(name for name in self.splits if name != "unsupervised")


@dataclass(frozen=True)
class Read:
    """Splits as the source has them, and functions that locate their rows."""

    splits: Mapping[str, datasets.Dataset]
    places: Mapping[str, Place]
    origin: Mapping[str, Any]


def load_corpus(name: str, source: TextSource, *, home: Path, cache: Path) -> Corpus:
    """Read a dataset.

    Args:
        name: the dataset's name in params.yaml.
        source: its `source` there.
        home: the folder where relative paths start.
        cache: an empty folder for `datasets`; the tables are read from it lazily, so it must
            outlive them. With a used one, data may be stale.

    Raises:
        DataError: it can't be reached or read, or a row violates the schema.
    """
    with _quiet():
        if isinstance(source, DemoSource):
            return _demo(name, source)
        if isinstance(source, FilesSource):
            path = readers.resolve_path(source.path, home=home)
            read = _own_files(path, source, cache=cache)
        elif (path := home / Path(source.path).expanduser()).exists():
            read = _local_copy(path, source, cache=cache)
        else:
            read = _hub(source, cache=cache)
    return _with_test(_normalized(name, read, source), source)


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _demo(name: str, source: DemoSource) -> Corpus:
    from pipeline.data import demo

    reviews = demo.generate_splits(source)
    read = Read(
        splits={split: demo.tabulate(members) for split, members in reviews.items()},
        places={split: _place(f"the demo corpus, {split}") for split in reviews},
        origin=source.model_dump(mode="json"),
    )
    columns_of_ours = FilesSource(kind="files", path=".", evidence_column="evidence")
    facts = {split: demo.describe(members) for split, members in reviews.items()}
    return replace(_normalized(name, read, columns_of_ours), facts=facts)


def _hub(source: HubSource, *, cache: Path) -> Read:
    """A dataset on the Hub, at its pinned revision."""
    at = f"{source.path} at revision {source.revision}" if source.revision else source.path
    copy = (
        "use a local copy (`dvc exp run -S datasets.NAME.source.path=FOLDER`, or `source.path` in "
        "params.yaml), or the bundled corpus (`dataset: demo`)."
    )
    try:
        # Check quickly first: `datasets` would retry for half a minute.
        found = huggingface_hub.HfApi().dataset_info(
            source.path, revision=source.revision, timeout=TIMEOUT
        )
        loaded = datasets.load_dataset(
            source.path, name=source.config, revision=found.sha, cache_dir=str(cache)
        )
    except huggingface_hub.errors.RevisionNotFoundError:
        raise DataError(
            f"The Hub's dataset {source.path!r} has no revision {source.revision!r}.",
            fix="set `source.revision` in params.yaml to a commit from the dataset's history.",
        ) from None
    except (
        huggingface_hub.errors.RepositoryNotFoundError,
        huggingface_hub.errors.HFValidationError,
    ):
        raise DataError(
            f"There is no dataset {source.path!r} on the Hub that you can access, and no such "
            "file or folder here.",
            fix=f"correct `source.path` in params.yaml, or {copy}",
        ) from None
    except (ValueError, DatasetsError) as error:
        raise DataError(
            f"The Hub's dataset {at} can't be read: {readers.root_cause(error)}",
            fix="correct `source.config` in params.yaml, or choose another dataset or revision.",
        ) from None
    except Exception as error:  # httpx, OSError, offline mode: a network can fail in many ways
        raise DataError(
            f"Could not reach the Hugging Face Hub for the dataset {at}: "
            f"{readers.root_cause(error)}",
            fix=f"connect to the network and try again, {copy}",
        ) from None
    chosen = _chosen(loaded, source, where=f"The Hub's dataset {source.path!r}")
    origin = {
        "kind": source.kind,
        "path": source.path,
        "config": source.config,
        "revision": found.sha,
    }
    return Read(
        chosen, {split: _place(f"{source.path}, split {split}") for split in chosen}, origin
    )


def _local_copy(path: Path, source: HubSource, *, cache: Path) -> Read:
    """A local copy of a Hub dataset: its repository, one saved to disk, or bare files."""
    if not any((path / name).is_file() for name in ("dataset_dict.json", "README.md")):
        return _own_files(path, source, cache=cache)
    try:
        if (path / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(str(path))
        else:
            with tempfile.TemporaryDirectory() as links:
                loaded = datasets.load_dataset(
                    _plain(path, Path(links) / "copy"), name=source.config, cache_dir=str(cache)
                )
    except (ValueError, TypeError, KeyError, OSError, pa.ArrowException, DatasetsError) as error:
        raise readers.damaged_parquet(path) or DataError(
            f"The local copy {path} can't be read: {readers.root_cause(error)}",
            fix="copy it again, complete with its README.md, or correct `source.config` in "
            "params.yaml.",
        ) from None
    chosen = _chosen(loaded, source, where=f"The local copy {path}")
    origin = {
        "kind": source.kind,
        "path": source.path,
        "config": source.config,
        "revision": None,
        "files": readers.file_hashes(path),
    }
    return Read(chosen, {split: _place(f"{path}, split {split}") for split in chosen}, origin)


def _own_files(path: Path, source: HubSource | FilesSource, *, cache: Path) -> Read:
    """Bare data files."""
    names = (
        {split: getattr(source, split) for split in SPLITS} if isinstance(source, HubSource) else {}
    )
    read = read_files(
        readers.files_by_split(path, names=names), lambda split: _wanted(source, split), cache=cache
    )
    origin = {"kind": source.kind, "path": source.path, "files": readers.file_hashes(path)}
    return replace(read, origin=origin)


def read_files(
    found: Mapping[str, Sequence[Path]],
    wanted: Callable[[str], Sequence[str]],
    *,
    cache: Path,
) -> Read:
    """Read files with the `datasets` builder for their suffix.

    Args:
        found: split → its files.
        wanted: split → the columns to read.
        cache: an empty folder, which must outlive the result.

    Raises:
        DataError: a file can't be read, or lacks a column.
    """
    splits, places = {}, {}
    with _quiet(), tempfile.TemporaryDirectory() as links:
        for split, members in found.items():
            names = list(wanted(split))
            parts = []
            for number, file in enumerate(members):
                link = _plain(file, Path(links) / f"{split}-{number}{file.suffix.lower()}")
                parts.append(_one_file(file, link, names, cache=cache))
            try:
                splits[split] = datasets.concatenate_datasets(parts)
            except ValueError as error:
                raise DataError(
                    f"The files of the split {split} differ: {readers.root_cause(error)}",
                    fix="give each column the same type in every file.",
                ) from None
            places[split] = functools.partial(readers.locate_row, members, wanted=names)
    return Read(splits, places, origin={})


def _one_file(file: Path, link: str, wanted: list[str], *, cache: Path) -> datasets.Dataset:
    options = readers.check_file(file, wanted=wanted)
    try:
        read = datasets.load_dataset(
            readers.BUILDERS[file.suffix.lower()],
            data_files={"train": [link]},
            cache_dir=str(cache),
            split="train",
            **options,
        )
    except (ValueError, OSError, StopIteration, pa.ArrowException, DatasetGenerationError) as error:
        raise readers.read_error(file, error) from None
    readers.require_columns(read.column_names, wanted, file=file)
    return read.select_columns(wanted)


def _chosen(
    loaded: Mapping[str, datasets.Dataset], source: HubSource, *, where: str
) -> dict[str, datasets.Dataset]:
    """The splits that the source selects, under our names."""
    chosen = {}
    for split in SPLITS:
        original = getattr(source, split)
        if original is None:
            continue
        if original not in loaded:
            raise DataError(
                f"{where} has no split {original!r}. It has: {', '.join(loaded)}.",
                fix=f"correct `source.{split}` in params.yaml, or set it to null.",
            )
        readers.require_columns(
            loaded[original].column_names, _wanted(source, split), file=f"{where}, split {original}"
        )
        chosen[split] = loaded[original]
    return chosen


def _wanted(source: HubSource | FilesSource, split: str) -> list[str]:
    """The columns that are read from a split."""
    if split == "unsupervised":
        return [source.text_column]
    extra = [source.evidence_column] if source.evidence_column else []
    return [source.text_column, source.label_column, *extra]


def _plain(path: Path, link: Path) -> str:
    """Link to a file or folder under a plain name, as `datasets` reads `[` as a pattern.

    For a folder, link each of its files, since `datasets` resolves a link to a folder.
    """
    if path.is_dir():
        shutil.copytree(path.resolve(), link, copy_function=os.symlink)
    else:
        link.symlink_to(path.resolve())
    return str(link)


def _place(where: str) -> Place:
    return lambda row: f"{where}, row {row + 1}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Turn off `datasets`' logging, and its progress bars unless on a terminal."""
    level = datasets.logging.get_verbosity()
    bars = datasets.is_progress_bar_enabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()


# ── conversion to the schema ─────────────────────────────────────────────────────────────


def _normalized(name: str, read: Read, source: HubSource | FilesSource) -> Corpus:
    original = {split: dataset.with_format("arrow")[:] for split, dataset in read.splits.items()}
    for split, table in original.items():
        if not table.num_rows:
            raise DataError(
                f"{name}: the split {split} has no rows.",
                fix="add rows to its file, or remove the split.",
            )
    labeled = {split: table for split, table in original.items() if split != "unsupervised"}
    feature = read.splits["train"].features[source.label_column]
    labels, classes = schema.labels(
        {split: table[source.label_column] for split, table in labeled.items()},
        name=source.label_column,
        classes=source.classes or getattr(feature, "names", None),
        places=read.places,
    )
    splits = {}
    for split in (split for split in SPLITS if split in original):
        table, place = original[split], read.places[split]
        text = schema.texts(table[source.text_column], name=source.text_column, place=place)
        content: dict[str, Any] = {"text": text}
        if split in labels:
            content["label"] = labels[split]
            if source.evidence_column:
                content["evidence"] = schema.evidence(
                    table[source.evidence_column], text, name=source.evidence_column, place=place
                )
        splits[split] = pa.table(content)
    return Corpus(name=name, classes=classes, splits=splits, origin=read.origin)


def _with_test(corpus: Corpus, source: HubSource | FilesSource) -> Corpus:
    """Hold test out of train if the source has none: stratified, keeping copies together."""
    if "test" in corpus.splits:
        return corpus
    train = corpus.splits["train"]
    copies = splitting.identities({"train": train["text"]})["train"]
    held = splitting.hold_out(
        corpus.labels("train"), copies, share=source.test_share, seed=source.seed
    )
    made = {**corpus.splits, "train": train.filter(~held), "test": train.filter(held)}
    return replace(
        corpus,
        splits={split: made[split] for split in SPLITS if split in made},
        made={"test": {"share": source.test_share, "seed": source.seed, "of": "train"}},
    )
