"""Encoding a text corpus: assigning rows to splits, training a tokenizer, encoding the splits."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core.params import TextEncode
from pipeline.core.predictions import SPLITS
from pipeline.core.sequences import Sequences
from pipeline.data import splitting
from pipeline.encoding.text import encode_texts, frequent_bigrams, split_report
from pipeline.encoding.tokenizer import Tokenizer, train_tokenizer
from pipeline.errors import DataError

_BATCH = 1000


class SplitRows(NamedTuple):
    """The rows of one split: those of a raw table where <bool>[n] `mask` is True."""

    table: pa.Table
    mask: NDArray[np.bool_]

    def batches(self) -> Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.int64]]]:
        """(row numbers, texts, labels) of up to a thousand rows at a time."""
        for start in range(0, self.table.num_rows, _BATCH):
            kept = np.flatnonzero(self.mask[start : start + _BATCH])
            if len(kept):
                part = self.table.slice(start, _BATCH).take(pa.array(kept))
                yield kept + start, part["text"].to_pylist(), part["label"].to_numpy()

    def texts(self) -> Iterator[str]:
        """The texts, one by one."""
        for _, texts, _ in self.batches():
            yield from texts


class EncodedSplit(NamedTuple):
    """One encoded split.

    Attributes:
        name: "train", "validation" or "test".
        sequences: its rows.
        totals: <int64>[n], each text's tokens before truncation.
        report: see `split_report`.
        bigrams: <int32>[n, 2], of train, if the dataset uses them.
    """

    name: str
    sequences: Sequences
    totals: NDArray[np.int64]
    report: dict[str, Any]
    bigrams: NDArray[np.int32] | None


class EncodedCorpus(NamedTuple):
    """An encoded corpus.

    Attributes:
        tokenizer: trained on train.
        splits: encoded lazily, so that only one is in memory at a time.
        texts_in_common: number of distinct texts that each pair of splits shares; all should be 0.
    """

    tokenizer: Tokenizer
    splits: Iterator[EncodedSplit]
    texts_in_common: dict[str, int]


def encode_corpus(
    raw: Mapping[str, pa.Table], settings: TextEncode, *, classes: Sequence[str]
) -> EncodedCorpus:
    """Split, train a tokenizer, and encode.

    Args:
        raw: split → `text`, `label` and, if known, `group`; without validation, rows of train are
            held out for it, by whole groups.
        settings: the dataset's `encode`.
        classes: the classes' names.
    """
    splits = assign_rows(raw, settings)
    tokenizer = train_tokenizer(
        progress.bar(
            splits["train"].texts(),
            what="reading the vocabulary",
            total=int(splits["train"].mask.sum()),
            unit="text",
        ),
        vocabulary=settings.vocabulary,
        tokenizer=settings.tokenizer,
    )
    encoded = (
        _encode_split(name, splits[name], tokenizer, settings, classes=classes) for name in SPLITS
    )
    return EncodedCorpus(tokenizer, encoded, _texts_in_common(splits))


def assign_rows(raw: Mapping[str, pa.Table], settings: TextEncode) -> dict[str, SplitRows]:
    """Assign rows of the raw tables to the splits.

    Raises:
        DataError: there is no validation split, and none can be made of whole groups.
    """
    tables = {"validation": raw["train"], **raw}
    masks = {name: np.ones(table.num_rows, bool) for name, table in tables.items()}
    if "validation" not in raw:
        masks["validation"] = splitting.hold_out(
            raw["train"]["label"].to_numpy(),
            splitting.indivisible(raw["train"]),
            share=settings.validation_share,
            seed=settings.seed,
        )
        if "group" in raw["train"].column_names and not masks["validation"].any():
            raise DataError(
                "No validation rows can be held out of train, because each class has only one "
                "group there.",
                fix="provide a validation split, or group the rows otherwise in `source`.",
            )
        masks["train"] = ~masks["validation"]
    return {name: SplitRows(tables[name], masks[name]) for name in SPLITS}


def corpus_report(
    corpus: EncodedCorpus,
    splits: Mapping[str, Mapping[str, Any]],
    settings: TextEncode,
    *,
    bigrams: int | None,
) -> dict[str, Any]:
    """The content of `encoding.json` for an encoded corpus, besides what the raw card says.

    Args:
        corpus: the encoded corpus.
        splits: the report of each split.
        settings: the dataset's `encode`.
        bigrams: number of bigrams; None if the dataset uses none.
    """
    return {
        "vocabulary_size": corpus.tokenizer.size,
        "max_len": settings.max_len,
        "keep": settings.keep,
        **({} if bigrams is None else {"bigrams": bigrams}),
        **settings.model_dump(include={"vectors", "language_model"}, exclude_none=True),
        "splits": splits,
        "texts_in_common": corpus.texts_in_common,
    }


def _encode_split(
    name: str,
    rows: SplitRows,
    tokenizer: Tokenizer,
    settings: TextEncode,
    *,
    classes: Sequence[str],
) -> EncodedSplit:
    batches = progress.bar(
        rows.batches(),
        what=f"encoding {name}",
        total=ceil(rows.table.num_rows / _BATCH),
        unit="thousand",
    )
    sequences, totals = encode_texts(
        batches, tokenizer, max_len=settings.max_len, keep=settings.keep
    )
    report = split_report(sequences, totals, classes=list(classes))
    wanted = settings.bigrams if name == "train" else 0
    bigrams = frequent_bigrams(sequences, wanted) if wanted else None
    return EncodedSplit(name, sequences, totals, report, bigrams)


def _texts_in_common(splits: Mapping[str, SplitRows]) -> dict[str, int]:
    numbers = splitting.identities({name: rows.table["text"] for name, rows in splits.items()})
    kept = {name: np.unique(numbers[name][rows.mask]) for name, rows in splits.items()}
    return {
        f"{one} and {other}": len(np.intersect1d(kept[one], kept[other]))
        for one, other in itertools.combinations(SPLITS, 2)
    }
