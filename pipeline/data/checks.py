"""What a reader should know of a text dataset before anything is trained on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.data import splitting
from pipeline.data.sources import Corpus
from pipeline.errors import DataError

IMBALANCE = 5  # times as many rows in the largest class as in the smallest: worth a note


@dataclass(frozen=True)
class Split:
    """One split, as it will be written.

    Attributes:
        rows: how many.
        labels: class → rows; empty for unsupervised.
        characters: min, median, q95 and max of the texts' lengths.
        blank: rows whose text has nothing but white space.
        repeated: rows whose text stood in an earlier row of the split already.
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
        corpus: without the rows that were dropped.
        splits: what each split is like.
        shared: "a/b" → different texts that stand in both of two splits of the source.
        dropped: split → split → rows left out of the first, as their text stands in the second.
        two_labels: different texts that stand somewhere with more than one label.
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
        """The card, but for the files' hashes."""
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
        identities: split → <int64>[n], their numbers.
        shared: "a/b" → different contents that both had.
        dropped: split → later split → rows left out of the first for the second.
    """

    tables: dict[str, pa.Table]
    identities: dict[str, NDArray[np.int64]]
    shared: dict[str, int]
    dropped: dict[str, dict[str, int]]


def check_corpus(corpus: Corpus) -> Findings:
    """Look a corpus through, and leave out of train and validation what test must not share.

    Raises:
        DataError: nothing can be learnt from it.
    """
    identities = splitting.identities({name: rows["text"] for name, rows in corpus.splits.items()})
    two_labels = _two_labels(corpus, identities)
    clean = without_leaks(corpus.splits, identities)
    corpus = replace(corpus, splits=clean.tables)
    splits = {name: _split(corpus, name, clean.identities[name]) for name in clean.tables}
    if splits["train"].rows and splits["train"].blank == splits["train"].rows:
        raise DataError(
            f"{corpus.name}: every text in train is blank.",
            fix="name the column of the texts in `source.text_column`.",
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
    """Drop the rows whose content also stands in a later one of train, validation and test.

    Nothing else is changed: what an unlabeled split shares is counted, and stays.

    Args:
        tables: split → its rows.
        identities: split → <int64>[n], the same number for the same content.
    """
    shared = {
        f"{one}/{other}": len(np.intersect1d(identities[one], identities[other]))
        for one, other in combinations(tables, 2)
    }
    kept = dict(tables)
    dropped: dict[str, dict[str, int]] = {}
    left = dict(identities)
    for name, later in combinations([name for name in tables if name != "unsupervised"], 2):
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
        name: the dataset's.
        classes: their names.
        labels: <int64>[n], of train.
        identities: <int64>[n], the same number for the same content.
        without: rows that were left out of it.

    Raises:
        DataError: one class, fewer rows than two for each, or a class of one content.
    """
    aside = f" (after {without:,} rows were left out that also stand elsewhere)" if without else ""
    if len(classes) < 2:
        raise DataError(
            f"{name}: all rows have one class, {classes[0]!r}; there is nothing to tell apart.",
            fix="add rows of another class, or name another column of labels in `source`.",
        )
    if len(labels) < 2 * len(classes):
        raise DataError(
            f"{name}: {len(labels)} rows to train on{aside} are too few for {len(classes)} "
            f"classes; at least {2 * len(classes)} are needed, two of each.",
            fix="add rows, or name another column of labels in `source`.",
        )
    for number, label in enumerate(classes):
        different = len(np.unique(identities[labels == number]))
        if different < 2:
            raise DataError(
                f"{name}: the class {label!r} has {different} different rows to train on{aside}; "
                "every class needs two, one of them for validation.",
                fix="add rows of this class, or take the class away from every split.",
            )


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Cells as lines of text: the first column to the left, the others to the right."""
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


def _notes(findings: Findings) -> Iterator[str]:
    corpus, train = findings.corpus, findings.splits["train"]
    for split, how in corpus.made.items():
        yield (
            f"The source has no {split} split: {how['share']:.0%} of {how['of']} was held out, "
            f"stratified, seed {how['seed']}."
        )
    for split, others in findings.dropped.items():
        for other, rows in others.items():
            yield f"Left out of {split}, as their text also stands in {other}: {rows:,} rows."
    if findings.two_labels:
        yield f"Texts that stand there with more than one label: {findings.two_labels:,}."
    for split, found in findings.splits.items():
        if found.repeated:
            yield f"Rows of {split} that repeat an earlier one's text: {found.repeated:,}."
        if found.blank:
            yield f"Rows of {split} whose text is blank: {found.blank:,}."
        missing = [label for label, rows in found.labels.items() if not rows]
        if missing:
            yield f"{split} has no row of: {', '.join(missing)}."
    for split, rows in corpus.splits.items():
        garbled = pc.sum(pc.match_substring(rows["text"], "\ufffd")).as_py()
        if garbled:
            yield f"Rows of {split} with a �, as a wrong encoding leaves it: {garbled:,}."
    most, fewest = max(train.labels.values()), min(train.labels.values())
    if most >= IMBALANCE * fewest:
        yield f"The classes are imbalanced: {most:,} rows of the largest, {fewest:,} of another."
    plain = [label.strip().casefold() for label in corpus.classes]
    alike = [
        label for label, key in zip(corpus.classes, plain, strict=True) if plain.count(key) > 1
    ]
    if alike:
        yield f"These classes differ in case or blanks alone: {', '.join(map(repr, alike))}."
