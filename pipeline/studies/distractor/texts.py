"""Short texts among neutral sentences, which tell nothing about a text's class.

1. The sentences are those of the unlabeled texts in which naive Bayes, learned from the labeled
   training texts, finds no word that tells and no sum of words that does.
2. Validation is held out before anything is drawn. Each split's sentences are from unlabeled texts
   of its own, and none is in two splits.
3. A text of each class, of about the same length, shares its sentences with one of every other
   class in its split. So the sentences alone tell nothing: not even a network that knows them by
   heart can guess better than chance from them, nor worse.
4. Whether the sentences stand before, around or after their text is drawn for train. A test text
   has them at each place once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.baselines.linear import log_count_ratios
from pipeline.baselines.ngrams import count_ngrams, normalized, token_pattern
from pipeline.core.predictions import SPLITS, UNLABELED
from pipeline.core.texts import LINE_BREAK
from pipeline.data.sources import Corpus
from pipeline.data.splitting import hold_out, identities, indivisible
from pipeline.errors import DataError
from pipeline.studies.suggestion.settings import PLACES, Distractors

SENTENCE = re.compile(r"[^.!?…]+(?:[.!?…]+[\"')\]]*|$)")
FEWEST, MOST = 5, 40  # tokens of a sentence
VALIDATION = 0.2  # of the rows to train on


class Pool(NamedTuple):
    """Sentences to draw from: n strings, and <int64>[n], their tokens."""

    sentences: Sequence[str]
    lengths: NDArray[np.int64]


def lengthen(
    corpus: Corpus, settings: Distractors, *, rows: Mapping[str, int], length: int, seed: int
) -> dict[str, pa.Table]:
    """Draw short texts, and put them among neutral sentences.

    Args:
        corpus: with unlabeled texts, and no text in two splits.
        settings: what is short, and what is neutral.
        rows: "train" and "test" → how many to draw, at most, as many of each class; a fifth of
            those of train is for validation.
        length: tokens of a text with its sentences, at most.
        seed: of texts, sentences and places.

    Returns:
        train, validation and test, with the columns `distractors` and `place`, and what they have
        in the corpus; unsupervised: the texts that train's sentences are from.

    Raises:
        DataError: the corpus has no unlabeled texts, too few short ones or too few neutral
            sentences.
    """
    if UNLABELED not in corpus.splits:
        raise DataError(
            f"{corpus.name} has no unlabeled texts, which neutral sentences are taken from.",
            fix="name them in its `source` in params.yaml: `unsupervised: SPLIT`.",
        )
    unlabeled = corpus.splits[UNLABELED]
    order = np.random.default_rng(seed).permutation(unlabeled.num_rows)
    parts = np.split(order, [len(order) * percent // 100 for percent in (40, 50)])
    from_texts = dict(zip(SPLITS, parts, strict=True))
    labeled = _with_validation(corpus, seed)
    validation = round(VALIDATION * rows["train"])
    wanted = {**rows, "train": rows["train"] - validation, "validation": validation}
    judge = _naive_bayes(corpus)
    lengthened: dict[str, pa.Table] = {}
    taken: list[str] = []
    for number, (split, texts) in enumerate(from_texts.items()):
        rng = np.random.default_rng([seed, number])
        pool = neutral_sentences(
            unlabeled["text"].take(pa.array(texts)).to_pylist(),
            judge,
            most=settings.neutral,
            exclude=taken,
        )
        taken += pool.sentences
        if pool.lengths.sum() < length:
            raise DataError(
                f"{corpus.name}: the unlabeled texts have {len(pool.sentences)} neutral sentences "
                f"for {split}, too few for texts of {length} tokens.",
                fix="raise `distractors.neutral` in the study's params.yaml.",
            )
        chosen, groups = _draw(labeled, split, settings.longest, wanted[split], rng)
        lengthened[split] = _surrounded(
            chosen, groups, pool, length=length, rng=rng, every_place=split == "test"
        )
    kept = unlabeled.take(pa.array(np.sort(from_texts["train"])))
    return {**lengthened, UNLABELED: kept}


def _with_validation(corpus: Corpus, seed: int) -> Corpus:
    """The corpus with a fifth of train for validation, by whole groups, unless it has one.

    Texts that share sentences are paired in each split alone: were one of a pair held out of
    train later, its sentences would tell the other's class.
    """
    if "validation" in corpus.splits:
        return corpus
    train = corpus.splits["train"]
    groups = train["group"].to_numpy() if "group" in train.column_names else None
    parts = indivisible(identities({"train": train["text"]})["train"], groups)
    held_out = hold_out(corpus.labels("train"), parts, share=VALIDATION, seed=seed)
    divided = {"train": ~held_out, "validation": held_out}
    return replace(
        corpus,
        splits={**corpus.splits}
        | {name: train.filter(pa.array(chosen)) for name, chosen in divided.items()},
    )


def neutral_sentences(
    texts: Sequence[str],
    judge: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    most: float,
    exclude: Sequence[str] = (),
) -> Pool:
    """The distinct sentences that tell nothing, in their order.

    Args:
        texts: to take them from.
        judge: a sentence's tokens → <float32>[classes, tokens], their log-count ratios.
        most: largest ratio of a token, and of all of them together.
        exclude: sentences that are left out.
    """
    excluded, found = set(exclude), {}
    for text in texts:
        for match in SENTENCE.finditer(re.sub(LINE_BREAK, " ", text)):
            sentence = " ".join(match.group().split())
            tokens = tokens_of(sentence)
            if FEWEST <= len(tokens) <= MOST and sentence not in excluded:
                ratios = judge(tokens)
                if max(np.abs(ratios).max(), np.abs(ratios.sum(axis=1)).max()) <= most:
                    found[sentence] = len(tokens)
    return Pool(list(found), np.array(list(found.values()), np.int64))


def tokens_of(text: str) -> list[str]:
    """The words that the baselines count."""
    return re.findall(token_pattern(), normalized(text))


def _naive_bayes(corpus: Corpus) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Log-count ratios of words, from all labeled training texts; 0 for words that are rare."""
    train = corpus.splits["train"]["text"].to_pylist()
    vectorizer, has = count_ngrams(train, (1, 1), binary=True)
    labels = corpus.labels("train")
    classes = range(1, len(corpus.classes)) if len(corpus.classes) == 2 else np.unique(labels)
    ratios = np.stack([log_count_ratios(has, labels == k) for k in classes])
    ratios = np.concatenate([ratios, np.zeros((len(ratios), 1), np.float32)], axis=1)
    place: dict[str, int] = vectorizer.vocabulary_
    return lambda tokens: ratios[:, [place.get(token, -1) for token in tokens]]


def _draw(
    corpus: Corpus, split: str, longest: int, rows: int, rng: np.random.Generator
) -> tuple[pa.Table, NDArray[np.int64]]:
    """As many short texts of each class, with their number of tokens in `tokens`.

    Returns:
        The texts, in the corpus's order; <int64>[groups, classes], those that share sentences:
        one of each class, of about the same length.
    """
    table, labels = corpus.splits[split], corpus.labels(split)
    tokens = np.array([len(tokens_of(text)) for text in table["text"].to_pylist()])
    short = tokens <= longest
    classes = range(len(corpus.classes))
    count = min(rows // len(classes), *(int(np.sum(short & (labels == k))) for k in classes))
    if count < 2:
        raise DataError(
            f"{corpus.name}: {split} has too few texts of up to {longest} tokens.",
            fix="raise `distractors.longest` in the study's params.yaml.",
        )
    drawn = np.sort(
        np.concatenate(
            [
                rng.choice(np.flatnonzero(short & (labels == k)), count, replace=False)
                for k in classes
            ]
        )
    )
    by_length = np.argsort(tokens[drawn], kind="stable")
    groups = np.stack([by_length[labels[drawn][by_length] == k] for k in classes], axis=1)
    chosen = table.take(pa.array(drawn)).append_column("tokens", pa.array(tokens[drawn]))
    return chosen, groups


def _surrounded(
    texts: pa.Table,
    groups: NDArray[np.int64],
    pool: Pool,
    *,
    length: int,
    rng: np.random.Generator,
    every_place: bool,
) -> pa.Table:
    """The texts among sentences; at every place in turn, or at one that is drawn."""
    tokens = texts["tokens"].to_numpy()
    sentences: list[list[str]] = [[] for _ in tokens]
    for group in groups:
        order = rng.permutation(len(pool.sentences))
        room = length - tokens[group].max()
        count = int(np.searchsorted(np.cumsum(pool.lengths[order]), room, side="right"))
        for row in group:
            sentences[row] = [pool.sentences[number] for number in order[:count]]
    drawn: list[str] = rng.choice(PLACES, len(tokens)).tolist()
    copies = [[place] * len(tokens) for place in PLACES] if every_place else [drawn]
    return pa.concat_tables(
        [_placed(texts.drop_columns("tokens"), sentences, places) for places in copies]
    )


def _placed(texts: pa.Table, sentences: Sequence[Sequence[str]], places: Sequence[str]) -> pa.Table:
    def joined(text: str, around: Sequence[str], place: str) -> str:
        first = {"before": len(around), "around": len(around) // 2, "after": 0}[place]
        return " ".join([*around[:first], text, *around[first:]])

    rows = zip(texts["text"].to_pylist(), sentences, places, strict=True)
    placed = texts.set_column(
        texts.column_names.index("text"), "text", pa.array([joined(*row) for row in rows])
    )
    return placed.append_column(
        "distractors", pa.array([" ".join(around) for around in sentences])
    ).append_column("place", pa.array(places))
