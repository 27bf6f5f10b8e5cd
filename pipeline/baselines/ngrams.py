"""The n-grams that the linear baselines read: the networks' tokens, of the whole text."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.texts import LINE_BREAK

TELLING = 20

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
