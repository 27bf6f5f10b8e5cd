"""What each step contributes to a prediction, by the network's gradients.

Gradients are of the predicted class's log-odds with respect to the vectors that the Bi-LSTM reads:
for text the words' embeddings, for a series its values. Log-odds, because probabilities near 1 have
gradients near 0. For regression they are of the predicted value. No dropout is applied.

Integrated gradients after Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks"
(ICML 2017).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.explanation.threads import side_by_side
from pipeline.models.network import split_at_encoder
from pipeline.models.words import spread


class Reader(NamedTuple):
    """A network in two parts, between which it is differentiated.

    Attributes:
        embed: batch -> vectors, (batch, time_steps, features), and the steps' mask or None.
        read: what a `BiLSTM` takes, mask -> (batch, outputs), before the head's activation.
        regression: whether an output is the value itself.
    """

    embed: Callable[[Any], tuple[Any, Any]]
    read: Callable[[Any, Any], Any]
    regression: bool


class Attributions(NamedTuple):
    """What gradients say of each step.

    Attributes:
        gradient_input: <float64>[total], gradient · vector.
        gradient_norm: <float64>[total], ‖gradient‖.
        integrated: <float64>[total], integrated gradients from zero vectors.
        error: what a row's integrated gradients miss of the change that they should add up to,
            as a share of that change, over all rows.
    """

    gradient_input: NDArray[np.float64]
    gradient_norm: NDArray[np.float64]
    integrated: NDArray[np.float64]
    error: float


@lru_cache(maxsize=2)  # traced once, whatever weights it has
def reader(predictor: keras.Model) -> Reader:
    """Take a `Network.predictor` apart."""
    head = predictor.get_layer("output")
    below, encoder, above = split_at_encoder(keras.Model(predictor.inputs, head.input))

    def embed(batch: Any) -> tuple[Any, Any]:
        given, masks = below(batch, training=False)
        return spread(*given) if len(given) > 1 else given[0], masks[0] if masks else None

    def read(given: Any, mask: Any) -> Any:
        # `training` keeps what the gradient needs, instead of computing it again. Without the mask:
        states = tf.identity(encoder(given, mask=mask, training=True, fixed=True))
        pooled = above([states, [] if mask is None else [mask]], training=False)
        return tf.matmul(pooled, head.kernel) + head.bias

    (inputs,) = predictor.inputs
    signature = [tf.TensorSpec(inputs.shape, inputs.dtype)]
    return Reader(
        tf.function(embed, input_signature=signature, autograph=False),
        read,
        head.activation is keras.activations.linear,
    )


def attribute(
    sequences: Sequences, network: Reader, *, points: int, batch_size: int = 64
) -> Attributions:
    """Attribute each row's prediction to its steps.

    Args:
        sequences: the rows.
        network: the network.
        points: midpoints of as many equal parts of the way from zero to the vectors, at which the
            gradients that are integrated are taken.
        batch_size: rows in a batch, each of them at every point, at most. What the backward pass
            needs grows with it, and larger arrays are new memory each time, which costs a third.
    """
    middles = (np.arange(points, dtype=np.float32) + 0.5) / points
    # The vectors themselves, from which the class is read; zero, of which only the value counts.
    scales = tf.constant(np.array([1, 0, *middles], np.float32))
    weights = tf.constant(np.array([1, 0, *(1 / (middles * points))], np.float32))
    result = np.empty((3, len(sequences.values)))

    def batch(indices: NDArray[np.int64]) -> tuple[float, float]:
        vectors, mask = network.embed(tf.convert_to_tensor(batching.pad(sequences, indices)))
        given = [vectors, scales, weights, *([] if mask is None else [mask])]
        slope = _compiled(network, vectors.shape[-1], masked=mask is not None)
        values, here, along = slope(*given)
        found = tf.stack(
            [
                tf.reduce_sum(here * vectors, axis=-1),
                tf.norm(here, axis=-1),
                tf.reduce_sum(along * vectors, axis=-1),
            ]
        ).numpy()  # <float32>[3, batch, time_steps]
        missed = change = 0.0
        for place, row in enumerate(indices.tolist()):
            steps = slice(sequences.starts[row], sequences.starts[row + 1])
            result[:, steps] = found[:, place, : sequences.lengths[row]]
            total = float(values[0, place] - values[1, place])
            missed += abs(result[2, steps].sum() - total)
            change += abs(total)
        return missed, change

    rows = max(1, batch_size // (points + 2))
    sums = side_by_side(batch, batching.batches(sequences.lengths, rows, None))
    missed, change = np.sum(sums, axis=0).tolist()
    products, norms, integrated = result
    return Attributions(products, norms, integrated, missed / change if change else 0.0)


@lru_cache(maxsize=2)  # traced once, whatever weights it has
def _compiled(network: Reader, features: int, *, masked: bool) -> Callable[..., Any]:
    """`_slope` as one graph for all batch sizes and lengths."""
    signature = [tf.TensorSpec(shape) for shape in ((None, None, features), (None,), (None,))]
    if masked:
        signature.append(tf.TensorSpec((None, None), "bool"))
    slope: Callable[..., Any] = tf.function(
        lambda *given: _slope(network, *given), input_signature=signature, autograph=False
    ).get_concrete_function()
    return slope


def _slope(
    network: Reader, vectors: Any, scales: Any, weights: Any, mask: Any = None
) -> tuple[Any, Any, Any]:
    """The rows' explained values at multiples of their vectors, and their slopes.

    The first multiple has the vectors for itself. The others share a second copy, whose products
    with the kernels are computed once, and where their slopes add up.

    Args:
        network: the network.
        vectors: (batch, time_steps, features).
        scales: (multiples,); at the first one, the class is read that is explained.
        weights: (multiples,), of their slopes.
        mask: of the steps, or None.

    Returns:
        (multiples, batch); the first multiple's slope, and the sum of the others', by the vectors,
        in their shape.
    """
    batch, time_steps, _ = tf.unstack(tf.shape(vectors))
    many = tf.size(scales)
    words = tf.tile(tf.reshape(vectors, [-1, vectors.shape[-1]]), [2, 1])
    first = tf.reshape(tf.range(batch * time_steps), [batch, -1])
    position = tf.concat([first, tf.tile(first + batch * time_steps, [many - 1, 1])], axis=0)
    scale = tf.repeat(scales, batch)[:, None] * tf.ones_like(position, scales.dtype)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(words)
        outputs = network.read(
            [words, position, scale], None if mask is None else tf.tile(mask, [many, 1])
        )
        chosen = predicted_class(outputs[:batch], regression=network.regression)
        repeated = None if chosen is None else tf.tile(chosen, [many])
        values = tf.reshape(explained_value(outputs, repeated), [many, batch])
        total = tf.reduce_sum(weights[:, None] * values)
    slopes = tf.reshape(tape.gradient(total, words), [2, *tf.unstack(tf.shape(vectors))])
    return values, slopes[0], slopes[1]


def predicted_class(outputs: Any, *, regression: bool) -> Any:
    """<int32>[batch], the predicted class; None for regression."""
    if regression:
        return None
    if outputs.shape[-1] == 1:
        return tf.cast(outputs[:, 0] > 0, tf.int32)
    return tf.argmax(outputs, axis=-1, output_type=tf.int32)


def explained_value(outputs: Any, chosen: Any) -> Any:
    """<float32>[batch], the log-odds of the chosen class, or for regression the value."""
    if chosen is None:
        return outputs[:, 0]
    if outputs.shape[-1] == 1:
        return outputs[:, 0] * tf.cast(2 * chosen - 1, outputs.dtype)
    own = tf.one_hot(chosen, outputs.shape[-1], on_value=True, off_value=False)
    others = tf.reduce_logsumexp(tf.where(own, -1e30, outputs), axis=-1)
    return tf.gather(outputs, chosen, batch_dims=1) - others
