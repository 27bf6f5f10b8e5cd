"""Other weights in a network, against the network itself."""

import keras
import numpy as np
import pytest

from pipeline.explanation import readout
from pipeline.models.network import build_network
from pipeline.training import inference
from tests.support import strategies
from tests.support.toy_networks import rows_of, series_of

TEXTS = rows_of([5, 3, 8, 2, 9], [4, 6], [7])


def built(pooling, kind="text", task="binary"):
    """A network with large weights."""
    keras.utils.set_random_seed(0)
    network = build_network(
        strategies.recipe(pooling=pooling), kind=kind, task=task, classes=3, vocabulary_size=10,
        features=3,
    )  # fmt: skip
    network.predictor.set_weights([4 * weight for weight in network.predictor.get_weights()])
    return network


@pytest.mark.parametrize("kind", ["text", "series"])
@pytest.mark.parametrize("pooling", ["additive", "additive_max", "dot", "dot_last", "dot_max"])
def test_equal_weights_are_what_attention_without_scores_gives(pooling, kind):
    """Padding included; the network's own weights give its own outputs."""
    network, rows = (
        built(pooling, kind),
        TEXTS if kind == "text" else series_of([4] * 3, features=3),
    )
    outputs, weights = inference.predict_with_weights(network, rows)
    read = readout.read(network.predictor, rows)
    assert read.outputs(read.weights) == pytest.approx(outputs, abs=1e-6)
    for own, expected in zip(read.split(), weights, strict=True):
        assert own == pytest.approx(expected, abs=1e-7)
    equal = read.outputs(read.even())
    assert np.abs(equal - outputs).max() > 1e-4
    attention = network.predictor.get_layer("attention")
    if attention.get_weights():
        attention.set_weights([0 * weight for weight in attention.get_weights()])
        assert equal == pytest.approx(inference.predict(network.predictor, rows), abs=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_outputs_are_those_of_the_task(task):
    """Probabilities of three classes, or a number."""
    network = built("additive", task=task)
    read = readout.read(network.predictor, TEXTS, batch_size=2)
    expected = inference.predict(network.predictor, TEXTS)
    assert read.outputs(read.weights) == pytest.approx(expected, abs=1e-5)


def test_conicity_by_hand():
    """1 for states of one direction, √½ for two at a right angle; a zero state has no direction."""
    assert readout.conicity(np.array([[1.0, 2], [2, 4]])) == pytest.approx(1)
    assert readout.conicity(np.array([[3.0, 0], [0, 3]])) == pytest.approx(np.sqrt(0.5))
    assert readout.conicity(np.array([[3.0, 0], [0, 3], [0, 0]])) == pytest.approx(np.sqrt(2) / 3)
    assert readout.conicity(np.zeros((2, 3))) == 0


def test_conicity_is_each_rows_own():
    """In any batch: padding is not among the states, and a row of one step has 1."""
    network = built("additive")
    together = readout.read(network.predictor, TEXTS).conicity
    alone = readout.read(network.predictor, TEXTS, batch_size=1).conicity
    assert together == pytest.approx(alone)
    assert together[2] == pytest.approx(1)
    assert together[0] < 0.99
