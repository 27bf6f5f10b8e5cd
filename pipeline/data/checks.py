"""What a reader should know of a text dataset before anything is trained on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

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
    """One split.

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
        splits: each as it will be written, that is, without what was dropped.
        shared: "a/b" → texts that stand in both of two splits of the source.
        dropped: split → split → rows left out of the first, as their text stands in the second.
        two_labels: different texts that stand somewhere with more than one label.
        notes: sentences for the reader.
    """

    corpus: Corpus
    splits: Mapping[str, Split]
    shared: Mapping[str, int]
    dropped: Mapping[str, Mapping[str, int]]
    two_labels: int
    notes: tuple[str, ...]


def examine(corpus: Corpus) -> Findings:
    """Look a corpus through, and leave out of train and validation what test must not share.

    A row is left out if its very text also stands in a later split of train, validation, test;
    each one is counted. Nothing else is changed.

    Raises:
        DataError: nothing can be learnt from it.
    """
    identities = splitting.identities(
        {name: table["text"] for name, table in corpus.splits.items()}
    )
    shared = {
        f"{one}/{other}": len(np.intersect1d(identities[one], identities[other]))
        for position, one in enumerate(identities)
        for other in list(identities)[position + 1 :]
    }
    two_labels = _two_labels(corpus, identities)

    kept: dict[str, pa.Table] = dict(corpus.splits)
    dropped: dict[str, dict[str, int]] = {}
    for position, name in enumerate(corpus.labelled):
        for later in corpus.labelled[position + 1 :]:
            also = np.isin(identities[name], identities[later])
            if also.any():
                dropped.setdefault(name, {})[later] = int(also.sum())
                kept[name] = kept[name].filter(~also)
                identities[name] = identities[name][~also]
    clean = replace(corpus, splits=kept)
    splits = {name: _split(clean, name, identities[name]) for name in kept}
    findings = Findings(clean, splits, shared, dropped, two_labels, notes=())
    _require_learnable(findings, identities["train"])
    return replace(findings, notes=tuple(_notes(findings)))


def _split(corpus: Corpus, name: str, identities: NDArray[np.int64]) -> Split:
    text = corpus.splits[name]["text"]
    lengths = pc.utf8_length(text).to_numpy()
    quantiles = np.quantile(lengths, [0, 0.5, 0.95, 1]).astype(int) if len(lengths) else [0] * 4
    counts = (
        np.bincount(corpus.labels(name), minlength=len(corpus.classes)).tolist()
        if name in corpus.labelled
        else []
    )
    return Split(
        rows=len(text),
        labels=dict(zip(corpus.classes, counts, strict=True)) if counts else {},
        characters=dict(zip(("min", "median", "q95", "max"), map(int, quantiles), strict=True)),
        blank=pc.sum(pc.match_substring_regex(text, r"^\s*$")).as_py() or 0,
        repeated=len(identities) - len(np.unique(identities)),
    )


def _two_labels(corpus: Corpus, identities: Mapping[str, NDArray[np.int64]]) -> int:
    texts = np.concatenate([identities[name] for name in corpus.labelled])
    labels = np.concatenate([corpus.labels(name) for name in corpus.labelled])
    pairs = np.unique(np.stack([texts, labels], axis=1), axis=0)
    _, counts = np.unique(pairs[:, 0], return_counts=True)
    return int(np.sum(counts > 1))


def _require_learnable(findings: Findings, train_identities: NDArray[np.int64]) -> None:
    corpus, train = findings.corpus, findings.splits["train"]
    name, classes = corpus.name, corpus.classes
    without = sum(findings.dropped.get("train", {}).values())
    aside = f" (after {without:,} rows were left out that also stand elsewhere)" if without else ""
    if len(classes) < 2:
        raise DataError(
            f"{name}: all rows have one class, {classes[0]!r}; there is nothing to tell apart.",
            fix="add rows of another class, or name another column in `source.label_column`.",
        )
    if train.rows < 2 * len(classes):
        raise DataError(
            f"{name}: {train.rows} rows to train on{aside} are too few for {len(classes)} "
            f"classes; at least {2 * len(classes)} are needed, two of each.",
            fix="add rows, or name another column in `source.label_column`.",
        )
    if train.blank == train.rows:
        raise DataError(
            f"{name}: every text in train is blank.",
            fix="name the column of the texts in `source.text_column`.",
        )
    labels = corpus.labels("train")
    for number, label in enumerate(classes):
        different = len(np.unique(train_identities[labels == number]))
        if different < 2:
            raise DataError(
                f"{name}: the class {label!r} has {different} different texts to train on{aside}; "
                "every class needs two, one of them for validation.",
                fix="add rows of this class, or take the class away from every split.",
            )


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
    for split, table in corpus.splits.items():
        garbled = pc.sum(pc.match_substring(table["text"], "\ufffd")).as_py()
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


def render(findings: Findings) -> str:
    """The findings as text for a terminal: a table of the splits, and the notes."""
    corpus = findings.corpus
    shown = [name for name in corpus.classes if len(corpus.classes) <= 6]
    rows = [["split", "rows", *shown, "characters: median", "95 %", "most", "blank", "repeated"]]
    for name, split in findings.splits.items():
        rows.append(
            [
                name,
                f"{split.rows:,}",
                *(f"{split.labels[label]:,}" if split.labels else "–" for label in shown),
                *(f"{split.characters[key]:,}" for key in ("median", "q95", "max")),
                f"{split.blank:,}",
                f"{split.repeated:,}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = "\n".join(
        "  "
        + "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    notes = "".join(f"\n  · {note}" for note in findings.notes)
    return f"{corpus.name}: {len(corpus.classes)} classes\n{table}{notes}"
