import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from pipeline.models.attention import AdditiveAttention, DotAttention
from tests.support import reference
from tests.support.paths import PROJECT
from tests.support.strategies import masked_states

LAYERS = {
    "additive": AdditiveAttention,
    "dot": lambda **kwargs: DotAttention("learned", **kwargs),
    "dot_last": lambda **kwargs: DotAttention("last", **kwargs),
    "dot_max": lambda **kwargs: DotAttention("max", **kwargs),
}
SPARSE = {
    "sparsemax": lambda **kwargs: AdditiveAttention(normalizer="sparsemax", **kwargs),
    "entmax": lambda **kwargs: DotAttention("max", normalizer="entmax", **kwargs),
}
every_layer = pytest.mark.parametrize(
    "make", [*LAYERS.values(), *SPARSE.values()], ids=[*LAYERS, *SPARSE]
)


def random_states(*shape, seed=0):
    """<float32> of this shape."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def as_numpy(outputs):
    """Context and weights as arrays."""
    return tuple(np.asarray(output) for output in outputs)


# ── the contract of a Keras layer ────────────────────────────────────────────────────────


@every_layer
def test_symbolic_shapes_and_dtypes_are_the_eager_ones(make):
    """What the layer promises a functional model is what it returns, in every precision."""
    for policy in ("float32", "mixed_float16", "mixed_bfloat16", "float64"):
        layer = make(dtype=policy)
        promised = layer(keras.KerasTensor((2, 5, 4)), mask=keras.KerasTensor((2, 5), "bool"))
        returned = layer(random_states(2, 5, 4), mask=np.ones((2, 5), bool))
        for symbol, tensor in zip(promised, returned, strict=True):
            assert tuple(symbol.shape) == tuple(tensor.shape)
            assert symbol.dtype == keras.backend.standardize_dtype(tensor.dtype)
    assert layer.compute_output_shape((None, None, 4)) == ((None, 4), (None, None))


@every_layer
def test_the_configuration_makes_the_same_layer(make):
    """`get_config` holds what the constructor needs, as plain JSON values."""
    layer = make(name="mine")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert AdditiveAttention.from_config(AdditiveAttention(l2=0.5).get_config()).l2 == 0.5
    assert DotAttention.from_config(DotAttention("last").get_config()).query == "last"


@every_layer
def test_one_training_step_changes_every_weight(make):
    """Every weight of the layer takes part in the result."""
    layer = make()
    states, mask = random_states(3, 6, 4), np.tri(3, 6, 2, dtype=bool)
    with tf.GradientTape() as tape:
        context, weights = layer(states, mask=mask)
        loss = keras.ops.sum(context**3) + keras.ops.sum(weights**2)
    gradients = tape.gradient(loss, layer.trainable_weights)
    before = layer.get_weights()
    keras.optimizers.SGD(0.1).apply(gradients, layer.trainable_weights)
    assert all(np.abs(np.asarray(gradient)).max() > 1e-6 for gradient in gradients)
    for old, new in zip(before, layer.get_weights(), strict=True):
        assert not np.array_equal(old, new)


def test_saved_here_and_loaded_in_another_process(tmp_path):
    """A whole `.keras` model reloads elsewhere with nothing imported but the layer."""
    tokens = np.array([[3, 1, 2, 0, 0], [4, 4, 1, 2, 3]])
    inputs = keras.Input((None,), dtype="int32")
    states = keras.layers.Embedding(6, 4, mask_zero=True)(inputs)
    outputs = [LAYERS[name](name=name)(states) for name in LAYERS]
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "tokens.npy", tokens)
    program = (
        "import gc; gc.disable()  # looking for garbage takes a while\n"
        "import keras, numpy as np, sys\n"
        "from pipeline.models.attention import AdditiveAttention\n"
        "model = keras.saving.load_model('model.keras')\n"
        "outputs = keras.tree.flatten(model(np.load('tokens.npy')))\n"
        "np.savez('outputs.npz', *[np.asarray(output) for output in outputs])\n"
    )
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n{program}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    with np.load(tmp_path / "outputs.npz") as loaded:
        for expected, name in zip(keras.tree.flatten(model(tokens)), loaded, strict=True):
            np.testing.assert_allclose(loaded[name], np.asarray(expected), atol=1e-6)


@every_layer
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_takes_the_softmax_in_float32(make, policy):
    """Over many equal steps the weights still sum to 1, as half precision cannot."""
    layer = make(dtype=policy)
    context, weights = layer(np.ones((1, 3001, 4), np.float32))
    assert keras.backend.standardize_dtype(context.dtype) == policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    assert np.sum(np.asarray(weights, np.float64)) == pytest.approx(1, abs=1e-6)
    assert all(weight.dtype == "float32" for weight in layer.weights)


# ── its numbers ──────────────────────────────────────────────────────────────────────────


def test_additive_by_hand():
    """Scores 0 and ln 3 are weights of 1/4 and 3/4."""
    layer = AdditiveAttention()
    layer.build((None, None, 2))
    layer.set_weights([np.eye(2), np.zeros(2), np.array([np.log(3), 0])])
    states = np.array([[[0, 4], [20, 0]]], np.float32)  # tanh(20) is 1 in float32
    context, weights = as_numpy(layer(states))
    np.testing.assert_allclose(weights, [[1 / 4, 3 / 4]], atol=1e-6)
    np.testing.assert_allclose(context, [[15, 1]], atol=1e-5)


def test_dot_by_hand():
    """The score is divided by √4, so this query scores 0 and ln 3."""
    layer = DotAttention("learned")
    layer.build((None, None, 4))
    layer.set_weights([np.array([2 * np.log(3), 0, 0, 0])])
    states = np.array([[[0, 0, 0, 4], [1, 0, 0, 0]]], np.float32)
    context, weights = as_numpy(layer(states))
    np.testing.assert_allclose(weights, [[1 / 4, 3 / 4]], atol=1e-6)
    np.testing.assert_allclose(context, [[3 / 4, 0, 0, 1]], atol=1e-6)


def test_dot_last_by_hand():
    """The query is the last real state, √(ln 3): the step after it is masked and counts not."""
    root = np.sqrt(np.log(3))
    states = np.array([[[0], [root], [9]]], np.float32)
    context, weights = as_numpy(DotAttention("last")(states, mask=np.array([[1, 1, 0]])))
    np.testing.assert_allclose(weights, [[1 / 4, 3 / 4, 0]], atol=1e-6)
    np.testing.assert_allclose(context, [[3 / 4 * root]], atol=1e-6)


def test_dot_max_by_hand():
    """The query is the maximum of each feature over the real steps: the scores differ by ln 3."""
    root = np.sqrt(np.log(3) / 2)
    states = np.array([[[2 * root, 0, 0, 0], [0, 2 * root, 0, 0], [0, 0, 9, 9]]], np.float32)
    states[0, 0, 1] = 2 * root
    context, weights = as_numpy(DotAttention("max")(states, mask=np.array([[1, 1, 0]])))
    np.testing.assert_allclose(weights, [[3 / 4, 1 / 4, 0]], atol=1e-6)
    np.testing.assert_allclose(context, [[3 / 2 * root, 2 * root, 0, 0]], atol=1e-6)


@given(masked_states())
@settings(deadline=None)
def test_agrees_with_the_float64_reference(drawn):
    """All layers, any states and mask, to 1e-5; masked weights are 0, the others sum to 1."""
    states, mask = drawn
    exact = states.astype(np.float64)
    rng = np.random.default_rng(states.shape[-1])
    for name, make in LAYERS.items():
        layer = make()
        layer.build(states.shape)
        layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
        values = [np.asarray(weight, np.float64) for weight in layer.get_weights()]
        if name == "additive":
            scores = reference.additive_scores(exact, *values)
        elif name == "dot":
            scores = reference.dot_scores(exact, np.tile(values[0], (len(exact), 1)))
        elif name == "dot_last":
            scores = reference.dot_scores(exact, reference.last_states(exact, mask))
        else:
            scores = reference.dot_scores(exact, reference.largest_states(exact, mask))
        expected_context, expected_weights = reference.attend(scores, exact, mask)

        context, weights = as_numpy(layer(states, mask=mask))
        np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
        np.testing.assert_allclose(context, expected_context, atol=1e-5)
        assert not weights[~mask].any()
        np.testing.assert_allclose(weights.sum(1), mask.any(1), atol=1e-5)


def test_l2_falls_on_w_and_u_alone():
    """The penalty is l2 times the squares of W and u; without l2 there is none."""
    layer = AdditiveAttention(l2=0.01)
    layer.build((None, None, 3))
    layer.set_weights([np.full((3, 3), 2.0), np.full(3, 50.0), np.full(3, 3.0)])
    assert float(sum(layer.losses)) == pytest.approx(0.01 * (9 * 4 + 3 * 9))
    plain = AdditiveAttention()
    plain.build((None, None, 3))
    assert plain.losses == []


# ── masks ────────────────────────────────────────────────────────────────────────────────


@every_layer
def test_a_row_without_a_real_step_is_zero_and_its_gradient_finite(make):
    """Zero weights and context, never NaN, and the rows beside it are as if it were absent."""
    layer = make()
    states, mask = tf.constant(random_states(2, 4, 3)), np.array([[0, 0, 0, 0], [1, 1, 0, 1]])
    with tf.GradientTape() as tape:
        tape.watch(states)
        context, weights = layer(states, mask=mask)
        loss = keras.ops.sum(context**2) + keras.ops.sum(weights**2)
    gradients = tape.gradient(loss, [states, *layer.trainable_weights])
    assert not np.asarray(weights)[0].any()
    assert not np.asarray(context)[0].any()
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)
    assert not np.asarray(gradients[0])[0].any()
    alone = as_numpy(layer(states[1:], mask=mask[1:]))
    np.testing.assert_allclose(alone[0][0], np.asarray(context)[1], atol=1e-6)
    np.testing.assert_allclose(alone[1][0], np.asarray(weights)[1], atol=1e-6)


@every_layer
def test_extreme_scores_stay_finite(make):
    """Large states give a one-hot softmax, not NaN, and masked steps stay at 0."""
    states = 1e4 * random_states(2, 5, 3)
    context, weights = as_numpy(make()(states, mask=np.tri(2, 5, 2, dtype=bool)))
    assert np.isfinite(context).all()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert not weights[0, 3:].any()


@every_layer
def test_explicit_and_implicit_masks_are_one(make):
    """`mask=`, `Embedding(mask_zero=True)` and `Masking` give the same numbers."""
    layer, tokens = make(), np.array([[3, 1, 0, 0], [2, 1, 1, 3]])
    embedding = keras.layers.Embedding(4, 3, mask_zero=True)
    states = np.array(embedding(tokens))
    explicit = as_numpy(layer(states, mask=tokens != 0))

    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, layer(embedding(inputs)))
    zeroed = states * (tokens != 0)[..., None]
    for implicit in (
        layer(embedding(tokens)),
        model(tokens),
        layer(keras.layers.Masking()(zeroed)),
    ):
        for expected, output in zip(explicit, as_numpy(implicit), strict=True):
            np.testing.assert_allclose(output, expected, atol=1e-6)


@every_layer
def test_the_mask_ends_here(make):
    """Neither output carries a mask to the layers behind."""
    states = keras.layers.Embedding(4, 3, mask_zero=True)(np.array([[3, 1, 0, 0]]))
    assert all(getattr(output, "_keras_mask", None) is None for output in make()(states))


@every_layer
def test_padding_of_any_length_changes_nothing(make):
    """A row gives the same context alone and with steps of garbage behind a mask."""
    layer, states = make(), random_states(1, 3, 4)
    context, weights = as_numpy(layer(states))
    for extra in (1, 7, 100):
        padded = np.concatenate([states, 50 * random_states(1, extra, 4, seed=extra)], axis=1)
        again, spread = as_numpy(layer(padded, mask=np.arange(3 + extra)[None] < 3))
        np.testing.assert_allclose(again, context, atol=1e-6)
        np.testing.assert_allclose(spread[:, :3], weights, atol=1e-6)


@every_layer
def test_memory_grows_with_the_length_not_its_square(make):
    """50,000 steps: a score for every pair of steps would take 10 GB."""
    _, weights = make()(np.ones((1, 50_000, 2), np.float32))
    assert np.asarray(weights).sum() == pytest.approx(1, abs=1e-4)


# ── errors ───────────────────────────────────────────────────────────────────────────────


@every_layer
def test_an_input_without_time_axis_says_so(make):
    """The usual cause, a recurrent layer with return_sequences off, is named."""
    with pytest.raises(ValueError, match=r"no time axis.*return_sequences=True.*\(None, 8\)"):
        make()(keras.layers.LSTM(8)(keras.Input((5, 3))))


@every_layer
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, None)])
def test_any_other_shape_is_refused(make, shape):
    """Rank 4 and an unknown number of features."""
    with pytest.raises(ValueError, match=r"\(batch, time_steps, features\).*Received: shape"):
        make()(keras.KerasTensor(shape))


@every_layer
def test_a_mask_of_another_rank_is_refused(make):
    """Eagerly and in a functional model."""
    for states, mask in (
        (random_states(2, 3, 4), np.ones((2, 3, 1), bool)),
        (keras.KerasTensor((2, 3, 4)), keras.KerasTensor((2, 3, 1), "bool")),
    ):
        with pytest.raises(
            ValueError, match=r"mask must have .* Received: mask of shape \(2, 3, 1\)"
        ):
            make()(states, mask=mask)


def test_an_unknown_query_is_refused():
    """The message names those that exist."""
    with pytest.raises(ValueError, match=r"'last' or 'max'\. Received: query='first'"):
        DotAttention("first")


@pytest.mark.parametrize("name", ["l2", "entropy", "conicity"])
@pytest.mark.parametrize("strength", [-0.1, float("nan")])
def test_a_negative_penalty_is_refused(name, strength):
    """It would reward what it is against."""
    with pytest.raises(ValueError, match=rf"{name} must be 0 or more\. Received: {name}="):
        AdditiveAttention(**{name: strength})
