"""The arms: the same function, written with different libraries.

Embedding → Bi-LSTM → additive attention → dropout → sigmoid. An arm's class takes (sizes, rows,
batch size, threads) and has the methods

- `train(order)`: one optimisation step on each batch of rows;
- `predict(rows)`: <float32>[n], the probability of class 1;
- `weights()` and `load(weights)`: a list of arrays in the order of `WEIGHTS`, laid out as Keras's.
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
    """Where an arm's class is, and which library it needs."""

    module: str
    name: str
    library: str

    @property
    def installed(self) -> bool:
        """Whether this Python has the library; `make bench` sees to it."""
        return find_spec(self.library) is not None


ARMS = {
    "spotlight": Place("arms.spotlight", "Spotlight", "tensorflow"),
    "keras": Place("arms.stock", "Stock", "keras"),
    "pytorch": Place("arms.pytorch", "PyTorch", "torch"),
    "packed": Place("arms.pytorch", "Packed", "torch"),
    "onnx": Place("arms.onnx", "Onnx", "onnxruntime"),
}
