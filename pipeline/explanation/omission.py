"""A network's outputs for a sequence without each of its steps in turn.

Without a step, the forward states before it and the backward states after it are those of the whole
sequence, and an LSTM forgets: some hundred steps behind the gap, the states are the whole
sequence's again, but for float32's noise. So each direction computes only the steps between, one
after the other in all shortened sequences at once, and pooling and head read the states as they
always do.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import parts_of
from pipeline.explanation.erasure import BATCH
from pipeline.explanation.gradients import reader
from pipeline.models.network import split_at_encoder
from pipeline.models.recurrence import jit, tanh
from pipeline.training.inference import as_task

FORGOTTEN = np.float32(1e-6)  # no cell or state differs more: then the gap is forgotten

# One row's steps, <int32>[length] or <float32>[length, features] -> outputs without each of them,
# <float32>[length, classes], or for a number [length]
Omitting = Callable[[NDArray[Any]], NDArray[np.float32]]


@lru_cache(maxsize=2)  # traced once, whatever weights it has
def omitting(predictor: keras.Model, rows: int = BATCH) -> Omitting | None:
    """A function that leaves out each step of a row of two or more.

    None where the Bi-LSTM isn't compiled for the CPU, as with a GPU: there the plain way is faster.
    And with trigrams: below the Bi-LSTM, a step's vector may depend on the step itself and on the
    next one, but on no other.

    Args:
        predictor: a `Network.predictor`.
        rows: shortened sequences in a batch, at most. Larger arrays are new memory each time.
    """
    _, encoder, above = split_at_encoder(predictor)
    if not encoder.compilable() or any(layer.name == "trigrams" for layer in predictor.layers):
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
    function = tf.function(read, input_signature=signature, autograph=False)
    compiled = function.get_concrete_function()

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
        for gaps in parts_of(np.arange(length), rows):
            states = np.empty((len(gaps), length - 1 if every else 1, 2 * units), np.float32)
            for number, (*arrays, reverse) in enumerate(given):
                in_order = gaps[::-1] if reverse else gaps
                _run(*arrays, np.append(in_order, -1), reverse, states, number * units)
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

    A shortened sequence begins as a copy of the whole one, at the step before its gap, and ends
    when it has forgotten the gap.

    Args:
        products: x W + b, (length, 4 · units), for the gates i, f, g, o.
        closed: the same of the step before each gap, with the gap closed.
        recurrent: U, (units, 4 · units).
        gaps: the steps that are left out, in the order of reading, and -1 for the whole sequence.
        reverse: whether to run from the last step to the first.
        states: output, (gaps, length - 1, features), by the number of the step that is left out;
            or (gaps, 1, features), and only the last state is kept.
        start: the first of the features that are this direction's.
    """
    length, width = products.shape
    units, rows = width // 4, len(gaps)
    lowest, last = min(gaps[0], gaps[-2]), states.shape[1] - 1
    whole = np.empty((length, units), np.float32)
    cells = np.zeros((rows, units), np.float32)
    hidden = np.zeros((rows, units), np.float32)
    gates = np.empty((rows, width), np.float32)
    ends = np.full(rows, length)
    # σ(z) = tanh(z / 2) / 2 + 1 / 2, so one loop computes all four gates.
    factor = np.full(width, np.float32(0.5))
    factor[2 * units : 3 * units] = np.float32(1)
    first = own = 0  # the first sequence that has not ended; the whole one, behind those begun
    for step in range(length):
        t = length - 1 - step if reverse else step
        while own < rows - 1 and (gaps[own] >= t if reverse else gaps[own] <= t + 1):
            _copy(whole, 0, step, gaps[own], reverse, states[gaps[own] - lowest, :, start:])
            own += 1
            cells[own], hidden[own] = cells[own - 1], hidden[own - 1]
        np.dot(hidden[first : own + 1], recurrent, gates[first : own + 1])
        for b in range(first, own + 1):
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
            if b == own:
                for j in range(units):
                    whole[step, j] = hidden[b, j]
            else:
                for j in range(units):
                    states[gaps[b] - lowest, min(place, last), start + j] = hidden[b, j]
        while first < own and (t < gaps[first] if reverse else t > gaps[first]):
            apart = np.float32(0)
            for j in range(units):
                apart = max(apart, abs(cells[first, j] - cells[own, j]))
                apart = max(apart, abs(hidden[first, j] - hidden[own, j]))
            if not apart <= FORGOTTEN:
                break
            ends[first] = step + 1
            first += 1
    for b in range(first):
        _copy(whole, ends[b], length, gaps[b], reverse, states[gaps[b] - lowest, :, start:])


@jit
def _copy(  # noqa: PLR0917 (compiled: no keywords)
    whole: Any, begin: int, end: int, gap: int, reverse: bool, states: Any
) -> None:
    """Copy states of the whole sequence into a shortened one's.

    Args:
        whole: (length, units), in the order of reading.
        begin, end: which of them.
        gap: the step that is left out.
        reverse: whether the last step is read first.
        states: output, (length - 1, units or more), or (1, …), where the last one stays.
    """
    length, units = whole.shape
    for step in range(begin, end):
        t = length - 1 - step if reverse else step
        place = min(t if t < gap else t - 1, len(states) - 1)
        for j in range(units):
            states[place, j] = whole[step, j]
