"""Predictors whose truth is known, and rows for them."""

import keras
import numpy as np

from pipeline.core.sequences import Sequences, starts_of
from pipeline.models.network import build_network
from tests.support import strategies

GOOD = 7  # the one token that decides for `spots_good`


def rows_of(*rows, spans=None):
    """Sequences of the given token ids."""
    return Sequences(
        rows=np.arange(len(rows)),
        targets=np.zeros(len(rows), np.int64),
        starts=np.cumsum([0, *map(len, rows)]),
        values=np.concatenate(rows).astype(np.int32),
        spans=spans,
    )


def bag(importance):
    """A linear bag of words: log-odds of class 1 = sum of its tokens' importance."""

    def predict(sequences):
        row_of = np.repeat(np.arange(len(sequences)), sequences.lengths)
        logits = np.bincount(row_of, importance[sequences.values], minlength=len(sequences))
        one = 1 / (1 + np.exp(-logits))
        return np.stack([1 - one, one], axis=1).astype(np.float32)

    return predict


def spots_good(sequences):
    """Class 1 with 0.9 where the good token is present, else with 0.5."""
    found = np.logical_or.reduceat(sequences.values == GOOD, sequences.starts[:-1])
    one = np.where(found, 0.9, 0.5)
    return np.stack([1 - one, one], axis=1).astype(np.float32)


def series_of(lengths, *, features):
    """Random series of these lengths."""
    values = np.random.default_rng(0).normal(size=(sum(lengths), features)).astype(np.float32)
    count = len(lengths)
    return Sequences(np.arange(count), np.zeros(count, np.float32), starts_of(lengths), values)


def attending(scores, values):
    """A network that attends by token, from each token's score and value: predictions, weights."""

    def weigh(sequences):
        parts = np.split(np.exp(scores[sequences.values]), sequences.starts[1:-1])
        return [np.float32(part / part.sum()) for part in parts]

    def predict(sequences):
        parts = np.split(values[sequences.values], sequences.starts[1:-1])
        logits = [row @ part for row, part in zip(weigh(sequences), parts, strict=True)]
        one = 1 / (1 + np.exp(-np.array(logits)))
        return np.stack([1 - one, one], axis=1).astype(np.float32)

    return predict, weigh


TEXTS = rows_of([3, 4, 5, 6, 7], [8, 9, 3], [5])
SERIES = series_of([4, 4, 4], features=3)  # of one length: a series has no mask


def built(pooling, kind="text", seed=1):
    """A network with large weights."""
    keras.utils.set_random_seed(seed)
    made = build_network(
        strategies.recipe(pooling=pooling), kind=kind, task="binary", classes=2,
        vocabulary_size=20, features=3,
    )  # fmt: skip
    made.predictor.set_weights([3 * weight for weight in made.predictor.get_weights()])
    return made


def network(kind, task, pooling):
    """A small network with large weights, and its rows."""
    keras.utils.set_random_seed(1)
    made = build_network(
        strategies.recipe(pooling=pooling), kind=kind, task=task, classes=3, vocabulary_size=20,
        features=3,
    )  # fmt: skip
    made.predictor.set_weights([3 * weight for weight in made.predictor.get_weights()])
    return made.predictor, TEXTS if kind == "text" else SERIES


def estimate(mean):
    """A mean with a narrow interval."""
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}
