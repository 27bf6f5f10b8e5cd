"""TF-IDF of words and word pairs + logistic regression, the baseline for text."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from pipeline.core.predictions import SMALLEST_PROBABILITY, Predictions
from pipeline.core.texts import LINE_BREAK
from pipeline.errors import DataError

NGRAMS = (1, 2)
GRID = (0.3, 1.0, 3.0, 10.0, 30.0)
TELLING = 20
_RAREST = 1 / 4000  # an n-gram must occur in at least this share of the training texts

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


@dataclass(frozen=True)
class FittedTfidf:
    """The fitted baseline: its predictions, settings and most telling n-grams.

    Attributes:
        validation, test: its predictions.
        inverse_regularization: scikit-learn's C, the one in `GRID` with the least log loss on
            validation, weighted as in training. (By accuracy, several could tie, and rounding
            errors would decide.)
        validation_loss: the log loss of each C in `GRID`.
        features: number of n-grams.
        parameters: number of coefficients and intercepts.
        words: class name → its most telling n-grams, strongest first.
    """

    validation: Predictions
    test: Predictions
    inverse_regularization: float
    validation_loss: dict[float, float]
    features: int
    parameters: int
    words: dict[str, list[dict[str, Any]]]


def fit_tfidf(
    train: Texts,
    validation: Texts,
    test: Texts,
    *,
    classes: Sequence[str],
    class_weight: Literal["none", "balanced"] = "none",
) -> FittedTfidf:
    """Fit on train, choose C on validation, predict validation and test.

    The n-grams consist of the same tokens that the networks read, but cover the whole text.

    Args:
        train, validation, test: the splits.
        classes: the classes' names.
        class_weight: "balanced" makes rare classes count as much as frequent ones, with the same
            weights as in the networks' loss.

    Raises:
        DataError: no training text contains a token.
    """
    vectorizer = TfidfVectorizer(
        preprocessor=_normalized,
        token_pattern=_token_pattern(),
        ngram_range=NGRAMS,
        min_df=_RAREST,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        train_features = vectorizer.fit_transform(train.texts)
    except ValueError as error:
        raise DataError(
            f"The baseline finds no words in the {len(train.texts)} training texts: {error}",
            fix="check that `source.text_column` in params.yaml names the column of the texts.",
        ) from None
    validation_features = vectorizer.transform(validation.texts)

    # Each C starts from the solution of the one before, which saves most of the iterations.
    balanced = "balanced" if class_weight == "balanced" else None
    model = LogisticRegression(class_weight=balanced, warm_start=True, max_iter=1000, tol=1e-5)
    of_class = compute_class_weight(balanced, classes=np.unique(train.labels), y=train.labels)
    weights = np.bincount(np.unique(train.labels), of_class, len(classes))[validation.labels]
    losses: dict[float, float] = {}
    for candidate in GRID:
        model.set_params(C=candidate).fit(train_features, train.labels)
        outputs = _outputs(model, validation_features, len(classes))
        given = outputs[np.arange(len(outputs)), validation.labels]
        loss = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0, dtype=np.float64))
        losses[candidate] = float(np.average(loss, weights=weights))
        if losses[candidate] == min(losses.values()):
            chosen, validation_outputs = candidate, outputs
            coefficients, intercepts = model.coef_.copy(), model.intercept_.copy()
    model.coef_, model.intercept_ = coefficients, intercepts
    test_outputs = _outputs(model, vectorizer.transform(test.texts), len(classes))
    return FittedTfidf(
        validation=Predictions(validation.rows, validation.labels, validation_outputs),
        test=Predictions(test.rows, test.labels, test_outputs),
        inverse_regularization=chosen,
        validation_loss=losses,
        features=train_features.shape[1],
        parameters=coefficients.size + intercepts.size,
        words=telling_ngrams(
            coefficients, vectorizer.get_feature_names_out(), [classes[k] for k in model.classes_]
        ),
    )


def _outputs(model: LogisticRegression, features: csr_matrix, classes: int) -> NDArray[np.float32]:
    """<float32>[n, classes]; a class without training rows has probability 0."""
    outputs = np.zeros((features.shape[0], classes), np.float32)
    outputs[:, model.classes_] = model.predict_proba(features)
    return outputs


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


def _normalized(text: str) -> str:
    """Replace HTML line breaks, compose characters, lowercase, as `encoding.tokenizer` does."""
    return unicodedata.normalize("NFC", re.sub(LINE_BREAK, " ", text)).lower()


@cache
def _token_pattern() -> str:
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
