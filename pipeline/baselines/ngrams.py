"""The n-grams that the linear baselines read: the networks' tokens, of the whole text."""

import contextlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import compress, pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import CountVectorizer

from pipeline.core.texts import LINE_BREAK

TELLING = 20
RAREST = 1 / 4000  # an n-gram must occur in at least this share of the training texts
CHUNK = 25_000  # texts all of whose n-grams are in memory at once

# Scripts written without spaces, as in `encoding.tokenizer`: Han, kana, Thai, Lao, Khmer, Myanmar.
_UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
    "\u0e01-\u0e3a\u0e40-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9fe\uaa60-\uaa7f"
)


@dataclass(frozen=True)
class Texts:
    """One split as the baseline reads it.

    Attributes:
        rows: <int64>[n], the row's number in `data/raw/SPLIT.parquet`.
        texts: n strings.
        labels: <int64>[n] classes.
    """

    rows: NDArray[np.int64]
    texts: Sequence[str]
    labels: NDArray[np.int64]


def count_ngrams(
    texts: Sequence[str], ngrams: tuple[int, int], *, binary: bool
) -> tuple[CountVectorizer, csr_matrix]:
    """Count the n-grams that occur in enough of the texts; see `RAREST`.

    The n-grams of all texts don't fit in memory, if there are many. But one that is frequent in all
    of them is frequent in a chunk of them, or more (Savasere et al. 1995), so at first each chunk
    is counted by itself, and then only what was frequent in one.

    Args:
        texts: n strings.
        ngrams: fewest and most tokens of an n-gram.
        binary: whether to count an n-gram once in a text.

    Returns:
        What counts the same n-grams in other texts; <float32>[n, ngrams], in alphabetical order.

    Raises:
        ValueError: no n-gram is frequent.
    """
    counter = partial(
        CountVectorizer,
        preprocessor=normalized,
        token_pattern=token_pattern(),
        ngram_range=ngrams,
        binary=binary,
        dtype=np.float32,
    )
    if len(texts) <= CHUNK:
        vectorizer = counter(min_df=RAREST)
        return vectorizer, vectorizer.fit_transform(texts)
    edges = np.linspace(0, len(texts), ceil(len(texts) / CHUNK) + 1).astype(int)
    chunks = [slice(start, end) for start, end in pairwise(edges.tolist())]
    found: set[str] = set()
    for chunk in chunks:
        with contextlib.suppress(ValueError):  # no n-gram is frequent here
            found.update(counter(min_df=RAREST).fit(texts[chunk]).vocabulary_)
    names = sorted(found)
    vectorizer = counter(vocabulary=names)
    counts = csr_matrix(vstack([vectorizer.transform(texts[chunk]) for chunk in chunks]))
    frequent = counts.getnnz(axis=0) >= RAREST * len(texts)
    if not frequent.any():
        raise ValueError("no n-gram occurs in enough of them")
    return counter(vocabulary=list(compress(names, frequent))), counts[:, frequent]


def telling_ngrams(
    coefficients: NDArray[np.float64],
    ngrams: NDArray[np.object_],
    classes: Sequence[str],
    limit: int = TELLING,
) -> dict[str, list[dict[str, Any]]]:
    """The n-grams that favor each class most, by coefficient, then in the order of `ngrams`.

    Args:
        coefficients: <float>[classes, n], or, for two classes, [1, n] of the second.
        ngrams: <str>[n].
        classes: the classes' names.
        limit: how many per class, at most; n-grams with a negative coefficient are excluded.
    """
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients])
    result = {}
    for name, row in zip(classes, coefficients, strict=True):
        strongest = [
            number for number in np.argsort(-row, kind="stable")[:limit] if row[number] > 0
        ]
        result[name] = [
            {"ngram": str(ngrams[number]), "coefficient": round(float(row[number]), 4)}
            for number in strongest
        ]
    return result


def normalized(text: str) -> str:
    """Replace HTML line breaks, compose characters, lowercase, as `encoding.tokenizer` does."""
    return unicodedata.normalize("NFC", re.sub(LINE_BREAK, " ", text)).lower()


@cache
def token_pattern() -> str:
    r"""A character of an unspaced script, a word with its inner apostrophes, or a symbol.

    Python's `\w` excludes combining marks, without which Hindi or vocalized Arabic words would
    be split.
    """
    marks = "".join(
        re.escape(character)
        for character in map(chr, range(0x300, 0x1F000))
        if unicodedata.category(character).startswith("M")
        and not re.match(f"[{_UNSPACED}]", character)
    )
    word = rf"[^\W{_UNSPACED}]+(?:[{marks}]+[^\W{_UNSPACED}]*)*"
    return rf"[{_UNSPACED}]|{word}(?:['’]{word})*|[^\w\s]"
