import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.models import recurrence
from pipeline.models.recurrence import LSTM

BATCH, TIME_STEPS, FEATURES, UNITS = 7, 23, 5, 6

padded = np.arange(TIME_STEPS) < np.array([1, 2, 5, 11, 17, 22, 23])[:, None]
scattered = np.random.default_rng(3).random((BATCH, TIME_STEPS)) < 0.6
MASKS = {"none": None, "padded": padded, "scattered": scattered, "empty": padded & (padded[:, 1:2])}


def inputs(seed=0):
    """<float32>[batch, time_steps, features]."""
    shape = (BATCH, TIME_STEPS, FEATURES)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def with_weights(layer, seed=1):
    """The layer, with weights drawn large enough for the gates to saturate now and then."""
    layer.build((None, None, FEATURES))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])
    return layer


def states_and_slopes(layer, x, mask, *, compiled=False):
    """What the layer returns, and the slopes of a weighted sum of it by inputs and weights."""

    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = layer(x, mask=mask)
            weights = tf.random.stateless_normal(tf.shape(states), [1, 2])
            loss = tf.reduce_sum(states * weights)
        return states, tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])

    states, slopes = (tf.function(both) if compiled else both)(tf.constant(x))
    return [states.numpy(), *[slope.numpy() for slope in slopes]]


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_states_and_slopes_are_those_of_keras(mask, return_sequences):
    """The weights load into stock `Bidirectional(LSTM)`; everything agrees to 1e-5."""
    ours = with_weights(keras.layers.Bidirectional(LSTM(UNITS, return_sequences=return_sequences)))
    stock = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=return_sequences))
    stock.build((None, None, FEATURES))
    stock.set_weights(ours.get_weights())
    assert [w.name for w in ours.weights] == [w.name for w in stock.weights]
    assert isinstance(ours.forward_layer, LSTM)
    assert isinstance(ours.backward_layer, LSTM)
    pairs = zip(
        states_and_slopes(ours, inputs(), mask),
        states_and_slopes(stock, inputs(), mask),
        strict=True,
    )
    for mine, keras_own in pairs:
        assert np.abs(keras_own).max() > 0.1
        np.testing.assert_allclose(mine, keras_own, atol=1e-5 * max(1, np.abs(keras_own).max()))


@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_layer_alone_repeats_its_state_at_masked_steps(go_backwards):
    """Outside of `Bidirectional`, Keras's layer doesn't put zeros there, nor does ours."""
    options = {"return_sequences": True, "go_backwards": go_backwards}
    ours = with_weights(LSTM(UNITS, **options))
    stock = with_weights(keras.layers.LSTM(UNITS, **options))
    pairs = zip(
        states_and_slopes(ours, inputs(), scattered),
        states_and_slopes(stock, inputs(), scattered),
        strict=True,
    )
    for mine, keras_own in pairs:
        np.testing.assert_allclose(mine, keras_own, atol=1e-5 * max(1, np.abs(keras_own).max()))


def test_long_sequences_and_large_inputs_stay_exact():
    """400 steps, with inputs at which tanh and σ saturate."""
    x = np.random.default_rng(5).normal(size=(3, 400, FEATURES)).astype(np.float32) * 20
    ours = with_weights(LSTM(UNITS, return_sequences=True))
    stock = with_weights(keras.layers.LSTM(UNITS, return_sequences=True))
    np.testing.assert_allclose(ours(x), stock(x), atol=1e-5)


def test_a_single_step_is_enough():
    """The shortest text."""
    ours, stock = with_weights(LSTM(UNITS)), with_weights(keras.layers.LSTM(UNITS))
    np.testing.assert_allclose(ours(inputs()[:, :1]), stock(inputs()[:, :1]), atol=1e-6)


def test_a_diverged_input_is_not_hidden():
    """NaN in, NaN out, in that row alone."""
    x = inputs()
    x[2, 4, 0] = np.nan
    states = np.asarray(with_weights(LSTM(UNITS))(x))
    assert np.isnan(states[2]).all()
    assert np.isfinite(np.delete(states, 2, axis=0)).all()


def test_as_a_graph_it_gives_the_same_bytes_each_time():
    """Both directions run at once there, and neither the order nor the threads show."""
    layer = with_weights(keras.layers.Bidirectional(LSTM(UNITS, return_sequences=True)))
    eager = states_and_slopes(layer, inputs(), padded)
    first, second = (states_and_slopes(layer, inputs(), padded, compiled=True) for _ in range(2))
    for one, other, without in zip(first, second, eager, strict=True):
        assert one.tobytes() == other.tobytes()
        np.testing.assert_allclose(one, without, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"return_state": True},
        {"unroll": True},
        {"dtype": "float64"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_it_cannot_do_faster_it_leaves_to_keras(options):
    """The results are Keras's own in every configuration."""
    ours = with_weights(LSTM(UNITS, **options))
    stock = with_weights(keras.layers.LSTM(UNITS, **options))
    for mine, keras_own in zip(
        keras.tree.flatten(ours(inputs())), keras.tree.flatten(stock(inputs())), strict=True
    ):
        np.testing.assert_array_equal(mine, keras_own)


def test_a_gpu_is_left_to_keras(monkeypatch):
    """With its cuDNN: the compiled functions are not called."""
    monkeypatch.setattr(recurrence, "_has_gpu", lambda: True)
    monkeypatch.setattr(recurrence, "_recurrence", None)
    ours, stock = with_weights(LSTM(UNITS)), with_weights(keras.layers.LSTM(UNITS))
    np.testing.assert_array_equal(ours(inputs(), mask=padded), stock(inputs(), mask=padded))


def test_an_initial_state_is_taken_up():
    """As Keras does."""
    state = [np.full((BATCH, UNITS), value, np.float32) for value in (0.3, -0.2)]
    ours, stock = with_weights(LSTM(UNITS)), with_weights(keras.layers.LSTM(UNITS))
    mine, without = ours(inputs(), initial_state=state), ours(inputs())
    np.testing.assert_array_equal(mine, stock(inputs(), initial_state=state))
    assert not np.allclose(mine, without)


def test_it_survives_saving(tmp_path):
    """By its registered name, with its weights."""
    tokens = keras.Input((None, FEATURES))
    model = keras.Model(tokens, keras.layers.Bidirectional(LSTM(UNITS))(tokens))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.layers[1].forward_layer, LSTM)
    np.testing.assert_array_equal(again(inputs()), model(inputs()))
