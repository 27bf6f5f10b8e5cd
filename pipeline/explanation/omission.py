"""A network's outputs for a sequence without each of its steps in turn.

Without a step, the forward states before it and the backward states after it are those of the whole
sequence. So each direction computes only half of the shortened sequences' steps, one after the
other in all of them at once, and pooling and head read the states as they always do.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.explanation.gradients import reader
from pipeline.explanation.zeroing import as_task
from pipeline.models.network import split_at_encoder
from pipeline.models.recurrence import jit, tanh

# One row's steps, <int32>[length] or <float32>[length, features] -> outputs without each of them,
# <float32>[length, classes], or for a number [length]
Omitting = Callable[[NDArray[Any]], NDArray[np.float32]]


@lru_cache(maxsize=2)  # traced once, whatever weights it has
def omitting(predictor: keras.Model, rows: int = 128) -> Omitting | None:
    """A function that leaves out each step of a row of two or more.

    None where the Bi-LSTM isn't compiled for the CPU, as with a GPU: there the plain way is faster.

    Args:
        predictor: a `Network.predictor`. Below its Bi-LSTM, a step's vector may depend on the step
            itself and on the next one, as with bigrams, but on no other.
        rows: shortened sequences in a batch, at most.
    """
    _, encoder, above = split_at_encoder(predictor)
    if not encoder.compilable():
        return None
    embed = reader(predictor).embed
    directions = (encoder.forward_layer, encoder.backward_layer)
    units, every = directions[0].units, directions[0].return_sequences
    masked = len(above.inputs) > 1

    def read(states: Any) -> Any:
        """(rows, steps, 2 · units), forward and backward -> (rows, outputs)."""
        if encoder.merge_mode == "sum":
            states = states[..., :units] + states[..., units:]
        masks = [tf.ones(tf.shape(states)[:2], "bool")] if masked else []
        return above([states if every else states[:, 0], masks], training=False)

    signature = [tf.TensorSpec((None, None, 2 * units), "float32")]
    compiled = tf.function(read, input_signature=signature).get_concrete_function()

    def without_each(values: NDArray[Any]) -> NDArray[np.float32]:
        length = len(values)
        around = np.zeros((length, 2, *values.shape[1:]), values.dtype)  # of each step, left out
        around[1:, 0], around[:-1, 1] = values[:-1], values[1:]
        whole, _ = embed(tf.convert_to_tensor(values[None]))
        closed, _ = embed(tf.convert_to_tensor(around))
        given = []
        for layer in directions:
            kernel, recurrent, bias = layer.get_weights()
            products = [each.numpy() @ kernel + bias for each in (whole[0], closed[:, 0])]
            given.append((*products, recurrent, layer.go_backwards))
        outputs = []
        for gaps in np.array_split(np.arange(length), -(-length // rows)):
            states = np.empty((len(gaps), length - 1 if every else 1, 2 * units), np.float32)
            for number, (*arrays, reverse) in enumerate(given):
                in_order = gaps[::-1] if reverse else gaps
                _run(*arrays, np.append(-1, in_order), reverse, states, number * units)
            outputs.append(compiled(tf.convert_to_tensor(states)).numpy())
        return as_task(predictor, np.concatenate(outputs))

    return without_each


@jit
def _run(  # noqa: PLR0912, PLR0917 (compiled: no keywords, one function for speed)
    products: Any,
    closed: Any,
    recurrent: Any,
    gaps: Any,
    reverse: bool,
    states: Any,
    start: int,
) -> None:
    """Fill the states of one direction, as `models.recurrence` computes them.

    A shortened sequence begins as a copy of the whole one, at the step before its gap.

    Args:
        products: x W + b, (length, 4 · units), for the gates i, f, g, o.
        closed: the same of the step before each gap, with the gap closed.
        recurrent: U, (units, 4 · units).
        gaps: -1 for the whole sequence, and the steps that are left out, in the order of reading.
        reverse: whether to run from the last step to the first.
        states: output, (gaps, length - 1, features), by the number of the step that is left out;
            or (gaps, 1, features), and only the last state is kept.
        start: the first of the features that are this direction's.
    """
    length, width = products.shape
    units, rows = width // 4, len(gaps)
    lowest, last = min(gaps[1], gaps[-1]), states.shape[1] - 1
    whole = np.empty((length, units), np.float32)
    cells = np.zeros((rows, units), np.float32)
    hidden = np.zeros((rows, units), np.float32)
    gates = np.empty((rows, width), np.float32)
    # σ(z) = tanh(z / 2) / 2 + 1 / 2, so one loop computes all four gates.
    factor = np.full(width, np.float32(0.5))
    factor[2 * units : 3 * units] = np.float32(1)
    begun = 1
    for step in range(length):
        t = length - 1 - step if reverse else step
        while begun < rows and (gaps[begun] >= t if reverse else gaps[begun] <= t + 1):
            cells[begun], hidden[begun] = cells[0], hidden[0]
            for earlier in range(step):
                place = length - 2 - earlier if reverse else earlier
                for j in range(units):
                    states[gaps[begun] - lowest, min(place, last), start + j] = whole[earlier, j]
            begun += 1
        np.dot(hidden[:begun], recurrent, gates[:begun])
        for b in range(begun):
            if gaps[b] == t:
                continue
            if gaps[b] == t + 1:
                for j in range(width):
                    gates[b, j] += closed[t + 1, j]
            else:
                for j in range(width):
                    gates[b, j] += products[t, j]
            for j in range(width):
                activated = tanh(gates[b, j] * factor[j])
                gates[b, j] = activated * factor[j] + (np.float32(1) - factor[j])
            for j in range(units):
                kept = gates[b, units + j] * cells[b, j]
                cells[b, j] = kept + gates[b, j] * gates[b, 2 * units + j]
                hidden[b, j] = gates[b, 3 * units + j] * tanh(cells[b, j])
            place = t if t < gaps[b] else t - 1
            if b == 0:
                for j in range(units):
                    whole[step, j] = hidden[b, j]
            else:
                for j in range(units):
                    states[gaps[b] - lowest, min(place, last), start + j] = hidden[b, j]
