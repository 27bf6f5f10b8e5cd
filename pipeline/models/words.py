"""Words of a batch, each distinct one once, and where they are."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pipeline.core.sequences import pack_pairs, unpack_pairs
from pipeline.models.dropout import Dropout


@keras.saving.register_keras_serializable(package="spotlight")
class Distinct(keras.layers.Layer):
    """The distinct tokens of a batch, or tokens with their n-grams, and where they are.

    A batch holds each word several times. What depends on the word alone is computed once.

    <int32>[batch, time_steps], one or more of them ->

    1. for each of them <int32>[distinct], ids in the order of their first occurrence
    2. <int32>[batch, time_steps], each step's position among the distinct ones; it carries the
       mask, which leaves out token 0
    """

    def call(self, ids: Any) -> list[Any]:
        """Return the distinct ids and the positions."""
        found, position = distinct(*keras.tree.flatten(ids))
        return [*found, position]

    def compute_mask(self, ids: Any, mask: Any = None) -> list[Any]:
        """Padding is token 0."""
        ids = keras.tree.flatten(ids)
        return [*(None for _ in ids), ops.not_equal(ids[0], 0)]

    def compute_output_spec(self, ids: Any) -> list[Any]:
        """Shapes and dtypes; how many are distinct is only known from the batch."""
        ids = keras.tree.flatten(ids)
        shapes = [*((None,) for _ in ids), ids[0].shape]
        return [keras.KerasTensor(shape, "int32") for shape in shapes]


@keras.saving.register_keras_serializable(package="spotlight")
class WordDropout(Dropout):
    """What each step is multiplied by: in training 0 or 1 / (1 - rate), otherwise 1.

    (batch, time_steps) -> <float32>[batch, time_steps].
    """

    def call(self, position: Any, training: bool = False) -> Any:
        """Drop whole words."""
        return super().call(ops.ones_like(position, self.compute_dtype), training=training)


@keras.saving.register_keras_serializable(package="spotlight")
class Spread(keras.layers.Layer):
    """The vectors of all steps: [vectors, position, scale] -> (batch, time_steps, features)."""

    def call(self, words: Any) -> Any:
        """Look up and multiply."""
        return spread(*words)

    def compute_mask(self, words: Any, mask: Any = None) -> Any:
        """The positions' mask."""
        return None if mask is None else mask[1]


def spread(vectors: Any, position: Any, scale: Any) -> Any:
    """scale · vectors[position], (batch, time_steps, features).

    Args:
        vectors: (distinct, features).
        position: <int32>[batch, time_steps].
        scale: (batch, time_steps).
    """
    return scale[:, :, None] * ops.take(vectors, position, axis=0)


def distinct(*ids: Any) -> tuple[list[Any], Any]:
    """The distinct combinations of a batch's ids, and where they are; see `Distinct`.

    Args:
        ids: <int32>[batch, time_steps], one or more of them, from 0.
    """
    first, *others = (tf.reshape(each, [-1]) for each in ids)
    values, position = tf.unique(first)
    found = [values]
    for each in others:
        both = pack_pairs(tf.cast(position, tf.int64), tf.cast(each, tf.int64))
        values, position = tf.unique(both)
        place, values = (tf.cast(one, tf.int32) for one in unpack_pairs(values))
        found = [*(tf.gather(known, place) for known in found), values]
    return found, tf.reshape(position, tf.shape(ids[0]))
