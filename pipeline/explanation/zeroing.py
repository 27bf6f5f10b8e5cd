"""A network that reads zero vectors in place of some steps.

The sequence keeps its length. For text this is what word dropout trained on, so that the input is
less odd to the network than one with words cut out.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.explanation.threads import side_by_side
from pipeline.models.network import split_at_encoder

# sequences, <bool>[masks, total] -> <float32>[masks, n, classes], or for a number [masks, n]
Zeroed = Callable[[Sequences, NDArray[np.bool_]], NDArray[np.float32]]


@lru_cache(maxsize=2)  # traced once, whatever weights it has
def zeroing(predictor: keras.Model, batch_size: int = 128) -> Zeroed:
    """A function that predicts the rows with every vector zeroed that a mask leaves out.

    Args:
        predictor: a `Network.predictor`.
        batch_size: masked rows in a batch, at most; but a row has all its masks in one batch.
    """
    below, encoder, above = split_at_encoder(predictor)

    def call(batch: Any, kept: Any) -> Any:
        given, masks = below(batch, training=False)
        if len(given) > 1:
            vectors, position, scale = given
            given = [vectors, position, scale * kept]
        else:
            given = given[0] * kept[:, :, None]
        mask = masks[0] if masks else None
        states = tf.identity(encoder(given, mask=mask, training=False))  # without its mask
        return above([states, masks], training=False)

    (inputs,) = predictor.inputs
    signature = [
        tf.TensorSpec(inputs.shape, inputs.dtype),
        tf.TensorSpec((None, None), "float32"),
    ]
    compiled = tf.function(call, input_signature=signature).get_concrete_function()

    def predict(sequences: Sequences, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        outputs = np.empty((len(kept), len(sequences), predictor.output.shape[-1]), np.float32)
        rows = max(1, batch_size // len(kept))  # of one batch, each with every mask

        def zero(indices: NDArray[np.int64]) -> None:
            batch = batching.pad(sequences, indices)
            masks = np.zeros((len(kept), *batch.shape[:2]), np.float32)
            for place, row in enumerate(indices.tolist()):
                steps = slice(sequences.starts[row], sequences.starts[row + 1])
                masks[:, place, : sequences.lengths[row]] = kept[:, steps]
            repeated = np.tile(batch, (len(kept), *[1] * (batch.ndim - 1)))
            found = compiled(
                tf.convert_to_tensor(repeated),
                tf.convert_to_tensor(masks.reshape(-1, batch.shape[1])),
            )
            outputs[:, indices] = found.numpy().reshape(len(kept), len(indices), -1)

        side_by_side(zero, batching.batches(sequences.lengths, rows, None))
        return as_task(predictor, outputs)

    return predict


def as_task(predictor: keras.Model, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """A network's outputs, <float32>[…, outputs] -> [… , classes], or for a number […]."""
    activation = predictor.get_layer("output").activation
    if activation is keras.activations.sigmoid:
        return np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs[..., 0] if activation is keras.activations.linear else outputs
