"""Dropout that is the same whether one process trains or several share each batch."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="spotlight")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, with one worker's numbers if several share a batch."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop single features."""
        drop = super().call
        return of_whole_batch(lambda rows: drop(rows, training), inputs)


@keras.saving.register_keras_serializable(package="spotlight")
class SpatialDropout1D(keras.layers.SpatialDropout1D):
    """`keras.layers.SpatialDropout1D`, with one worker's numbers if several share a batch."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop features of all steps at once."""
        drop = super().call
        return of_whole_batch(lambda rows: drop(rows, training), inputs)


def of_whole_batch(drop: Callable[[Any], Any], inputs: Any) -> Any:
    """Drop parts of the rows that this worker has: of n workers the i-th has rows i, i + n, ….

    Anything else that multiplies them by random numbers is done alike.

    The random numbers of a row depend only on the seed and on how many come before it. So each
    worker draws for all rows, and keeps what is for its own.

    Args:
        drop: from any rows to what is left of them.
        inputs: (rows, …).
    """
    workers = tf.distribute.get_strategy().num_replicas_in_sync
    if workers == 1:
        return drop(inputs)
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    kept = drop(tf.repeat(tf.ones_like(inputs), workers, axis=0))
    return inputs * kept[index::workers]
