"""Sparse weights, and the penalties on weights and states: by hand, and against references."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models.attention import (
    AdditiveAttention,
    conicity,
    entropy,
    masked_entmax,
    masked_sparsemax,
)
from pipeline.models.network import build_network
from pipeline.training.step import compiled_step, loss_function
from tests.support.batches import LENGTHS, TOKENS, VOCABULARY
from tests.support.reference import entmax
from tests.support.strategies import recipe
from tests.support.toy_networks import rows_of

ALPHAS = {masked_sparsemax: 2.0, masked_entmax: 1.5}
every_normalizer = pytest.mark.parametrize("normalize", ALPHAS, ids=lambda one: one.__name__)
HOLES = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]], bool)


# ── sparse weights ───────────────────────────────────────────────────────────────────────


def test_sparsemax_by_hand():
    """The threshold of 1 and 0.8 is 0.4; of 1 and -1 it is 0, so the first step has all."""
    weights = masked_sparsemax(np.array([[1, 0.8, -1], [1, -1, -1], [3, 3, 3]]))
    expected = [[0.6, 0.4, 0], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(weights, expected, atol=1e-12)


def test_entmax_by_hand():
    """Halved, 1.2 and 0.8 are 0.2 apart, so x² + (x + 0.2)² = 1, if x is the second one's root."""
    low = (-0.4 + np.sqrt(0.16 + 8 * 0.96)) / 4
    weights = masked_entmax(np.array([[1.2, 0.8, -4], [9, 1, 1], [3, 3, 3]]))
    expected = [[(low + 0.2) ** 2, low**2, 0], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(weights, expected, atol=1e-12)


@every_normalizer
@given(
    steps=st.integers(1, 300),
    size=st.sampled_from([0.01, 1.0, 10.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=40)
def test_sparse_weights_are_the_reference(normalize, steps, size, seed):
    """Rows of any length, with holes and without a real step; masked ones are exactly 0."""
    rng = np.random.default_rng(seed)
    scores = np.float32(rng.normal(size=(4, steps)) * size)
    mask = rng.random((4, steps)) < 0.7
    mask[0], mask[1] = False, True
    weights = np.asarray(normalize(scores, mask))
    assert not weights[~mask].any()
    assert (weights >= 0).all()
    for found, row, real in zip(weights, scores, mask, strict=True):
        if real.any():
            np.testing.assert_allclose(found[real], entmax(row[real], ALPHAS[normalize]), atol=1e-5)


@every_normalizer
def test_their_gradient_is_that_of_finite_differences(normalize):
    """Also with holes; none where the weight is 0, at masked steps, or without a real step."""
    rng = np.random.default_rng(0)
    scores, factors = rng.normal(size=(2, 3, 5))
    step = 1e-6

    def value(given):
        return tf.reduce_sum(factors * normalize(given, HOLES) ** 2)

    given = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = value(given)
    found = tape.gradient(total, given).numpy()
    for place in np.ndindex(scores.shape):
        moved = np.zeros_like(scores)
        moved[place] = step
        slope = (value(scores + moved) - value(scores - moved)) / (2 * step)
        assert found[place] == pytest.approx(float(slope), abs=1e-6)
    assert not found[~HOLES].any()
    assert found[0].any()


# ── penalties ────────────────────────────────────────────────────────────────────────────


def test_entropy_by_hand():
    """1 for even weights, 0 for one step; masked steps don't count in what is possible."""
    weights = np.array([[0.5, 0.5, 0, 0], [0.5, 0.25, 0.25, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    real = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    expected = [1, 1.5 / np.log2(3), 0, 0]
    np.testing.assert_allclose(entropy(weights, real), expected, atol=1e-12)
    np.testing.assert_allclose(entropy(weights[:1]), [0.5], atol=1e-12)


def test_conicity_by_hand():
    """1 for states of one direction, √½ for two at a right angle, 0 without a real step."""
    states = np.zeros((3, 3, 2))
    states[0] = [[1, 2], [2, 4], [9, -9]]
    states[1] = [[3, 0], [0, 3], [9, 9]]
    real = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], bool)
    np.testing.assert_allclose(conicity(states, real), [1, np.sqrt(0.5), 0], atol=1e-12)
    given = tf.constant(states)
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = tf.reduce_sum(conicity(given, real))
    gradient = tape.gradient(total, given).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[~real].any()


def test_penalties_count_in_training_alone():
    """The strength times the mean over rows; padding changes none of it."""
    layer = AdditiveAttention(entropy=0.5, conicity=2.0)
    states = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]], bool)
    layer(states, mask=mask)
    assert layer.losses == []
    _, weights = layer(states, mask=mask, training=True)
    expected = [0.5 * np.mean(entropy(weights, mask)), 2 * np.mean(conicity(states, mask))]
    assert [float(loss) for loss in layer.losses] == pytest.approx(expected)
    layer(states[:, :4], mask=mask[:, :4], training=True)
    assert [float(loss) for loss in layer.losses] == pytest.approx(expected)


@pytest.mark.parametrize("adversarial", [0.0, 0.03])
@pytest.mark.parametrize("penalty", ["attention_entropy", "attention_conicity"])
def test_a_penalty_lowers_what_it_is_against(penalty, adversarial):
    """A few optimization steps on the penalty and hardly anything else."""
    keras.utils.set_random_seed(1)
    network = build_network(
        recipe(pooling="additive", adversarial=adversarial, **{penalty: 50.0}),
        kind="text",
        task="binary",
        classes=2,
        vocabulary_size=VOCABULARY,
    )
    model = network.predictor
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.optimizer.build(model.trainable_variables)
    attention = model.get_layer("attention")
    states = keras.Model(model.input, keras.tree.flatten(attention.input)[0])
    real = np.arange(TOKENS.shape[1]) < np.array(LENGTHS)[:, None]

    def measured():
        if penalty == "attention_entropy":
            return float(np.mean(entropy(network.explainer(TOKENS)["weights"], real)))
        return float(np.mean(conicity(states(TOKENS), real)))

    before = measured()
    rows = rows_of(*(row[:length].tolist() for row, length in zip(TOKENS, LENGTHS, strict=True)))
    step = compiled_step(model, loss_function("binary"), rows, share=adversarial)
    for _ in range(20):
        step(tf.constant(TOKENS), tf.zeros(len(TOKENS), tf.int64))
    assert measured() < before - 0.01
