"""Logistic regression on n-grams, the baselines for text: with TF-IDF or naive Bayes weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from pipeline.baselines.ngrams import Texts, count_ngrams, telling_ngrams
from pipeline.core.predictions import SMALLEST_PROBABILITY, Predictions
from pipeline.core.schema import ClassWeight
from pipeline.errors import DataError

TFIDF_NGRAMS, NB_NGRAMS = (1, 2), (1, 3)
TFIDF_GRID = (0.3, 1.0, 3.0, 10.0, 30.0)
NB_GRID = (0.003, 0.01, 0.03, 0.1, 0.3)
SMALLEST, LARGEST = 1e-5, 1e5  # where a grid stops growing


@dataclass(frozen=True)
class FittedLinear:
    """A fitted baseline: its predictions, settings and most telling n-grams.

    Attributes:
        predictions: on validation and test.
        inverse_regularization: scikit-learn's C, the one with the least log loss on validation,
            weighted as in training. (By accuracy, several could tie, and rounding errors would
            decide.)
        validation_loss: the log loss of each C tried. Where the best would be the first or the
            last, smaller or larger ones were tried too.
        ngrams: fewest and most tokens of an n-gram.
        features: number of n-grams.
        parameters: number of coefficients and intercepts.
        words: class name → its most telling n-grams, strongest first.
    """

    predictions: dict[str, Predictions]
    inverse_regularization: float
    validation_loss: dict[float, float]
    ngrams: tuple[int, int]
    features: int
    parameters: int
    words: dict[str, list[dict[str, Any]]]


def fit_tfidf(
    train: Texts,
    validation: Texts,
    test: Texts,
    *,
    classes: Sequence[str],
    class_weight: ClassWeight = "none",
) -> FittedLinear:
    """Fit logistic regression on the TF-IDF of words and word pairs.

    Args:
        train, validation, test: train is fitted, validation chooses C.
        classes: the classes' names.
        class_weight: "balanced" makes rare classes count as much as frequent ones, with the same
            weights as in the networks' loss.

    Raises:
        DataError: no training text contains a token.
    """
    splits = {"train": train, "validation": validation, "test": test}
    vectorizer, counts = _count(splits, TFIDF_NGRAMS, binary=False)
    weighting = TfidfTransformer(sublinear_tf=True).fit(counts["train"])
    return _fit(
        splits,
        {name: weighting.transform(rows, copy=False) for name, rows in counts.items()},
        [np.ones(counts["train"].shape[1], np.float32)],
        vectorizer=vectorizer,
        grid=TFIDF_GRID,
        classes=classes,
        class_weight=class_weight,
    )


def fit_naive_bayes(
    train: Texts,
    validation: Texts,
    test: Texts,
    *,
    classes: Sequence[str],
    class_weight: ClassWeight = "none",
) -> FittedLinear:
    """Fit logistic regression on n-grams of up to three tokens, weighted by naive Bayes.

    A feature is whether the text has the n-gram, times the log-count ratio
    r = log(p / |p|) - log(q / |q|), where p counts the training texts of the class that have it, q
    those of the others, both plus 1 (Wang & Manning 2012, "Baselines and Bigrams", section 2.3).
    Each class has its own ratios and so, for more than two, its own regression against the others.

    Args and errors: as in `fit_tfidf`.
    """
    splits = {"train": train, "validation": validation, "test": test}
    vectorizer, has = _count(splits, NB_NGRAMS, binary=True)
    present = np.unique(train.labels)
    return _fit(
        splits,
        has,
        [
            log_count_ratios(has["train"], train.labels == k)
            for k in (present if len(present) > 2 else present[1:])
        ],
        vectorizer=vectorizer,
        grid=NB_GRID,
        classes=classes,
        class_weight=class_weight,
    )


def log_count_ratios(has: csr_matrix, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Naive Bayes's weight of each n-gram for a class, smoothed by 1.

    Args:
        has: <float32>[n, ngrams], 1 where the text has the n-gram, else 0.
        inside: <bool>[n], whether the text is of the class.

    Returns:
        <float32>[ngrams], positive where the n-gram favors the class.
    """
    p, q = (1.0 + np.asarray(has[rows].sum(axis=0)).ravel() for rows in (inside, ~inside))
    ratios: NDArray[np.float32] = np.log((p / p.sum()) / (q / q.sum())).astype(np.float32)
    return ratios


def _count(
    splits: dict[str, Texts], ngrams: tuple[int, int], *, binary: bool
) -> tuple[CountVectorizer, dict[str, csr_matrix]]:
    """What counts the n-grams, which are those of train; <float32>[n, ngrams] of each split."""
    train = splits["train"].texts
    try:
        vectorizer, counted = count_ngrams(train, ngrams, binary=binary)
    except ValueError as error:
        raise DataError(
            f"The baseline finds no words in the {len(train)} training texts: {error}",
            fix="check that `source.text_column` in params.yaml names the column of the texts.",
        ) from None
    others = {name: vectorizer.transform(splits[name].texts) for name in ("validation", "test")}
    return vectorizer, {"train": counted, **others}


def _fit(
    splits: dict[str, Texts],
    features: dict[str, csr_matrix],
    scales: list[NDArray[np.float32]],
    *,
    vectorizer: CountVectorizer,
    grid: Sequence[float],
    classes: Sequence[str],
    class_weight: ClassWeight,
) -> FittedLinear:
    """Fit each C on train, choose one on validation, predict validation and test.

    Args:
        splits: train, validation and test.
        features: of each split, <float32>[n, ngrams].
        scales: <float32>[ngrams] each, by which the features are multiplied. One is a regression
            of all classes; several are one for each class that train has, against the others.
        vectorizer: what counted the n-grams.
        grid: the first C to try, ascending.
        classes: the classes' names.
        class_weight: as in the networks' loss.
    """
    labels = splits["train"].labels
    present = np.unique(labels)
    weights = np.zeros(len(classes))
    balanced = "balanced" if class_weight == "balanced" else None
    weights[present] = compute_class_weight(balanced, classes=present, y=labels)
    scaled = {
        name: [csr_matrix(rows @ diags_array(scale)) for scale in scales]
        for name, rows in features.items()
    }
    targets = [labels] if len(scales) == 1 else [labels == k for k in present]
    # Each C starts from the solution of the one before, which saves most of the iterations.
    models = [LogisticRegression(warm_start=True, max_iter=1000, tol=1e-5) for _ in scales]

    def predict(split: str) -> NDArray[np.float32]:
        outputs = np.zeros((len(splits[split].labels), len(classes)), np.float32)
        parts = [m.predict_proba(rows) for m, rows in zip(models, scaled[split], strict=True)]
        if len(parts) == 1:
            outputs[:, present] = parts[0]
        else:
            outputs[:, present] = np.stack([part[:, 1] for part in parts], axis=1)
            outputs /= outputs.sum(axis=1, keepdims=True)
        return outputs

    losses: dict[float, float] = {}
    waiting = list(grid)
    while waiting:
        strength = waiting.pop(0)
        for model, matrix, target in zip(models, scaled["train"], targets, strict=True):
            model.set_params(C=strength).fit(matrix, target, weights[labels])
        loss = _log_loss(predict("validation"), splits["validation"].labels, weights)
        better = not losses or loss < min(losses.values())
        losses[strength] = loss
        if better:
            chosen = strength
            best = [(model.coef_.copy(), model.intercept_.copy()) for model in models]
        if not waiting:
            waiting = _beyond(losses, chosen)
    for model, (coefficients, intercept) in zip(models, best, strict=True):
        model.coef_, model.intercept_ = coefficients, intercept
    all_coefficients = np.concatenate([model.coef_ for model in models]) * np.stack(scales)
    return FittedLinear(
        predictions={
            name: Predictions(splits[name].rows, splits[name].labels, predict(name))
            for name in ("validation", "test")
        },
        inverse_regularization=chosen,
        validation_loss=dict(sorted(losses.items())),
        ngrams=vectorizer.ngram_range,
        features=all_coefficients.shape[1],
        parameters=all_coefficients.size + sum(model.intercept_.size for model in models),
        words=telling_ngrams(
            all_coefficients, vectorizer.get_feature_names_out(), [classes[k] for k in present]
        ),
    )


def _log_loss(
    outputs: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> float:
    given = outputs[np.arange(len(outputs)), labels]
    loss = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0, dtype=np.float64))
    return float(np.average(loss, weights=weights[labels]))


def _beyond(losses: dict[float, float], chosen: float) -> list[float]:
    """The C to try next if the chosen one is the smallest or largest so far: the next 1 or 3."""
    tried = sorted(losses)
    if chosen == tried[-1] < LARGEST:
        return [float(f"{10 * tried[-2]:g}")]
    if chosen == tried[0] > SMALLEST:
        return [float(f"{tried[1] / 10:g}")]
    return []
