"""Gradients by the steps' vectors, against differences, and where the truth is known."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.explanation import gradients
from pipeline.models.words import spread
from tests.support.toy_networks import network, rows_of

CASES = [
    ("text", "binary", "additive"),
    ("text", "multiclass", "last"),
    ("series", "regression", "dot"),
    ("series", "binary", "mean"),
]


def explained(outputs, task):
    """The log-odds of the predicted class, or the value, from the network's own outputs."""
    outputs = np.float64(outputs)
    if task == "regression":
        return outputs[0]
    top = max(outputs[0], 1 - outputs[0]) if task == "binary" else outputs.max()
    return np.log(top / (1 - top))


@pytest.mark.parametrize(("kind", "task", "pooling"), CASES)
def test_gradients_are_the_slopes_of_the_networks_own_output(kind, task, pooling):
    """Each row alone, moved a little along its own vectors, without padding or batch."""
    predictor, rows = network(kind, task, pooling)
    apart = gradients.reader(predictor)
    found = gradients.attribute(rows, apart, points=4)
    for row, (start, end) in enumerate(zip(rows.starts[:-1], rows.starts[1:], strict=True)):
        batch = rows.values[None, start:end]
        value = explained(predictor(batch).numpy()[0], task)
        vectors, mask = apart.embed(tf.constant(batch))
        chosen = gradients.predicted_class(apart.read(vectors, mask), regression=apart.regression)

        def at(moved, mask=mask, chosen=chosen):
            return float(gradients.explained_value(apart.read(tf.constant(moved), mask), chosen)[0])

        vectors = vectors.numpy()
        assert at(vectors) == pytest.approx(value, abs=1e-4)
        for step in range(end - start):
            small = np.zeros_like(vectors)
            small[0, step] = 0.01 * vectors[0, step]
            slope = (at(vectors + small) - at(vectors - small)) / 0.02
            assert found.gradient_input[start + step] == pytest.approx(slope, abs=2e-3), row


@pytest.mark.parametrize(("kind", "task", "pooling"), CASES)
def test_integrated_gradients_add_up_to_the_change_from_zero(kind, task, pooling):
    """The more exactly, the more points there are."""
    predictor, rows = network(kind, task, pooling)
    few, many = (
        gradients.attribute(rows, gradients.reader(predictor), points=points).error
        for points in (1, 200)
    )
    assert many < few / 10
    assert many < 0.01


VECTORS = np.float32([[0, 0], [1, 0], [0, 2], [-1, 1]])
HEAD = np.float32([2, -1])


def bag():
    """A linear bag of embeddings: its log-odds of class 1 are the sum of HEAD · vector."""
    return gradients.Reader(
        embed=lambda batch: (tf.gather(VECTORS, batch), None),
        read=lambda words, _: tf.linalg.matvec(tf.reduce_sum(spread(*words), 1), HEAD)[:, None],
        regression=False,
    )


def test_a_linear_bag_of_embeddings_has_the_attributions_that_it_must_have():
    """Each token's own summand: positive for the predicted class. Integrating changes nothing."""
    rows = rows_of([1, 2], [3, 2, 1])
    found = gradients.attribute(rows, bag(), points=3)
    # class 0 where the sum isn't positive: 2 - 2 = 0, and -3 - 2 + 2 = -3
    expected = [-2, 2, 3, 2, -2]
    assert found.gradient_input == pytest.approx(expected)
    assert found.integrated == pytest.approx(expected, abs=1e-6)
    assert found.gradient_norm == pytest.approx([5**0.5] * 5)
    assert found.error == pytest.approx(0, abs=1e-6)


def test_an_attribution_does_not_depend_on_what_shares_the_batch():
    """Padding changes nothing."""
    predictor, rows = network("text", "binary", "additive")
    apart = gradients.reader(predictor)
    together = gradients.attribute(rows, apart, points=3)
    alone = gradients.attribute(rows, apart, points=3, batch_size=1)
    for name in ("gradient_input", "gradient_norm", "integrated"):
        assert getattr(alone, name) == pytest.approx(getattr(together, name), abs=1e-5)
