"""How strongly the loss depends on each hidden state: what a step can learn, by its distance.

A last state gets its gradient through every step between it and the evidence, and each may shrink
it (Bengio, Simard & Frasconi 1994). A pooling that reads every state gives each its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.encoding.batching import pad
from pipeline.models.network import split_at_encoder
from pipeline.models.words import spread

STEPS = 10  # of the distance, to a point of the curve


class Flow(keras.callbacks.Callback):  # type: ignore[misc]  # Keras publishes no types
    """Measures the gradients before training, and after some of the epochs.

    Attributes:
        curves: epoch → `by_distance`'s curve.
    """

    def __init__(self, rows: Sequences, evidence: NDArray[np.int64], epochs: Sequence[int]) -> None:
        super().__init__()
        self.curves: dict[str, dict[str, list[float]]] = {}
        self._rows, self._evidence, self._epochs = rows, evidence, set(epochs)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Measure the untrained network."""
        if epoch == 0:
            self._measure(0)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Measure after the epoch."""
        self._measure(epoch + 1)

    def _measure(self, done: int) -> None:
        if done in self._epochs:
            norms = state_gradients(self.model, self._rows)
            self.curves[str(done)] = by_distance(norms, self._evidence)


def state_gradients(model: keras.Model, rows: Sequences) -> NDArray[np.float64]:
    """Norms of the log loss's gradient by each hidden state.

    The recurrence is unrolled here: the compiled one has no tensor for each state. The gradient by
    a state is the whole one, through all later states.

    Args:
        model: a binary text classifier with one Bi-LSTM, whose directions are concatenated.
        rows: the rows whose loss it is.

    Returns:
        (2, rows, time_steps), the forward and the backward direction, in the order of the tokens;
        NaN at padding.
    """
    below, encoder, above = split_at_encoder(model)
    words, masks = below(tf.constant(pad(rows, np.arange(len(rows)))))
    steps, (mask,) = spread(*words), masks
    with tf.GradientTape() as tape:
        directions = [
            _unrolled(layer, steps, mask)
            for layer in (encoder.forward_layer, encoder.backward_layer)
        ]
        if encoder.forward_layer.return_sequences:
            merged = tf.concat([tf.stack(states, axis=1) for states in directions], axis=-1)
        else:
            merged = tf.concat([directions[0][-1], directions[1][0]], axis=-1)
        targets = tf.cast(rows.targets[:, None], tf.float32)
        loss = tf.reduce_sum(keras.losses.binary_crossentropy(targets, above([merged, masks])))
    found = tape.gradient(loss, directions, unconnected_gradients="zero")
    norms = np.linalg.norm(np.array(found, np.float64), axis=-1)  # (2, time_steps, rows)
    return np.where(mask.numpy(), norms.transpose(0, 2, 1), np.nan)


def _unrolled(layer: Any, steps: tf.Tensor, mask: tf.Tensor) -> list[tf.Tensor]:
    """One direction's states, in the order of the tokens; a masked step keeps the state."""
    cell = layer.cell
    state = carry = tf.zeros((len(steps), layer.units))
    order = range(steps.shape[1])
    states = []
    for step in reversed(order) if layer.go_backwards else order:
        products = steps[:, step] @ cell.kernel + state @ cell.recurrent_kernel + cell.bias
        i, f, g, o = tf.split(products, 4, axis=1)
        kept = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(g)
        real = mask[:, step, None]
        state = tf.where(real, tf.sigmoid(o) * tf.tanh(kept), state)
        carry = tf.where(real, kept, carry)
        states.append(state)
    return states[::-1] if layer.go_backwards else states


def by_distance(norms: NDArray[np.float64], evidence: NDArray[np.int64]) -> dict[str, list[float]]:
    """The median norm against the distance from the evidence, in the order of reading.

    Args:
        norms: from `state_gradients`.
        evidence: (rows, 2), the evidence's first and last token.

    Returns:
        `distance`, the middles of bins of steps: negative before the evidence is read, 0 at its
        end; `norm`, over rows and directions. Only distances that every row has.
    """
    time_steps = np.arange(norms.shape[2])
    distance = np.stack([time_steps - evidence[:, 1:], evidence[:, :1] - time_steps])
    real = ~np.isnan(norms)
    low = np.where(real, distance, 0).min(axis=2).max()
    high = np.where(real, distance, 0).max(axis=2).min()
    first, last = -(-low // STEPS), high // STEPS
    edges = STEPS * np.arange(first, last + 1)
    found = [
        np.median(norms[real & (distance >= edge) & (distance < edge + STEPS)])
        for edge in edges[:-1]
    ]
    return {
        "distance": (edges[:-1] + STEPS / 2).tolist(),
        "norm": [float(f"{norm:.4g}") for norm in found],
    }


def evidence_ends(
    rows: Sequences, passages: Sequence[Sequence[tuple[int, int]]]
) -> NDArray[np.int64]:
    """(rows, 2), the first and the last token of each row's evidence.

    Args:
        rows: with the spans of their tokens.
        passages: of each row, the spans of its evidence in characters, in order.
    """
    assert rows.spans is not None, "text sequences carry the spans of their tokens"
    ends = []
    for spans, of_row in zip(np.split(rows.spans, rows.starts[1:-1]), passages, strict=True):
        inside = np.flatnonzero((spans[:, 1] > of_row[0][0]) & (spans[:, 0] < of_row[-1][1]))
        ends.append([inside[0], inside[-1]])
    return np.array(ends, np.int64)
