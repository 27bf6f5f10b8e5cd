"""Encoding a text corpus: assigning rows to splits, training a tokenizer, encoding the splits."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core.files import PART
from pipeline.core.params import TextEncode
from pipeline.core.predictions import SPLITS, UNLABELED
from pipeline.core.sequences import Sequences
from pipeline.data import splitting
from pipeline.encoding.text import encode_texts
from pipeline.encoding.tokenizer import Tokenizer, train_tokenizer
from pipeline.errors import DataError

# Reads a raw split again, a part of its rows after the other: it may be larger than memory.
Parts = Callable[[], Iterable[pa.Table]]


class SplitRows(NamedTuple):
    """The rows of one split: those of a raw table where the mask is True.

    Attributes:
        parts: reads the table.
        mask: <bool>[n], over the table's rows.
        identities: <int64>[n], equal for rows of the table with the same text.
    """

    parts: Parts
    mask: NDArray[np.bool_]
    identities: NDArray[np.int64]

    def batches(self) -> Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.int64]]]:
        """(row numbers, texts, labels) of the rows in each part; 0 for rows without a label."""
        start = 0
        for part in self.parts():
            kept = np.flatnonzero(self.mask[start : start + part.num_rows])
            if len(kept):
                chosen = part.take(pa.array(kept))
                labeled = "label" in part.column_names
                labels = chosen["label"].to_numpy() if labeled else np.zeros_like(kept)
                yield kept + start, chosen["text"].to_pylist(), labels
            start += part.num_rows

    def texts(self) -> Iterator[str]:
        """The texts, one by one."""
        for _, texts, _ in self.batches():
            yield from texts


class EncodedCorpus(NamedTuple):
    """An encoded corpus.

    Attributes:
        tokenizer: trained on train.
        splits: split → its rows, encoded as they are asked for, a part after the other. Only
            test's, which are explained, carry the spans of their tokens.
        texts_in_common: number of distinct texts that each pair of splits shares; all should be 0.
        unlabeled: number of unlabeled rows that are learned from, and of those that are not, since
            their texts are also in validation; None if the source has none.
    """

    tokenizer: Tokenizer
    splits: Mapping[str, Iterator[Sequences]]
    texts_in_common: dict[str, int]
    unlabeled: dict[str, int] | None


def encode_corpus(raw: Mapping[str, Parts], settings: TextEncode) -> EncodedCorpus:
    """Split, train a tokenizer, and encode.

    Args:
        raw: split → `text`, `label` and, if known, `group`; without validation, rows of train are
            held out for it, by whole groups. Unlabeled rows have only `text`.
        settings: the dataset's `encode`.
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
    encoded = {name: _encoded(name, rows, tokenizer, settings) for name, rows in splits.items()}
    unlabeled = None
    if UNLABELED in splits:
        kept = splits[UNLABELED].mask
        unlabeled = {"rows": int(kept.sum()), "also_in_validation": int((~kept).sum())}
    return EncodedCorpus(tokenizer, encoded, _texts_in_common(splits), unlabeled)


def assign_rows(raw: Mapping[str, Parts], settings: TextEncode) -> dict[str, SplitRows]:
    """Assign rows of the raw tables to the splits.

    Unlabeled rows are learned from, so those whose text is held out of train are left out.

    Raises:
        DataError: there is no validation split, and none can be made of whole groups.
    """
    known = {name: _hashed(parts()) for name, parts in raw.items()}
    masks = {name: np.ones(table.num_rows, bool) for name, table in known.items()}
    if "validation" not in raw:
        train = known["train"]
        masks["validation"] = splitting.hold_out(
            train["label"].to_numpy(),
            splitting.indivisible(
                train["text"].to_numpy(),
                train["group"].to_numpy() if "group" in train.column_names else None,
            ),
            share=settings.validation_share,
            seed=settings.seed,
        )
        if "group" in train.column_names and not masks["validation"].any():
            raise DataError(
                "No validation rows can be held out of train, because each class has only one "
                "group there.",
                fix="provide a validation split, or group the rows otherwise in `source`.",
            )
        masks["train"] = ~masks["validation"]
        raw, known = {"validation": raw["train"], **raw}, {"validation": train, **known}
    texts = {name: table["text"].to_numpy() for name, table in known.items()}
    if UNLABELED in raw:
        held_out = texts["validation"][masks["validation"]]
        masks[UNLABELED] = ~np.isin(texts[UNLABELED], held_out)
    names = [*SPLITS, *([UNLABELED] if UNLABELED in raw else [])]
    return {name: SplitRows(raw[name], masks[name], texts[name]) for name in names}


def _hashed(parts: Iterable[pa.Table]) -> pa.Table:
    """A raw table with a hash in the place of each text."""
    return pa.concat_tables(
        part.set_column(
            part.column_names.index("text"),
            "text",
            pa.array(splitting.identities({"": part["text"]})[""]),
        )
        for part in parts
    ).combine_chunks()


def corpus_report(
    corpus: EncodedCorpus,
    splits: Mapping[str, Mapping[str, Any]],
    settings: TextEncode,
    *,
    ngrams: Mapping[str, int],
) -> dict[str, Any]:
    """The content of `encoding.json` for an encoded corpus, besides what the raw card says.

    Args:
        corpus: the encoded corpus.
        splits: the report of each split.
        settings: the dataset's `encode`.
        ngrams: the number of bigrams and of trigrams, of those that the dataset uses.
    """
    return {
        "vocabulary_size": corpus.tokenizer.size,
        "max_len": settings.max_len,
        "keep": settings.keep,
        **ngrams,
        **settings.model_dump(include={"vectors", "language_model"}, exclude_none=True),
        "splits": splits,
        **({} if corpus.unlabeled is None else {"unlabeled": corpus.unlabeled}),
        "texts_in_common": corpus.texts_in_common,
    }


def _encoded(
    name: str, rows: SplitRows, tokenizer: Tokenizer, settings: TextEncode
) -> Iterator[Sequences]:
    batches = progress.bar(
        rows.batches(), what=f"encoding {name}", total=ceil(len(rows.mask) / PART), unit="thousand"
    )
    return encode_texts(
        batches,
        tokenizer,
        max_len=settings.max_len,
        keep=settings.keep,
        spans=name == "test",
    )


def _texts_in_common(splits: Mapping[str, SplitRows]) -> dict[str, int]:
    kept = {name: np.unique(rows.identities[rows.mask]) for name, rows in splits.items()}
    return {
        f"{one} and {other}": len(np.intersect1d(kept[one], kept[other]))
        for one, other in itertools.combinations(SPLITS, 2)
    }
