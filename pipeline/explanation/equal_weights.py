"""A network whose attention is replaced by equal weights."""

import keras


def with_equal_weights(predictor: keras.Model) -> keras.Model:
    """The same trained network, but each real step of a row has the same weight.

    Args:
        predictor: a `Network.predictor` with attention.
    """
    # (batch, time_steps, features), for text followed by their mask, which the states carry too
    states, *_ = keras.tree.flatten(predictor.get_layer("attention").input)
    context = keras.layers.GlobalAveragePooling1D(name="equal_weights")(states)  # (batch, features)
    return keras.Model(predictor.input, predictor.get_layer("output")(context))
