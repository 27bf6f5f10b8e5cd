"""What a network with attention makes of its states under any weights, without running it again.

The output layer is linear in the context, and the context in the weights. So a state matters only
by its product with the output layer, and other weights cost one sum.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from pipeline.core.sequences import Sequences
from pipeline.encoding import batching


class Readout(NamedTuple):
    """The states of some rows as the output layer reads them.

    Attributes:
        starts: <int64>[n + 1], where each row's steps start.
        weights: <float64>[total], the network's own.
        values: <float64>[total, logits], each state times the output layer's kernel.
        offsets: <float64>[n, logits], what doesn't depend on the weights.
        activation: of the output layer: sigmoid, softmax or linear.
        conicity: <float64>[n], how alike each row's states are.
    """

    starts: NDArray[np.int64]
    weights: NDArray[np.float64]
    values: NDArray[np.float64]
    offsets: NDArray[np.float64]
    activation: str
    conicity: NDArray[np.float64]

    def outputs(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """<float64>[n, classes] probabilities under other weights, [total]; numbers: [n]."""
        sums = np.add.reduceat(weights[:, None] * self.values, self.starts[:-1], axis=0)
        return self.activate(sums + self.offsets)

    def activate(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """[…, logits] -> […, classes] probabilities, or for a number […]."""
        if self.activation == "linear":
            return logits[..., 0]
        if self.activation == "sigmoid":
            one = expit(logits[..., 0])
            return np.stack([1 - one, one], axis=-1)
        return np.asarray(softmax(logits, axis=-1))

    def even(self) -> NDArray[np.float64]:
        """<float64>[total]: equal weights."""
        lengths = np.diff(self.starts)
        return np.repeat(1 / lengths, lengths)

    def split(self) -> list[NDArray[np.float32]]:
        """Each row's own weights, <float32>[length]."""
        return np.split(self.weights.astype(np.float32), self.starts[1:-1])

    def row(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One row's weights, <float64>[length], and values, <float64>[length, logits]."""
        steps = slice(self.starts[number], self.starts[number + 1])
        return self.weights[steps], self.values[steps]


def read(predictor: keras.Model, sequences: Sequences, batch_size: int = 64) -> Readout:
    """Run a `Network.predictor` with attention on the rows, up to its states."""
    attention, head = predictor.get_layer("attention"), predictor.get_layer("output")
    states, *_ = keras.tree.flatten(attention.input)  # for text followed by their mask
    wanted = {"states": states, "weights": attention.output[1]}
    if any(layer.name == "both" for layer in predictor.layers):
        wanted["largest"] = predictor.get_layer("max").output
    model = keras.Model(predictor.input, wanted)
    kernel, bias = (weight.astype(np.float64) for weight in head.get_weights())
    features = states.shape[-1]
    weights = np.empty(len(sequences.values))
    values = np.empty((len(weights), len(bias)))
    offsets = np.tile(bias, (len(sequences), 1))
    alike = np.empty(len(sequences))
    for indices in batching.batches(sequences.lengths, batch_size, None):
        found: Any = model(batching.pad(sequences, indices), training=False)
        states = found["states"].numpy().astype(np.float64)
        products = states @ kernel[:features]
        if "largest" in found:
            offsets[indices] += found["largest"].numpy().astype(np.float64) @ kernel[features:]
        for place, row in enumerate(indices.tolist()):
            steps = slice(sequences.starts[row], sequences.starts[row + 1])
            length = sequences.lengths[row]
            weights[steps] = found["weights"][place, :length]
            values[steps] = products[place, :length]
            alike[row] = conicity(states[place, :length])
    return Readout(sequences.starts, weights, values, offsets, head.activation.__name__, alike)


def conicity(states: NDArray[np.float64]) -> float:
    """The mean cosine of a row's states, [length, features], with their sum: 1 if they are alike.

    Mohankumar et al. 2020, "Towards Transparent and Explainable Attention Models".
    """
    total = states.sum(axis=0)
    sizes = np.linalg.norm(states, axis=1) * np.linalg.norm(total)
    return float(np.mean(states @ total / np.where(sizes > 0, sizes, 1.0)))
