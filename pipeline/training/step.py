"""One optimization step as a compiled graph, and its loss."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.training import adversarial
from pipeline.training.optimizer import Average
from pipeline.training.team import ALONE, Team
from pipeline.training.unlabeled import LOSSES, Unlabeled


def compiled_step(
    model: keras.Model,
    loss: Callable[..., tf.Tensor],
    train: Sequences,
    average: Average | None = None,
    *,
    share: float = 0.0,
    clip_norm: float | None = None,
    unlabeled: Unlabeled | None = None,
    team: Team = ALONE,
) -> Callable[..., Any]:
    """Compile one optimization step as a graph, traced once for all batch sizes and lengths.

    Args:
        model: compiled with its optimizer.
        loss: per row, from targets and outputs.
        train: the rows that batches are taken from.
        average: moving average of the weights to update, if any.
        share: size of the adversarial perturbation, as a share of a row's norm; 0 for none.
        clip_norm: maximum norm of a variable's gradient. Clipped here because Keras would make
            an embedding's sparse gradient dense.
        unlabeled: what rows without labels add; None if the step takes none.
        team: the workers, all of which call the step with the same batches.

    Returns:
        (batch, labels), and with `unlabeled` a batch of rows without labels -> the mean losses, by
        name: "loss", and with `unlabeled` its `LOSSES`.
    """
    # inputs: <int32>[batch, time_steps] or <float32>[batch, time_steps, features]
    inputs = tf.TensorSpec([None, None, *train.values.shape[1:]], train.values.dtype)
    targets = tf.TensorSpec([None], train.targets.dtype)

    def plain(batch: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            data_loss = tf.reduce_mean(loss(labels, outputs))
            total = tf.add_n([data_loss, *model.losses])
        return data_loss, tape.gradient(total, model.trainable_variables)

    gradients = adversarial.adversarial_gradients(model, loss, share=share) if share else plain
    gradients = team.of_whole_batch(gradients)
    of_others = team.of_whole_batch(unlabeled.gradients) if unlabeled else None

    def step(batch: tf.Tensor, labels: tf.Tensor, others: Any = None) -> dict[str, tf.Tensor]:
        data_loss, found = gradients(batch, labels)
        losses = {"loss": data_loss}
        if unlabeled and of_others:
            further, added = of_others(others)
            losses |= zip(LOSSES, tf.unstack(further), strict=False)
            more = dict(zip(map(id, unlabeled.variables), added, strict=True))
            found = [
                sum_of(gradient, more.get(id(variable)))
                for variable, gradient in zip(model.trainable_variables, found, strict=True)
            ]
        if clip_norm is not None:
            found = [clipped(gradient, clip_norm) for gradient in found]
        model.optimizer.apply(found, model.trainable_variables)
        if average:
            average.add(model.optimizer.iterations.value)
        return losses

    signature = [inputs, targets, *([inputs] if unlabeled else [])]
    compiled: Callable[..., Any] = tf.function(step, input_signature=signature, autograph=False)
    return compiled


def sum_of(gradient: Any, other: Any) -> Any:
    """The sum of two gradients, or the first; of an embedding's, the rows of both."""
    if other is None:
        return gradient
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient + other
    return tf.IndexedSlices(
        tf.concat([gradient.values, other.values], axis=0),
        tf.concat([gradient.indices, other.indices], axis=0),
        gradient.dense_shape,
    )


def clipped(gradient: Any, norm: float) -> Any:
    """Scale a gradient down to `norm` if it is longer.

    An embedding's gradient is a list of rows, in which a row may repeat: those are summed first.
    """
    if isinstance(gradient, tf.IndexedSlices):
        rows, place = tf.unique(gradient.indices)
        values = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
        return tf.IndexedSlices(clipped(values, norm), rows, gradient.dense_shape)
    return gradient * norm / tf.maximum(tf.norm(gradient), norm)


def loss_function(
    task: str, weights: NDArray[np.float32] | None = None
) -> Callable[..., tf.Tensor]:
    """The loss per row, from targets [batch] and the network's outputs."""
    losses: dict[str, Callable[..., tf.Tensor]] = {
        "binary": lambda labels, outputs: keras.losses.binary_crossentropy(
            labels[:, None], outputs
        ),
        "multiclass": keras.losses.sparse_categorical_crossentropy,
        "regression": lambda targets, outputs: keras.losses.mean_squared_error(
            targets[:, None], outputs
        ),
    }
    loss = losses[task]
    if weights is None:
        return loss
    return lambda labels, outputs: tf.gather(weights, labels) * loss(labels, outputs)
