"""TF-IDF of words and word pairs + logistic regression: what one would pick instead."""

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
_RAREST = 1 / 4000  # the share of training texts in which an n-gram must stand to count

# Scripts without blanks, as in `pipeline.text`: Han, kana, Thai, Lao, Khmer, Myanmar.
_UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
    "\u0e01-\u0e3a\u0e40-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9fe\uaa60-\uaa7f"
)


@dataclass(frozen=True)
class Texts:
    """One split as the reference reads it.

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
    """The fitted reference: what it says, and what it goes by.

    Attributes:
        validation, test: its predictions.
        inverse_regularization: scikit-learn's C, the one of `GRID` with the least log loss on
            validation, weighted as training is. A count of right rows would tie, and rounding
            would break the tie.
        validation_loss: the log loss of each C of `GRID`.
        features: number of n-grams.
        parameters: number of coefficients and intercepts.
        words: per class name its most telling n-grams, the strongest first.
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

    The n-grams are of the tokens that the networks see too, but of the whole text.

    Args:
        train, validation, test: the splits.
        classes: their names.
        class_weight: "balanced" lets rare classes count as much as frequent ones, by the
            weights that they have in the networks' loss.

    Raises:
        DataError: no training text holds a token.
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
            f"The reference finds no word in the {len(train.texts)} training texts: {error}",
            fix="look at the text column of data/raw/train.parquet: `text_column` in params.yaml "
            "may name the wrong one.",
        ) from None
    validation_features = vectorizer.transform(validation.texts)

    # Each C starts from the one before it, which saves most of the steps.
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
    """<float32>[n, classes]; a class without any training row has probability 0."""
    outputs = np.zeros((features.shape[0], classes), np.float32)
    outputs[:, model.classes_] = model.predict_proba(features)
    return outputs


def telling_ngrams(
    coefficients: NDArray[np.float64],
    ngrams: NDArray[np.object_],
    classes: Sequence[str],
    limit: int = TELLING,
) -> dict[str, list[dict[str, Any]]]:
    """The n-grams that speak most for each class, by coefficient, then in the order of text.

    Args:
        coefficients: <float>[classes, n], or [1, n] for two classes: those of the second.
        ngrams: <str>[n].
        classes: their names.
        limit: how many of each at most; one that speaks against a class is left out.
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
    """HTML line breaks to blanks, composed characters, lower case: as `pipeline.text` does."""
    return unicodedata.normalize("NFC", re.sub(LINE_BREAK, " ", text)).lower()


@cache
def _token_pattern() -> str:
    r"""A character of an unspaced script, a word with its inner apostrophes, or one symbol.

    Python's `\w` knows no combining marks, without which Hindi or pointed Arabic falls apart.
    """
    marks = "".join(
        re.escape(character)
        for character in map(chr, range(0x300, 0x1F000))
        if unicodedata.category(character).startswith("M")
        and not re.match(f"[{_UNSPACED}]", character)
    )
    word = rf"[^\W{_UNSPACED}]+(?:[{marks}]+[^\W{_UNSPACED}]*)*"
    return rf"[{_UNSPACED}]|{word}(?:['’]{word})*|[^\w\s]"
