"""Where the time of one review's prediction goes, on one thread."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.models.recurrence import recurrence
from pipeline.studies.benchmark.implementations import onnx, spotlight
from pipeline.studies.benchmark.settings import Options

_CALLS = 100  # of which the fastest counts: other programs only ever slow one down


def measure(reviews: Sequence[Sequences], options: Options) -> dict[str, float]:
    """CPU milliseconds, the median over the reviews.

    Args:
        reviews: one row each.
        options: sizes.

    Returns:
        Of an empty function, one with two calls into Python, one with the recurrence in them,
        Spotlight's prediction, and ONNX Runtime's.
    """
    ours = spotlight.Spotlight(options.sizes, reviews[0], 1, threads=1)
    theirs = onnx.Onnx(options.sizes, reviews[0], 1, threads=1)
    theirs.load(ours.weights())
    bilstm = ours.model.get_layer("bilstm")
    parts: dict[str, Callable[[Sequences], object]] = {
        "empty": _graph(lambda tokens: tokens),
        "calls": _graph(lambda tokens: _in_python(tokens) + _in_python(tokens + 1)),
        "recurrence": _graph(lambda tokens: _recurrences(bilstm, tokens)),
        "prediction": ours.predict,
        "onnx": theirs.predict,
    }
    return {
        name: float(np.median([1000 * _least(part, review) for review in reviews]))
        for name, part in parts.items()
    }


def _least(part: Callable[[Sequences], object], review: Sequences) -> float:
    seconds = []
    for _ in range(_CALLS):
        begun = time.process_time()
        part(review)
        seconds.append(time.process_time() - begun)
    return min(seconds)


def _graph(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[Sequences], object]:
    """Compile a function of <int32>[1, time_steps] tokens; returns one of a review."""
    tokens = tf.TensorSpec([None, None], tf.int32)
    compiled = tf.function(function, input_signature=[tokens], autograph=False)
    concrete = compiled.get_concrete_function()
    return lambda review: concrete(batching.pad(review, np.arange(1))).numpy()


def _in_python(tokens: tf.Tensor) -> tf.Tensor:
    return tf.numpy_function(lambda given: given, [tokens], tf.int32, stateful=False)


def _recurrences(bilstm: keras.layers.Bidirectional, tokens: tf.Tensor) -> Any:
    """The states of both directions, as if every word's products with the kernels were known."""
    position = tf.zeros_like(tokens)
    scale, mask = tf.ones(tf.shape(tokens)), tf.ones(tf.shape(tokens), tf.bool)
    states = []
    for layer in (bilstm.forward_layer, bilstm.backward_layer):
        weights = tuple(tf.convert_to_tensor(weight) for weight in layer.cell.weights)
        words = tf.zeros((1, weights[0].shape[1])), position, scale
        reverse = layer.go_backwards
        states.append(
            recurrence(None, words, weights, mask, every=True, reverse=reverse, training=False)
        )
    return tf.concat(states, axis=-1)
