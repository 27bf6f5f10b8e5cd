import numpy as np
import pytest
import tensorflow as tf

from pipeline.training.step import clipped


def test_a_repeated_row_counts_as_the_sum_of_its_gradients():
    """400 gradients of length 1 for one row are one of length 400, and are clipped as such."""
    ones = tf.ones([400, 1])
    gradient = tf.IndexedSlices(ones, tf.zeros(400, tf.int32), tf.constant([5, 1]))
    found = tf.convert_to_tensor(clipped(gradient, 1.0)).numpy()
    np.testing.assert_allclose(found[:, 0], [1, 0, 0, 0, 0], rtol=1e-6)


def test_rows_are_clipped_together():
    """By the norm of all of them, so their directions stay."""
    gradient = tf.IndexedSlices(
        tf.constant([[3.0], [2.0], [2.0]]), tf.constant([1, 4, 4]), tf.constant([5, 1])
    )
    found = tf.convert_to_tensor(clipped(gradient, 2.5)).numpy()
    np.testing.assert_allclose(found[:, 0], [0, 1.5, 0, 0, 2.0], rtol=1e-6)


@pytest.mark.parametrize("norm", [10.0, 5.0])
def test_a_short_gradient_stays_as_it_is(norm):
    """Dense or not."""
    dense = tf.constant([[3.0], [4.0]])
    np.testing.assert_allclose(clipped(dense, norm), dense)
    rows = tf.IndexedSlices(dense, tf.constant([0, 2]), tf.constant([3, 1]))
    found = tf.convert_to_tensor(clipped(rows, norm)).numpy()
    np.testing.assert_allclose(found[:, 0], [3, 0, 4])
