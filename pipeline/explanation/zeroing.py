"""A network that reads zero vectors in place of some steps.

The sequence keeps its length. For text this is what word dropout trained on, so that the input is
less odd to the network than one with words cut out.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, parts_of
from pipeline.encoding import batching
from pipeline.explanation.erasure import BATCH
from pipeline.explanation.threads import side_by_side
from pipeline.models.network import split_at_encoder
from pipeline.training.inference import as_task

# sequences, <bool>[masks, total] -> <float32>[masks, n, classes], or for a number [masks, n]
Zeroed = Callable[[Sequences, NDArray[np.bool_]], NDArray[np.float32]]


@lru_cache(maxsize=2)  # traced once, whatever weights it has
def zeroing(predictor: keras.Model, batch_size: int = BATCH) -> Zeroed:
    """A function that predicts the rows with every vector zeroed that a mask leaves out.

    Args:
        predictor: a `Network.predictor`.
        batch_size: masked rows in a batch, at most.
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
    function = tf.function(call, input_signature=signature, autograph=False)
    compiled = function.get_concrete_function()

    def predict(sequences: Sequences, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        outputs = np.empty((len(kept), len(sequences), predictor.output.shape[-1]), np.float32)
        parts = parts_of(np.arange(len(kept)), batch_size)
        rows = batch_size // len(parts[0])  # of one batch, each with every mask of a part

        def zero(indices: NDArray[np.int64], part: NDArray[np.int64]) -> None:
            batch = batching.pad(sequences, indices)
            masks = np.zeros((len(part), *batch.shape[:2]), np.float32)
            for place, row in enumerate(indices.tolist()):
                steps = slice(sequences.starts[row], sequences.starts[row + 1])
                masks[:, place, : sequences.lengths[row]] = kept[part, steps]
            repeated = np.tile(batch, (len(part), *[1] * (batch.ndim - 1)))
            found = compiled(
                tf.convert_to_tensor(repeated),
                tf.convert_to_tensor(masks.reshape(-1, batch.shape[1])),
            )
            outputs[np.ix_(part, indices)] = found.numpy().reshape(len(part), len(indices), -1)

        batches = batching.batches(sequences.lengths, rows, None)
        side_by_side(lambda both: zero(*both), product(batches, parts))
        return as_task(predictor, outputs)

    return predict
