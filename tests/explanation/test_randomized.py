"""Fresh weights, level by level."""

import numpy as np
import pytest

from pipeline.explanation.candidates import weights_of
from pipeline.explanation.randomized import alike, correlations, level_of, randomize
from tests.support.toy_networks import GOOD, built, rows_of


def test_each_level_randomizes_what_is_above_it_and_then_all_is_as_before():
    """The output first, then the encoder with the attention, then the embedding."""
    network = built("additive").predictor
    before = network.get_weights()
    layers = [layer for layer in network.layers if layer.trainable_weights]
    own = {layer.name: layer.get_weights() for layer in layers}
    changed = []
    for level in randomize(network, seed=0):
        new = {
            layer.name
            for layer in layers
            if not all(map(np.array_equal, own[layer.name], layer.get_weights()))
        }
        assert new >= {layer.name for layer in layers if level_of(layer) == level}
        changed.append(len(new))
    assert changed == sorted(set(changed))
    assert changed[-1] == len(layers)
    assert all(map(np.array_equal, before, network.get_weights()))


def test_the_weights_come_back_after_an_error():
    """Whatever fails in between."""
    network = built("dot").predictor
    before = network.get_weights()

    def explain():
        if not all(map(np.array_equal, before, network.get_weights())):
            raise ZeroDivisionError
        return {}

    with pytest.raises(ZeroDivisionError):
        correlations(network, rows_of([1, GOOD, 2, 3], [4], [GOOD, GOOD]), {}, explain, seed=0)
    assert all(map(np.array_equal, before, network.get_weights()))


def test_attention_does_not_depend_on_the_output_layer_and_position_on_nothing():
    """So their order stays: that of the attention at first, that of the position to the end."""
    network = built("additive")
    rows = rows_of(*np.random.default_rng(0).integers(1, 20, (8, 12)))
    place = np.tile(np.arange(12.0), 8)
    explain = lambda: {"attention": weights_of(network, rows), "position": place}  # noqa: E731
    found = correlations(network.predictor, rows, explain(), explain, seed=0)
    assert found["attention"]["output"] == pytest.approx(1)
    assert abs(found["attention"]["embedding"].mean()) < 0.5
    assert found["position"]["embedding"] == pytest.approx(1)


def test_rank_correlation_of_sizes_by_hand():
    """Signs don't count; rows of one step don't either; equal scores have no order."""
    rows = rows_of([1, 2, 3], [1], [1, 2], [1, 2])
    one = np.float64([1, -2, 3, 0, 5, 6, 1, 1])
    two = np.float64([-10, 20, 30, 0, 2, 1, 1, 2])
    assert alike(rows, one, two) == pytest.approx([1, -1, 0])
