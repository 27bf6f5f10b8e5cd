from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import ParamsError
from pipeline.models.dropout import Dropout, SpatialDropout1D
from pipeline.models.network import build_network
from pipeline.training.loop import train_model
from pipeline.training.team import own_rows
from tests.support import strategies
from tests.support.training import rows


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_each_row_of_a_batch_counts_once(size, count):
    """Workers' mean losses, weighted by their shares, are the batch's; the rest counts 0 times."""
    losses = np.random.default_rng(0).random(size)
    mean, taken = 0.0, []
    for index in range(count):
        own, share = own_rows(tf.constant(size), index, count)
        assert len(own)
        mean += float(share) * losses[own.numpy()].mean()
        taken += own.numpy().tolist() if share else []
    assert mean == pytest.approx(losses.mean(), rel=1e-6)
    assert sorted(taken) == list(range(size))


@pytest.mark.parametrize("layer", [Dropout, SpatialDropout1D])
@pytest.mark.parametrize("size", [6, 7])
def test_workers_drop_what_one_alone_would(layer, size, monkeypatch):
    """Each of three has the rows of the whole batch's result that are its own; also in a graph."""
    inputs = np.random.default_rng(0).random((size, 5, 4), np.float32)
    whole = layer(0.5, seed=3)(inputs, training=True).numpy()
    assert 0 < np.count_nonzero(whole) < whole.size
    monkeypatch.setattr(
        tf.distribute, "get_strategy", lambda: SimpleNamespace(num_replicas_in_sync=3)
    )
    for index in range(3):
        context = SimpleNamespace(replica_id_in_sync_group=tf.constant(index))
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda given=context: given)
        drop = tf.function(layer(0.5, seed=3), autograph=False)
        found = drop(tf.constant(inputs[index::3]), training=True)
        np.testing.assert_array_equal(found, whole[index::3])
        np.testing.assert_array_equal(drop(inputs, training=False), inputs)


def test_what_asks_for_more_workers_is_not_trained_alone():
    """A study that trains in its own process says so, rather than record what did not happen."""
    recipe = strategies.recipe(workers=2)
    keras.utils.set_random_seed(1)
    model = build_network(recipe, kind="text", task="binary", classes=2, vocabulary_size=20)
    with pytest.raises(ParamsError, match=r"`workers` is 2, but this training has 1"):
        train_model(model.predictor, rows(8), rows(8), recipe, task="binary", seed=1)
