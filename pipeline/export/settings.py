"""What both formats share: the names of the outputs, and how a written model is run."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline.models.network import Network

# A padded batch → each output by its name.
Run = Callable[[NDArray[Any]], dict[str, NDArray[np.float32]]]


def output_name(network: Network) -> str:
    """`value` for a regression, else `probabilities`."""
    head = network.predictor.get_layer("output")
    return "value" if head.activation is keras.activations.linear else "probabilities"
