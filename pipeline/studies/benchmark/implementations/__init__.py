"""The implementations: the same network, written with different libraries.

Embedding → Bi-LSTM → additive attention → dropout → sigmoid. An implementation's class takes
(sizes, rows, batch size, threads) and has the methods

- `train(order)`: one optimization step on each batch of rows;
- `predict(rows)`: <float32>[n], the probability of class 1;
- `weights()` and `load(weights)`: a list of arrays in the order of `WEIGHTS`, in Keras's layout.
"""

from importlib.util import find_spec
from typing import Any, NamedTuple

from numpy.typing import NDArray

Weights = list[NDArray[Any]]

# Inputs E, units u, states d = 2u, gates in Keras's order i, f, c, o.
WEIGHTS = (
    "embedding",  # (vocabulary, E)
    "forward kernel",  # (E, 4u)
    "forward recurrent kernel",  # (u, 4u)
    "forward bias",  # (4u,)
    "backward kernel",
    "backward recurrent kernel",
    "backward bias",
    "attention kernel",  # (d, d)
    "attention bias",  # (d,)
    "attention vector",  # (d,)
    "output kernel",  # (d, 1)
    "output bias",  # (1,)
)


class Place(NamedTuple):
    """Where an implementation's class is, and which library it needs."""

    module: str
    name: str
    library: str

    @property
    def installed(self) -> bool:
        """Whether this Python has the library; `make bench` installs it."""
        return find_spec(self.library) is not None


IMPLEMENTATIONS = {
    "spotlight": Place("implementations.spotlight", "Spotlight", "tensorflow"),
    "keras": Place("implementations.stock", "Stock", "keras"),
    "keras_by_length": Place("implementations.stock", "ByLength", "keras"),
    "pytorch": Place("implementations.pytorch", "PyTorch", "torch"),
    "pytorch_sparse": Place("implementations.pytorch", "Sparse", "torch"),
    "pytorch_ids": Place("implementations.pytorch", "SparseIds", "torch"),
    "packed": Place("implementations.pytorch", "Packed", "torch"),
    "onnx": Place("implementations.onnx", "Onnx", "onnxruntime"),
}
