"""Reading text datasets: the demo corpus, the Hub's, and the user's own files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.predictions import ALL_SPLITS, UNLABELED
from pipeline.core.sources import DemoSource, FilesSource, HubSource, TableSource, TextSource
from pipeline.data import archives, hub, readers, schema, splitting
from pipeline.data.header import PLAIN, Layout
from pipeline.data.tables import Read, place_in, quiet, read_files
from pipeline.errors import DataError


@dataclass(frozen=True)
class Corpus:
    """A text dataset in the schema of `data/raw`.

    Attributes:
        name: the dataset's name in params.yaml.
        classes: the names of the labels 0, 1, …
        splits: train, test and, if the source has them, validation and unsupervised: tables of
            text, label and, if known, evidence and group; unsupervised has only texts.
        origin: the source, for the card.
        made: split → how it was made, if the source has none.
        facts: split → further statistics, such as the demo corpus's noise.
        notes: sentences for the reader.
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, pa.Table]
    origin: Mapping[str, Any]
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def labels(self, split: str) -> NDArray[np.int64]:
        """<int64>[n], the classes of a split's rows."""
        return np.asarray(self.splits[split]["label"].to_numpy(), np.int64)

    @property
    def labeled(self) -> tuple[str, ...]:
        """The splits that have labels."""
        return tuple(name for name in self.splits if name != UNLABELED)


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
    with quiet():
        if isinstance(source, DemoSource):
            return _demo(name, source)
        if source.label_column in _texts(source):
            raise DataError(
                f"{name}: `label_column` and `text_column` both name {source.label_column!r}: a "
                "model would read the answer.",
                fix="set them in params.yaml to two columns: the class, and the text.",
            )
        if isinstance(source, FilesSource):
            return _files(name, source, home=home, cache=cache)
        path, wanted = home / Path(source.path).expanduser(), partial(_wanted, source)
        if not path.exists():
            read = hub.read_remote(source, wanted, cache=cache)
        elif hub.is_copy(path):
            read = hub.read_copy(path, source, wanted, cache=cache)
        else:
            read = _own_files(path, source, cache=cache, recorded=path)
    return _with_test(_normalized(name, read, source), source)


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _demo(name: str, source: DemoSource) -> Corpus:
    from pipeline.data import demo

    reviews = demo.generate_splits(source)
    read = Read(
        splits={split: demo.tabulate(members) for split, members in reviews.items()},
        places={split: place_in(f"the demo corpus, {split}") for split in reviews},
        origin=source.model_dump(mode="json"),
    )
    columns_of_ours = FilesSource(kind="files", path=".", evidence_column="evidence")
    facts = {split: demo.describe(members) for split, members in reviews.items()}
    return replace(_normalized(name, read, columns_of_ours), facts=facts)


def _files(name: str, source: FilesSource, *, home: Path, cache: Path) -> Corpus:
    """The user's own files, which may be in an archive."""
    path = readers.resolve_path(source.path, home=home)
    with archives.opened(path, into=cache, wanted=readers.file_format) as content:
        read = _own_files(content, source, cache=cache, recorded=path)
        return _with_test(_normalized(name, read, source), source)


def _own_files(path: Path, source: TableSource, *, cache: Path, recorded: Path) -> Read:
    """Bare data files; the hashes of those at `recorded` go into the card."""
    names = (
        {split: getattr(source, split) for split in ALL_SPLITS}
        if isinstance(source, HubSource)
        else {}
    )
    read = read_files(
        readers.files_by_split(path, names=names),
        partial(_wanted, source),
        cache=cache,
        layout=_layout(source),
    )
    origin = {"kind": source.kind, "path": source.path, "files": readers.file_hashes(recorded)}
    unread = [file.relative_to(path).as_posix() for file in readers.left_out(path)]
    notes = tuple(
        f"Not read, because in no class's folder: {len(unread):,} files, such as {first}."
        for first in unread[:1]
    )
    return replace(read, origin=origin, notes=notes)


def _wanted(source: TableSource, split: str) -> list[str]:
    """The columns that are read from a split."""
    if split == UNLABELED:
        return list(_texts(source))
    others = (source.label_column, source.evidence_column, source.group_column)
    return list(dict.fromkeys([*_texts(source), *filter(None, others)]))


def _texts(source: TableSource) -> tuple[str, ...]:
    """The columns whose texts make a row's text."""
    columns = source.text_column
    return (columns,) if isinstance(columns, str) else columns


def _layout(source: TableSource) -> Layout:
    if isinstance(source, FilesSource):
        return Layout(source.quoting, source.columns or ())
    return PLAIN


# ── conversion to the schema ─────────────────────────────────────────────────────────────


def _normalized(name: str, read: Read, source: TableSource) -> Corpus:
    original = {split: dataset.with_format("arrow")[:] for split, dataset in read.splits.items()}
    for split, table in original.items():
        if not table.num_rows:
            raise DataError(
                f"{name}: the split {split} has no rows.",
                fix="add rows to its file, or remove the split.",
            )
    labeled = {split: table for split, table in original.items() if split != UNLABELED}
    feature = read.splits["train"].features[source.label_column]
    labels, classes = schema.labels(
        {split: table[source.label_column] for split, table in labeled.items()},
        name=source.label_column,
        classes=source.classes or getattr(feature, "names", None),
        places=read.places,
    )
    splits: dict[str, pa.Table] = {}
    for split in (split for split in ALL_SPLITS if split in original):
        table, place = original[split], read.places[split]
        text = schema.texts({name: table[name] for name in _texts(source)}, place=place)
        content: dict[str, Any] = {"text": text}
        if split in labels:
            content["label"] = labels[split]
            if source.evidence_column:
                content["evidence"] = schema.evidence(
                    table[source.evidence_column], text, name=source.evidence_column, place=place
                )
            if source.group_column:
                content["group"] = schema.groups(
                    table[source.group_column], name=source.group_column, place=place
                )
            elif source.group_rows:
                earlier = sum(part.num_rows for part in splits.values())  # a group is of one split
                content["group"] = earlier + np.arange(table.num_rows) // source.group_rows
        splits[split] = pa.table(content)
    grouping = {"group_column": source.group_column, "group_rows": source.group_rows}
    grouped = {key: value for key, value in grouping.items() if value}
    return Corpus(
        name=name,
        classes=classes,
        splits=splits,
        origin={**read.origin, **grouped},
        notes=read.notes,
    )


def _with_test(corpus: Corpus, source: TableSource) -> Corpus:
    """Hold test out of train if the source has none: stratified, keeping groups together."""
    if "test" in corpus.splits:
        return corpus
    train = corpus.splits["train"]
    held = splitting.hold_out(
        corpus.labels("train"),
        splitting.indivisible(
            splitting.identities({"": train["text"]})[""],
            train["group"].to_numpy() if "group" in train.column_names else None,
        ),
        share=source.test_share,
        seed=source.seed,
    )
    if "group" in train.column_names and not held.any():
        where = f" in the column {source.group_column!r}" if source.group_column else ""
        raise DataError(
            f"{corpus.name}: no test rows can be held out of train, because each class has only "
            f"one group{where}.",
            fix="provide a test split, or group the rows otherwise in `source`.",
        )
    made = {**corpus.splits, "train": train.filter(~held), "test": train.filter(held)}
    return replace(
        corpus,
        splits={split: made[split] for split in ALL_SPLITS if split in made},
        made={"test": {"share": source.test_share, "seed": source.seed, "of": "train"}},
    )
