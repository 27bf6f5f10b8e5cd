"""Checks of a text dataset: classes, lengths, duplicates, leakage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.core.predictions import UNLABELED
from pipeline.data import splitting
from pipeline.data.sources import Corpus
from pipeline.errors import DataError

IMBALANCE = 5  # note it if the largest class has this many times the rows of the smallest


@dataclass(frozen=True)
class Split:
    """Statistics of one split, as it will be written.

    Attributes:
        rows: number of rows.
        labels: class → rows; empty for unsupervised.
        characters: min, median, q95 and max of the texts' lengths.
        blank: rows whose text is only white space.
        repeated: rows that repeat the text of an earlier row of the split.
    """

    rows: int
    labels: Mapping[str, int]
    characters: Mapping[str, int]
    blank: int
    repeated: int


@dataclass(frozen=True)
class Findings:
    """What was found in a corpus.

    Attributes:
        corpus: the corpus without the dropped rows.
        splits: statistics of each split.
        shared: "a/b" → distinct texts that are in both splits of the source.
        dropped: split → other split → rows dropped from the first because the other has their
            text.
        two_labels: distinct texts that occur with more than one label.
        notes: sentences for the reader.
    """

    corpus: Corpus
    splits: Mapping[str, Split]
    shared: Mapping[str, int]
    dropped: Mapping[str, Mapping[str, int]]
    two_labels: int
    notes: tuple[str, ...] = ()

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """split → the rows to write."""
        return self.corpus.splits

    def card(self) -> dict[str, Any]:
        """The card without the files' hashes."""
        corpus = self.corpus
        return {
            "dataset": corpus.name,
            "kind": "text",
            "task": "binary" if len(corpus.classes) == 2 else "multiclass",
            "classes": list(corpus.classes),
            "source": {key: value for key, value in corpus.origin.items() if key != "revision"},
            "revision": corpus.origin.get("revision"),
            "splits": {
                name: {
                    **asdict(split),
                    **({"made": dict(corpus.made[name])} if name in corpus.made else {}),
                    **({"described": dict(corpus.facts[name])} if name in corpus.facts else {}),
                }
                for name, split in self.splits.items()
            },
            "duplicates": {
                "within": {name: split.repeated for name, split in self.splits.items()},
                "across": dict(self.shared),
                "two_labels": self.two_labels,
            },
            "dropped": {name: dict(others) for name, others in self.dropped.items()},
        }

    def render(self) -> str:
        """The findings as text for a terminal."""
        classes = self.corpus.classes
        shown = classes if len(classes) <= 6 else ()
        head = ["split", "rows", *shown, "characters: median", "95 %", "most", "blank", "repeated"]
        rows = [
            [
                name,
                f"{split.rows:,}",
                *(f"{split.labels[label]:,}" if split.labels else "–" for label in shown),
                *(f"{split.characters[key]:,}" for key in ("median", "q95", "max")),
                f"{split.blank:,}",
                f"{split.repeated:,}",
            ]
            for name, split in self.splits.items()
        ]
        notes = [f"  · {note}" for note in self.notes]
        return "\n".join(
            [f"{self.corpus.name}: {len(classes)} classes", format_table([head, *rows]), *notes]
        )


class Separated(NamedTuple):
    """Splits that share no content.

    Attributes:
        tables: split → its rows.
        identities: split → <int64>[n], a hash of each row's content.
        shared: "a/b" → distinct contents that both splits had.
        dropped: split → later split → rows dropped from the first for the second.
    """

    tables: dict[str, pa.Table]
    identities: dict[str, NDArray[np.int64]]
    shared: dict[str, int]
    dropped: dict[str, dict[str, int]]


def check_corpus(corpus: Corpus) -> Findings:
    """Check a corpus, and drop rows of train and validation that also occur in a later split.

    Raises:
        DataError: nothing can be learned from it.
    """
    identities = splitting.identities({name: rows["text"] for name, rows in corpus.splits.items()})
    two_labels = _two_labels(corpus, identities)
    clean = without_leaks(corpus.splits, identities)
    corpus = replace(corpus, splits=clean.tables)
    splits = {name: _split(corpus, name, clean.identities[name]) for name in clean.tables}
    if splits["train"].rows and splits["train"].blank == splits["train"].rows:
        raise DataError(
            f"{corpus.name}: every text in train is blank.",
            fix="set `source.text_column` in params.yaml to the column of the texts.",
        )
    require_classes(
        corpus.name,
        corpus.classes,
        labels=corpus.labels("train"),
        identities=clean.identities["train"],
        without=sum(clean.dropped.get("train", {}).values()),
    )
    findings = Findings(corpus, splits, clean.shared, clean.dropped, two_labels)
    return replace(findings, notes=tuple(_notes(findings)))


def without_leaks(
    tables: Mapping[str, pa.Table], identities: Mapping[str, NDArray[np.int64]]
) -> Separated:
    """Drop the rows whose content also occurs in a later one of train, validation and test.

    Unlabeled rows are learned from too, so those that occur in validation or test are dropped.

    Args:
        tables: split → its rows.
        identities: split → <int64>[n], equal for equal content.
    """
    shared = {
        f"{one}/{other}": len(np.intersect1d(identities[one], identities[other]))
        for one, other in combinations(tables, 2)
    }
    kept = dict(tables)
    dropped: dict[str, dict[str, int]] = {}
    left = dict(identities)
    labeled = [name for name in tables if name != UNLABELED]
    pairs = list(combinations(labeled, 2))
    if UNLABELED in tables:
        pairs += [(UNLABELED, name) for name in labeled if name != "train"]
    for name, later in pairs:
        also = np.isin(left[name], identities[later])
        if also.any():
            dropped.setdefault(name, {})[later] = int(also.sum())
            kept[name], left[name] = kept[name].filter(~also), left[name][~also]
    return Separated(kept, left, shared, dropped)


def require_classes(
    name: str,
    classes: Sequence[str],
    *,
    labels: NDArray[np.int64],
    identities: NDArray[np.int64],
    without: int = 0,
) -> None:
    """Refuse a training split that is too small to learn its classes from.

    Args:
        name: the dataset's name.
        classes: the classes' names.
        labels: <int64>[n], of train.
        identities: <int64>[n], equal for equal content.
        without: rows that were dropped from it.

    Raises:
        DataError: there is only one class, or a class has fewer than two distinct rows.
    """
    aside = f" (after dropping {without:,} rows that other splits contain too)" if without else ""
    if len(classes) < 2:
        raise DataError(
            f"{name}: all rows have the same class, {classes[0]!r}, so there is nothing to learn.",
            fix="add rows of another class, or set `source.label_column` to another column.",
        )
    if len(labels) < 2 * len(classes):
        raise DataError(
            f"{name}: {len(labels)} rows to train on{aside} are too few for {len(classes)} "
            f"classes; at least {2 * len(classes)} are needed, two of each.",
            fix="add rows, or set `source.label_column` to another column.",
        )
    for number, label in enumerate(classes):
        different = len(np.unique(identities[labels == number]))
        if different < 2:
            raise DataError(
                f"{name}: the class {label!r} has {different} distinct rows to train on{aside}; "
                "every class needs two, one of them for validation.",
                fix="add rows of this class, or remove the class from every split.",
            )


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Format cells as lines of text: the first column left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    )


def _split(corpus: Corpus, name: str, identities: NDArray[np.int64]) -> Split:
    text = corpus.splits[name]["text"]
    lengths = pc.utf8_length(text).to_numpy()
    quantiles = np.quantile(lengths, [0, 0.5, 0.95, 1]).astype(int) if len(lengths) else [0] * 4
    labels = {}
    if name in corpus.labeled:
        counts = np.bincount(corpus.labels(name), minlength=len(corpus.classes)).tolist()
        labels = dict(zip(corpus.classes, counts, strict=True))
    return Split(
        rows=len(text),
        labels=labels,
        characters=dict(zip(("min", "median", "q95", "max"), map(int, quantiles), strict=True)),
        blank=pc.sum(pc.match_substring_regex(text, r"^\s*$")).as_py() or 0,
        repeated=len(identities) - len(np.unique(identities)),
    )


def _two_labels(corpus: Corpus, identities: Mapping[str, NDArray[np.int64]]) -> int:
    texts = np.concatenate([identities[name] for name in corpus.labeled])
    labels = np.concatenate([corpus.labels(name) for name in corpus.labeled])
    pairs = np.unique(np.stack([texts, labels], axis=1), axis=0)
    _, counts = np.unique(pairs[:, 0], return_counts=True)
    return int(np.sum(counts > 1))


def _group_notes(corpus: Corpus) -> Iterator[str]:
    """Which of the source's own splits share groups; those made here never do."""
    groups = {
        name: np.unique(table["group"].to_numpy())
        for name, table in corpus.splits.items()
        if "group" in table.column_names
    }
    for one, other in combinations(groups, 2):
        if shared := len(np.intersect1d(groups[one], groups[other])):
            yield f"Groups that are in both {one} and {other}: {shared:,}."


def _notes(findings: Findings) -> Iterator[str]:
    corpus, train = findings.corpus, findings.splits["train"]
    yield from corpus.notes
    yield from _group_notes(corpus)
    for split, how in corpus.made.items():
        yield (
            f"The source has no {split} split: {how['share']:.0%} of {how['of']} was held out, "
            f"stratified, seed {how['seed']}."
        )
    for split, others in findings.dropped.items():
        for other, rows in others.items():
            yield f"Dropped from {split} because {other} has the same text: {rows:,} rows."
    if findings.two_labels:
        yield f"Texts that occur with more than one label: {findings.two_labels:,}."
    for split, found in findings.splits.items():
        if found.repeated:
            yield f"Rows of {split} that repeat the text of an earlier row: {found.repeated:,}."
        if found.blank:
            yield f"Rows of {split} whose text is blank: {found.blank:,}."
        missing = [label for label, rows in found.labels.items() if not rows]
        if missing:
            yield f"{split} has no rows of: {', '.join(missing)}."
    for split, rows in corpus.splits.items():
        garbled = pc.sum(pc.match_substring(rows["text"], "\ufffd")).as_py()
        if garbled:
            yield f"Rows of {split} with a �, a sign of the wrong encoding: {garbled:,}."
    most, fewest = max(train.labels.values()), min(train.labels.values())
    if most >= IMBALANCE * fewest:
        yield (
            f"The classes are imbalanced: {most:,} rows in the largest, {fewest:,} in the smallest."
        )
    plain = [label.strip().casefold() for label in corpus.classes]
    alike = [
        label for label, key in zip(corpus.classes, plain, strict=True) if plain.count(key) > 1
    ]
    if alike:
        yield f"These classes differ only in case or spaces: {', '.join(map(repr, alike))}."
