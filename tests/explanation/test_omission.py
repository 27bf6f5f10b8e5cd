"""Steps left out with shared states, against sequences that are cut."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.explanation import candidates, erasure, gradients
from pipeline.explanation.omission import omitting
from pipeline.models.lstm import BiLSTM
from pipeline.models.network import build_network
from pipeline.training import inference
from tests.support import strategies
from tests.support.toy_networks import built, rows_of, series_of

LENGTHS = (9, 1, 2, 3, 14)


def texts(vocabulary):
    """Rows of random tokens."""
    rng = np.random.default_rng(0)
    return rows_of(*(rng.integers(2, vocabulary, length) for length in LENGTHS))


def agrees(predictor, rows):
    """Whether shared states give the scores of cut sequences, in any number of batches."""
    predict = partial(inference.predict, predictor)
    # Values of a regression may be large, and float32 rounds them by as much.
    largest = max(1.0, float(np.abs(predict(rows)).max()))
    expected = candidates.leave_one_out(rows, predict)
    assert np.abs(expected).max() > 1e-3
    for at_once in (128, 4):
        found = candidates.leave_one_out(rows, predict, omitting(predictor, rows=at_once))
        assert found == pytest.approx(expected, abs=2e-6 * largest)


@pytest.mark.parametrize("pooling", strategies.POOLINGS)
@pytest.mark.parametrize("kind", ["text", "series"])
def test_shared_states_give_what_cut_sequences_give(kind, pooling):
    """Rows of one step and of two, and longer than a batch."""
    rows = texts(20) if kind == "text" else series_of(LENGTHS, features=3)
    agrees(built(pooling, kind).predictor, rows)


@pytest.mark.parametrize(
    ("changes", "bigrams", "task"),
    [
        ({"pooling": "last", "layers": 2, "merge": "sum"}, 0, "multiclass"),
        ({"pooling": "mean", "merge": "sum", "normalization": "layer"}, 0, "regression"),
        ({"pooling": "additive", "normalization": "batch", "spatial_dropout": 0.5}, 0, "binary"),
        ({"pooling": "additive", "attention": "sparsemax", "layers": 2}, 6, "multiclass"),
        ({"pooling": "last"}, 6, "binary"),
    ],
)
def test_every_shape_of_network_is_read(changes, bigrams, task):
    """Several layers, sums, normalization; and with bigrams a closed gap makes a new pair."""
    keras.utils.set_random_seed(0)
    predictor = build_network(
        strategies.recipe(**changes), kind="text", task=task, classes=3, vocabulary_size=5,
        bigrams=bigrams,
    ).predictor  # fmt: skip
    predictor.set_weights([3 * weight for weight in predictor.get_weights()])
    if bigrams:
        layer = predictor.get_layer("bigrams")
        layer.pairs = np.array([[2, 2], [2, 3], [3, 2], [4, 2], [4, 3], [3, 4]])
        random = np.random.default_rng(0)
        predictor.get_layer("bigram_embedding").set_weights([random.normal(size=(7, 6))])
    agrees(predictor, texts(5))


@pytest.mark.parametrize("pooling", ["last", "additive", "max"])
def test_a_forgotten_gap_changes_no_state(pooling):
    """Rows that are longer than the network remembers."""
    network = built(pooling)
    encoder = network.predictor.get_layer("bilstm")
    for layer in (encoder.forward_layer, encoder.backward_layer):
        kernel, recurrent, bias = layer.get_weights()
        bias[layer.units : 2 * layer.units] = -2  # of the forget gate
        layer.set_weights([kernel, recurrent, bias])
    agrees(network.predictor, rows_of(*np.random.default_rng(1).integers(2, 20, (3, 70))))


def test_a_network_that_is_not_compiled_is_asked_with_cut_sequences(monkeypatch):
    """As with a GPU."""
    monkeypatch.setattr(BiLSTM, "compilable", lambda _: False)
    assert omitting.__wrapped__(built("mean").predictor) is None


def test_a_network_of_trigrams_is_asked_with_cut_sequences():
    """A gap changes two of the steps before it."""
    options = {"kind": "text", "task": "binary", "classes": 2, "vocabulary_size": 5}
    with_bigrams = build_network(strategies.recipe(), **options, bigrams=3).predictor
    assert omitting.__wrapped__(with_bigrams)
    with_trigrams = build_network(strategies.recipe(), **options, bigrams=3, trigrams=3).predictor
    assert omitting.__wrapped__(with_trigrams) is None


def test_threads_change_no_byte(monkeypatch):
    """Every part that runs side by side gives what it gives one after the other."""
    network = built("additive")
    predictor, rows = network.predictor, texts(20)
    orders = np.stack([erasure.ranks(rows, np.random.default_rng(0).random(29), np.zeros(29))])
    several = np.flatnonzero(rows.lengths > 1)
    kept, order = rows.take(several), np.delete(orders, rows.starts[1], axis=1)
    predict = partial(inference.predict, predictor)
    monkeypatch.setattr(erasure, "ROWS_AT_ONCE", 1)

    def results(threads):
        monkeypatch.setattr(
            tf.config.threading, "get_inter_op_parallelism_threads", lambda: threads
        )
        found = gradients.attribute(rows, gradients.reader(predictor), points=4, batch_size=1)
        return [
            *found,
            candidates.leave_one_out(rows, predict, omitting(predictor)),
            *erasure.changes_of(kept, order, predict(kept), predict),
        ]

    for one, three in zip(results(0), results(3), strict=True):
        assert np.array_equal(one, three)
