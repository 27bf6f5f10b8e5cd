"""Chrono initialization: biases with which an LSTM remembers for long before it has learned."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="spotlight")
class Chrono(keras.initializers.Initializer):
    """An LSTM's biases for dependencies of up to `longest` steps (Tallec & Ollivier 2018).

    A forget gate with bias log t keeps t / (t + 1) of its cell at each step, so a memory lasts
    about t steps; with Keras's bias of 1, three or four.

    1. Draw t for each unit, uniformly from 1 to longest - 1.
    2. The forget gate's bias is log t, the input gate's -log t; the others are 0.

    Args:
        longest: steps, at least 3.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return biases in Keras's order, input, forget, cell, output: (4 · units,)."""
        units = shape[0] // 4
        forget = keras.ops.log(keras.random.uniform((units,), 1, self.longest - 1, dtype=dtype))
        return keras.ops.concatenate([-forget, forget, keras.ops.zeros(2 * units, dtype)])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"longest": self.longest}
