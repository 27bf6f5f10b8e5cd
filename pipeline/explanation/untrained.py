"""What an attention layer that learned nothing weighs in a trained network."""

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.models.network import Network
from pipeline.training import inference


def untrained_weights(
    predictor: keras.Model, sequences: Sequences, *, draws: int, seed: int
) -> NDArray[np.float64] | None:
    """<float64>[draws, total]: what fresh attention layers weigh in the same trained network.

    None if nothing in the layer is trained.

    Args:
        predictor: a `Network.predictor` with attention.
        sequences: the rows.
        draws: how many fresh layers.
        seed: of their variables; it also sets the global seeds, as Keras's initializers do.
    """
    trained = predictor.get_layer("attention")
    if not trained.variables:
        return None
    keras.utils.set_random_seed(seed)
    states, *_ = keras.tree.flatten(trained.input)
    layer = type(trained).from_config(trained.get_config())
    context, weights = layer(states)
    output = _output(predictor, context)
    network = Network(
        predictor, keras.Model(predictor.input, {"output": output, "weights": weights})
    )
    result = []
    for _ in range(draws):  # the network stays, so it is compiled only once
        fresh = type(trained).from_config(trained.get_config())
        fresh.build(states.shape)
        layer.set_weights(fresh.get_weights())
        result.append(np.concatenate(inference.predict_with_weights(network, sequences)[1]))
    return np.stack(result).astype(np.float64)


def _output(predictor: keras.Model, context: keras.KerasTensor) -> keras.KerasTensor:
    """What the rest of a network makes of another context; dropout is not needed here."""
    layers = {layer.name: layer for layer in predictor.layers}
    if "both" in layers:
        context = layers["both"]([context, layers["max"].output])
    return layers["output"](context)
