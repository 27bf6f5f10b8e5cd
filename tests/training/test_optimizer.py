import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.training.optimizer import EVERY, Adam, Average


def embedding_after(optimizer, batches, *, rows=6, dense=False):
    """An embedding's weights after a step on each batch of ids.

    `dense`: with gradients that have a row for each row of the embedding.
    """
    keras.utils.set_random_seed(1)
    layer = keras.layers.Embedding(rows, 3)
    layer.build(None)
    optimizer.build(layer.trainable_variables)
    history = [np.asarray(layer.embeddings)]
    for number, ids in enumerate(batches):
        slopes = np.random.default_rng(number).normal(size=(len(ids), 3)).astype(np.float32)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(tf.constant(ids)) * slopes)
        gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
        assert isinstance(gradients[0], tf.IndexedSlices)
        if dense:
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, layer.trainable_variables)
        history.append(np.asarray(layer.embeddings))
    return history


@pytest.mark.parametrize("dense", [False, True])
def test_with_every_row_in_every_batch_it_is_keras_adam(dense):
    """Also for rows that stand in a batch several times, whose slopes Keras squares one by one."""
    batches = [[0, 1, 2, 3, 4, 5, 2, 2], [5, 4, 3, 2, 1, 0], [0, 0, 1, 2, 3, 4, 5]]
    ours = embedding_after(Adam(0.01), batches, dense=dense)
    stock = embedding_after(keras.optimizers.Adam(0.01), batches, dense=True)
    assert np.abs(ours[-1] - ours[0]).min() > 1e-3
    np.testing.assert_allclose(ours, stock, atol=1e-6)


def test_rows_that_a_batch_does_not_read_stay():
    """Keras's own would move row 0 on, by the gradient of the step before."""
    first, second = embedding_after(Adam(0.01), [[0, 1], [1, 2]])[1:]
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[1] != second[1]).all()
    dense = embedding_after(keras.optimizers.Adam(0.01), [[0, 1], [1, 2]])
    assert (dense[1][0] != dense[2][0]).all()


def test_before_the_tenth_step_the_average_is_the_present_value():
    """An epoch may have fewer steps: what it is judged by isn't the random start."""
    variable = keras.Variable(np.float32(100.0))
    average = Average([variable], 0.9)
    for iterations in range(1, EVERY):
        variable.assign(iterations)
        average.add(tf.constant(iterations))
        assert float(average.values[0]) == iterations


@pytest.mark.parametrize("decay", [0.9, 0.999])
def test_the_average_is_the_mean_and_then_forgets(decay):
    """Against the definition, written out; steps between two additions count for nothing."""
    variable = keras.Variable(np.float32(100.0))
    average = Average([variable], decay)
    values, expected = np.random.default_rng(2).normal(size=12).astype(np.float32), 0.0
    for count, value in enumerate(values, 1):
        variable.assign(value)
        for iterations in range((count - 1) * EVERY + 1, count * EVERY + 1):
            average.add(tf.constant(iterations))
            if iterations % EVERY:
                variable.assign(1e6)
                variable.assign(value)
        kept = min(decay**EVERY, (count - 1) / count)
        expected = kept * expected + (1 - kept) * value
    assert float(average.values[0]) == pytest.approx(expected, abs=1e-5)
    if decay == 0.999:  # nothing is forgotten yet
        assert expected == pytest.approx(values.mean(), abs=1e-5)
