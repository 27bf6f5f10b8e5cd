"""Adversarial training: each batch is also learned with the perturbation that hurts it most.

After Miyato, Dai & Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
Classification" (ICLR 2017). The perturbation is added to the embeddings, since words themselves
are discrete. It keeps a network from relying on a few words that happen to decide the training
texts.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from pipeline.models.network import split_at_encoder
from pipeline.models.words import spread

Loss = Callable[..., tf.Tensor]
Gradients = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, list[Any]]]


def adversarial_gradients(model: keras.Model, loss: Loss, *, share: float) -> Gradients:
    """Make the function that averages the gradients of a batch and of its perturbed copy.

    Args:
        model: the model; the gradients are in the order of its trainable variables.
        loss: per row, from targets [batch] and outputs.
        share: the size of a row's perturbation, as a share of the row's norm.

    Returns:
        (batch, labels) -> (mean loss of the unperturbed batch, the gradients).
    """
    embed, encoder, decode = split_at_encoder(model)

    def both(batch: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
        with tf.GradientTape() as below:
            given, masks = embed(batch, training=True)
            seen = spread(*given) if len(given) > 1 else given[0]
        mask = masks[0] if masks else None
        learned = [*encoder.trainable_variables, *decode.trainable_variables]

        def gradients(moved: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
            with tf.GradientTape() as tape:
                tape.watch(moved)
                states = tf.identity(encoder(moved, mask=mask, training=True))  # without its mask
                outputs = decode([states, masks], training=True)
                data_loss = tf.reduce_mean(loss(labels, outputs))
                total = tf.add_n([data_loss, *decode.losses])
            return data_loss, tape.gradient(total, [moved, *learned])

        data_loss, first = gradients(seen)
        _, second = gradients(seen + worst_perturbation(seen, first[0], mask, share=share))
        of_seen, *of_learned = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
        of_words = below.gradient(seen, embed.trainable_variables, output_gradients=of_seen)
        variables = [*embed.trainable_variables, *learned]
        found = {
            id(variable): gradient
            for variable, gradient in zip(variables, [*of_words, *of_learned], strict=True)
        }
        return data_loss, [found[id(variable)] for variable in model.trainable_variables]

    return both


def worst_perturbation(
    seen: tf.Tensor, gradient: tf.Tensor, mask: Any = None, *, share: float
) -> tf.Tensor:
    """The perturbation that increases a row's loss fastest: share · ‖x‖ · g / ‖g‖, row by row.

    Miyato et al.'s equation 5. They fix its length and normalize the embeddings so that these
    can't grow to make it negligible. Here it is relative to the row's norm.

    Args:
        seen: (batch, time_steps, features).
        gradient: of the loss with respect to `seen`.
        mask: <bool>[batch, time_steps], or None; masked steps are unchanged and don't count in
            the norms.
        share: of the row's norm.
    """
    if mask is not None:
        seen = tf.where(mask[:, :, None], seen, 0.0)
        gradient = tf.where(mask[:, :, None], gradient, 0.0)
    return tf.math.divide_no_nan(share * _norm(seen), _norm(gradient)) * gradient


def _norm(rows: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(rows), axis=[1, 2], keepdims=True))
