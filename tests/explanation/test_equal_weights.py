"""Attention replaced by equal weights, against attention that happens to be equal."""

import keras
import numpy as np
import pytest

from pipeline.core.params import Recipe
from pipeline.explanation.equal_weights import with_equal_weights
from pipeline.models.network import build_network

PADDED = np.int32([[5, 3, 8, 2, 9], [4, 6, 0, 0, 0]])


@pytest.mark.parametrize("kind", ["text", "series"])
@pytest.mark.parametrize("pooling", ["additive", "additive_max", "dot", "dot_last", "dot_max"])
def test_equal_weights_are_what_attention_without_scores_gives(pooling, kind):
    """Padding included; with scores the outputs differ, and the network stays as it was."""
    keras.utils.set_random_seed(0)
    recipe = Recipe(
        pooling=pooling, embedding=6, units=4, dropout=0.5, batch_size=1, learning_rate=1,
        epochs=1, min_epochs=1, patience=1,
    )  # fmt: skip
    network = build_network(
        recipe, kind=kind, task="binary", classes=2, vocabulary_size=10, features=3
    )
    inputs = PADDED if kind == "text" else np.random.default_rng(0).normal(size=(2, 5, 3))
    attention = network.predictor.get_layer("attention")
    network.predictor.set_weights([4 * weight for weight in network.predictor.get_weights()])
    before = network.predictor.predict(inputs, verbose=0)
    equal = with_equal_weights(network.predictor)
    output = equal.predict(inputs, verbose=0)
    assert np.abs(output - before).max() > 1e-4
    assert np.array_equal(network.predictor.predict(inputs, verbose=0), before)
    if attention.get_weights():
        attention.set_weights([0 * weight for weight in attention.get_weights()])
        same = network.predictor.predict(inputs, verbose=0)
        assert output == pytest.approx(same, abs=1e-6)
