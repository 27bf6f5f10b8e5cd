"""Distinct words, where they are, and what they are multiplied by."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.models.network import build_network
from pipeline.models.words import Distinct, Spread, WordDropout, distinct
from tests.support.batches import PAIRS, TOKENS, VOCABULARY, run
from tests.support.strategies import recipe

PAIR_NUMBERS = np.where(TOKENS, np.arange(6, dtype=np.int32), 0)


def test_each_token_comes_once_and_is_found_again():
    """In the order of the first occurrence, whatever the batch."""
    (found,), position = distinct(TOKENS)
    assert len(set(found.numpy().tolist())) == len(found)
    np.testing.assert_array_equal(found.numpy()[position], TOKENS)
    assert found[0] == TOKENS[0, 0]


def test_tokens_with_their_pairs_come_once_and_are_found_again():
    """The same token with another pair is another one; large ids stay apart."""
    tokens, numbers = 2**30 + TOKENS, 2**30 + PAIR_NUMBERS
    (first, second), position = distinct(tokens, numbers)
    combinations = list(zip(first.numpy().tolist(), second.numpy().tolist(), strict=True))
    assert len(set(combinations)) == len(combinations) > len(np.unique(tokens))
    np.testing.assert_array_equal(first.numpy()[position], tokens)
    np.testing.assert_array_equal(second.numpy()[position], numbers)


def test_three_ids_of_a_step_come_once_and_are_found_again():
    """Also where two of them are the same elsewhere."""
    ids = [TOKENS, PAIR_NUMBERS, TOKENS % 2]
    found, position = distinct(*ids)
    combinations = set(zip(*(one.numpy().tolist() for one in found), strict=True))
    assert len(combinations) == len(found[0]) == len(set(zip(*map(np.ravel, ids), strict=True)))
    for one, given in zip(found, ids, strict=True):
        np.testing.assert_array_equal(one.numpy()[position], given)


def test_the_mask_goes_with_the_positions():
    """To every layer that takes it from there; padding is token 0."""
    *found, position = Distinct()([TOKENS, PAIR_NUMBERS])
    assert all(getattr(one, "_keras_mask", None) is None for one in found)
    np.testing.assert_array_equal(position._keras_mask, TOKENS != 0)
    scale = WordDropout(0.5)(position)
    vectors = tf.ones((len(found[0]), 2))
    steps = Spread()([vectors, position, scale])
    np.testing.assert_array_equal(steps._keras_mask, TOKENS != 0)


def test_a_dropped_word_is_dropped_whole_and_the_others_make_up_for_it():
    """In training alone: 0 or 1 / (1 - rate), so the mean is 1."""
    position = np.zeros((100, 100), np.int32)
    keras.utils.set_random_seed(1)
    layer = WordDropout(0.2)
    scale = np.asarray(layer(position, training=True))
    assert set(np.unique(scale)) == {np.float32(0), np.float32(1.25)}
    assert scale.mean() == pytest.approx(1, abs=4 * np.sqrt(0.25 / 10_000))
    np.testing.assert_array_equal(layer(position, training=False), np.ones((100, 100)))


def network(bigrams, pooling="last", **changes):
    """A network of drawn weights, with dropout of words but of nothing else."""
    keras.utils.set_random_seed(1)
    predictor = build_network(
        recipe(pooling=pooling, dropout=0.0, word_dropout=0.3, **changes),
        kind="text",
        task="binary",
        classes=2,
        vocabulary_size=VOCABULARY,
        bigrams=bigrams,
    ).predictor
    rng = np.random.default_rng(1)
    for weight in predictor.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    if bigrams:
        predictor.get_layer("bigrams").pairs = PAIRS
    return predictor


@pytest.mark.parametrize("bigrams", [0, len(PAIRS)])
def test_a_network_learns_from_distinct_words_what_it_learns_from_each_step(bigrams):
    """Loss and gradients are those of vectors that were looked up step by step."""
    predictor = network(bigrams)
    encoder = predictor.get_layer("bilstm")
    after = keras.Model([encoder.output], predictor.output)
    given = keras.Model(predictor.inputs, encoder.input)
    found = []
    for by_step in (False, True):
        keras.utils.set_random_seed(2)
        for layer in predictor.layers:
            if isinstance(layer, WordDropout):
                layer.seed_generator.state.assign([3, 4])
        with tf.GradientTape() as tape:
            vectors, position, scale = given([TOKENS], training=True)
            words = [vectors, position, scale]
            steps = Spread()(words) if by_step else words
            states = tf.identity(encoder(steps, mask=TOKENS != 0, training=True))
            loss = tf.reduce_mean(after([states], training=True) ** 2)
        assert 0 < np.mean(np.asarray(scale) == 0) < 1
        gradients = tape.gradient(loss, predictor.trainable_variables)
        found.append([loss, *map(tf.convert_to_tensor, gradients)])
    for shared, each in zip(*found, strict=True):
        assert np.abs(each).max() > 0
        np.testing.assert_allclose(shared, each, atol=1e-5 * np.abs(each).max())


@pytest.mark.parametrize("bigrams", [0, len(PAIRS)])
@pytest.mark.parametrize("spatial_dropout", [0.0, 0.3])
def test_a_network_survives_saving_whole(bigrams, spatial_dropout, tmp_path):
    """As one `.keras` file, which names the layers; its summary shows their shapes."""
    predictor = network(bigrams, spatial_dropout=spatial_dropout)
    predictor.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(again, TOKENS), run(predictor, TOKENS))
    lines: list[str] = []
    again.summary(print_fn=lines.append)
    assert "distinct (Distinct)" in lines[0]
