import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.models.network import build_network
from pipeline.training import adversarial
from pipeline.training.step import loss_function
from tests.support import strategies

LOSS = loss_function("binary")
LABELS = tf.constant([0, 1, 1, 0])
TOKENS = tf.constant([[3, 4, 5, 6, 7], [8, 9, 3, 0, 0], [5, 0, 0, 0, 0], [4, 4, 4, 4, 0]])
SERIES = tf.constant(np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32))


def built(kind, **changes):
    """A predictor without dropout, and a batch for it."""
    keras.utils.set_random_seed(1)
    recipe = strategies.recipe(dropout=0.0, **changes)
    made = build_network(
        recipe, kind=kind, task="binary", classes=2, vocabulary_size=20, bigrams=0, features=3
    )
    return made.predictor, TOKENS if kind == "text" else SERIES


def plain(model, batch):
    """Mean loss and gradients of a batch as it is."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(LOSS(LABELS, model(batch, training=True)))
        total = tf.add_n([loss, *model.losses])
    return loss, tape.gradient(total, model.trainable_variables)


def dense(gradients):
    """As arrays, an embedding's too."""
    return [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.parametrize("kind", ["text", "series"])
@pytest.mark.parametrize("pooling", ["last", "additive"])
def test_a_batch_that_is_hardly_moved_has_the_plain_gradients(kind, pooling):
    """In the order of the model's variables, penalties and embedding included."""
    model, batch = built(kind, pooling=pooling, l2=0.01)
    loss, expected = plain(model, batch)
    found = tf.function(adversarial.adversarial_gradients(model, LOSS, share=1e-9), autograph=False)
    found_loss, gradients = found(batch, LABELS)
    assert float(found_loss) == pytest.approx(float(loss))
    for one, other in zip(dense(gradients), dense(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_gradients_are_the_mean_of_the_batchs_and_of_the_moved_ones():
    """The moved batch is computed here by hand, from the loss's slope by the series itself."""
    model, batch = built("series", pooling="additive")
    with tf.GradientTape() as tape:
        tape.watch(batch)
        loss = tf.reduce_mean(LOSS(LABELS, model(batch, training=True)))
    slope = tape.gradient(loss, batch).numpy()
    lengths = np.linalg.norm(batch.numpy().reshape(4, -1), axis=1)
    steepness = np.linalg.norm(slope.reshape(4, -1), axis=1)
    moved = batch + 0.3 * (lengths / steepness)[:, None, None] * slope
    _, here = plain(model, batch)
    harder, there = plain(model, moved)
    assert harder > loss
    _, gradients = adversarial.adversarial_gradients(model, LOSS, share=0.3)(batch, LABELS)
    for found, one, other in zip(dense(gradients), dense(here), dense(there), strict=True):
        np.testing.assert_allclose(found, (one + other) / 2, atol=1e-5)


def test_a_shift_has_its_share_of_the_rows_norm_and_leaves_padding():
    """Whatever padding's own vectors are; a row without a slope stays where it is."""
    rng = np.random.default_rng(0)
    seen, slopes = rng.normal(size=(2, 3, 4, 2)).astype(np.float32)
    slopes[2] = 0
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]], bool)
    shift = adversarial.worst_perturbation(seen, slopes, mask, share=0.1).numpy()
    assert not shift[1, 2:].any()
    assert not shift[2].any()
    for row, real in ((0, 4), (1, 2)):
        expected = 0.1 * np.linalg.norm(seen[row, :real])
        assert np.linalg.norm(shift[row]) == pytest.approx(expected, rel=1e-5)
        assert np.vdot(shift[row], slopes[row, :real].tolist() + [[0, 0]] * (4 - real)) > 0


def test_a_model_can_be_taken_apart_twice():
    """A training that starts over on the same model."""
    model, batch = built("text", pooling="additive")
    first, again = (
        dense(adversarial.adversarial_gradients(model, LOSS, share=0.1)(batch, LABELS)[1])
        for _ in range(2)
    )
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
