"""Adversarial training: each batch also as the model would least like to see it.

After Miyato, Dai & Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
Classification" (ICLR 2017). What is moved are the vectors that the encoder reads, for words
themselves can't be moved a little. It keeps a network from resting on few words that happened to
decide the training texts.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

Loss = Callable[..., tf.Tensor]
Gradients = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, list[Any]]]


def adversarial_gradients(model: keras.Model, loss: Loss, *, share: float) -> Gradients:
    """Make the function that trains on a batch and on its worst neighbour, half and half.

    Args:
        model: whose trainable variables the gradients belong to, in their order.
        loss: per row, from targets [batch] and outputs.
        share: how far a row is moved, as a share of its own norm.

    Returns:
        (batch, labels) -> (mean loss of the batch as it is, the gradients).
    """
    embed, encode = _halves(model)

    def both(batch: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
        with tf.GradientTape() as below:
            seen, *mask = keras.tree.flatten(embed(batch, training=True))

        def slopes(states: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
            with tf.GradientTape() as tape:
                tape.watch(states)
                outputs = encode([states, *mask], training=True)
                data_loss = tf.reduce_mean(loss(labels, outputs))
                total = tf.add_n([data_loss, *encode.losses])
            return data_loss, tape.gradient(total, [states, *encode.trainable_variables])

        data_loss, first = slopes(tf.identity(seen))  # without Keras's note of the mask
        _, second = slopes(seen + worst_shift(seen, first[0], *mask, share=share))
        of_seen, *of_encoder = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
        of_words = below.gradient(seen, embed.trainable_variables, output_gradients=of_seen)
        variables = [*embed.trainable_variables, *encode.trainable_variables]
        found = {
            id(variable): gradient
            for variable, gradient in zip(variables, [*of_words, *of_encoder], strict=True)
        }
        return data_loss, [found[id(variable)] for variable in model.trainable_variables]

    return both


def worst_shift(seen: tf.Tensor, slopes: tf.Tensor, mask: Any = None, *, share: float) -> tf.Tensor:
    """The step by which a row's loss grows fastest: share · ‖x‖ · g / ‖g‖, row by row.

    Miyato et al.'s equation 5. Their length is fixed, and embeddings are normalised lest they
    outgrow it; a share of the row's own norm can't be outgrown.

    Args:
        seen: (batch, time_steps, features).
        slopes: the loss's derivatives by them.
        mask: <bool>[batch, time_steps], or None; a masked step stays, and adds to no norm.
        share: of the row's norm.
    """
    if mask is not None:
        seen = tf.where(mask[:, :, None], seen, 0.0)
        slopes = tf.where(mask[:, :, None], slopes, 0.0)
    norm, steepness = _norm(seen), _norm(slopes)
    return tf.math.divide_no_nan(share * norm, steepness) * slopes


def _norm(rows: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(rows), axis=[1, 2], keepdims=True))


def _halves(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The model up to what its first Bi-LSTM reads, and from there on; the layers are shared.

    Between them go the vectors and, of text, the mask.
    """
    encoder = next(layer for layer in model.layers if isinstance(layer, keras.layers.Bidirectional))
    seam = keras.tree.flatten(encoder.input)
    return keras.Model(model.inputs, seam), keras.Model(seam, model.outputs[0])
