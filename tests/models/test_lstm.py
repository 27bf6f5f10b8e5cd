"""The compiled LSTM against Keras's own layer in float64.

How far float32 may be from float64 follows from the problem, not from the processor: each number
that goes in is known to half a unit in its last place, so nothing that comes out is known better
than what moving every input and weight by that much changes (its condition). A sound float32
program adds a small multiple of that by rounding on the way. Keras's own layer stays within
3 times, and so does ours; `ALLOWED` leaves room for another order of summation.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.models import lstm
from pipeline.models.lstm import LSTM
from tests.support.paths import PROJECT

BATCH, TIME_STEPS, FEATURES, UNITS = 7, 23, 5, 6

padded = np.arange(TIME_STEPS) < np.array([1, 2, 5, 11, 17, 22, 23])[:, None]
scattered = np.random.default_rng(3).random((BATCH, TIME_STEPS)) < 0.6
MASKS = {"none": None, "padded": padded, "scattered": scattered, "empty": padded & (padded[:, 1:2])}


def with_weights(layer):
    """The layer, with weights that saturate its gates now and then."""
    layer.build((None, None, FEATURES))
    layer.set_weights(weights()[: len(layer.weights)])
    return layer


def inputs(seed=0):
    """<float32>[batch, time_steps, features]."""
    shape = (BATCH, TIME_STEPS, FEATURES)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


HALF_A_UNIT = 2.0**-24  # in the last place of a float32, relative
ALLOWED = 8
DRAWS = 8  # directions in which all inputs and weights are moved


def weights(features=FEATURES, seed=1):
    """Kernel, recurrent kernel and bias, large enough for the gates to saturate now and then."""
    rng = np.random.default_rng(seed)
    shapes = [(features, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def layer_of(kind, *, both=False, dtype="float32", **options):
    """A layer of that class, or a bidirectional one around it."""
    layer = kind(UNITS, dtype=dtype, **options)
    return keras.layers.Bidirectional(layer, dtype=dtype) if both else layer


def differentiated(layer, features=FEATURES, *, compiled=True):
    """A function of inputs, weights and mask: the layer's states, and gradients.

    They are those of a weighted sum of the states by inputs and weights.
    """
    layer.build((None, None, features))

    def states_and_gradients(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = layer(x, mask=mask)
            of_states = tf.cast(tf.random.stateless_normal(tf.shape(states), [1, 2]), states.dtype)
            loss = tf.reduce_sum(states * of_states)
        return [states, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])]

    run = tf.function(states_and_gradients) if compiled else states_and_gradients

    def of(x, values, mask):
        layer.set_weights(values)
        mask = None if mask is None else tf.constant(mask)
        found = run(tf.constant(x.astype(layer.compute_dtype)), mask)
        return [array.numpy() for array in found]

    return of


@cache  # tracing takes longer than running
def program(kind, dtype="float32", **options):
    """What `differentiated` returns of a layer of that class, the same for the same arguments."""
    return differentiated(layer_of(kind, dtype=dtype, **options))


def exact_and_bounds(x, values, mask, **options):
    """Keras's layer in float64, and how far a float32 program may be from each of its arrays."""
    exact = program(keras.layers.LSTM, "float64", **options)
    rng = np.random.default_rng(9)

    def moved(array):
        return array * (1 + HALF_A_UNIT * rng.choice([-1.0, 1.0], array.shape))

    found = exact(x, values, mask)
    shifts = [exact(moved(x), [moved(value) for value in values], mask) for _ in range(DRAWS)]
    condition = [
        max(np.abs(shifted[number] - array).max() for shifted in shifts)
        for number, array in enumerate(found)
    ]
    return found, [ALLOWED * reach for reach in condition]


def assert_as_exact_as_float32_allows(x, values, mask, **options):
    """Ours against float64, with bounds that Keras's own float32 layer keeps as well."""
    found, bounds = exact_and_bounds(x, values, mask, **options)
    for kind in (LSTM, keras.layers.LSTM):
        mine_all = program(kind, **options)(x, values, mask)
        for mine, exact, bound in zip(mine_all, found, bounds, strict=True):
            assert np.abs(exact).max() > 0.01
            np.testing.assert_allclose(mine, exact, rtol=0, atol=bound, err_msg=kind.__module__)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_states_and_gradients_are_those_of_keras_in_float64(mask, return_sequences):
    """In both directions, whatever the mask."""
    options = {"return_sequences": return_sequences, "both": True}
    assert_as_exact_as_float32_allows(inputs(), [*weights(), *weights(seed=2)], mask, **options)


def test_the_weights_are_kerass_by_name_and_shape():
    """They load into stock `Bidirectional(LSTM)`."""
    ours, stock = (layer_of(kind, both=True) for kind in (LSTM, keras.layers.LSTM))
    for layer in (ours, stock):
        layer.build((None, None, FEATURES))
    stock.set_weights(ours.get_weights())
    assert [w.name for w in ours.weights] == [w.name for w in stock.weights]
    assert isinstance(ours.forward_layer, LSTM)
    assert isinstance(ours.backward_layer, LSTM)


# What another machine would compute with. The first is numba's, for the gates; the others are
# for OpenBLAS, behind the matrix products, and for TensorFlow's own kernels.
PROCESSORS = {
    "generic, Haswell": {
        "NUMBA_CPU_NAME": "generic",
        "OPENBLAS_CORETYPE": "Haswell",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    },
    "Zen": {"OPENBLAS_CORETYPE": "Zen", "TF_ENABLE_ONEDNN_OPTS": "1"},
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
}


def has_avx512():
    """Whether this processor can run SkylakeX's kernels."""
    described = Path("/proc/cpuinfo")
    return described.exists() and "avx512" in described.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_another_processors_arithmetic_is_as_exact(name, tmp_path):
    """The tests above once more, in a process that takes its processor for another one."""
    if name == "SkylakeX" and not has_avx512():
        pytest.skip("this processor has no AVX-512, which SkylakeX's kernels need")
    environment = {**os.environ, **PROCESSORS[name], "NUMBA_CACHE_DIR": str(tmp_path)}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    ended = subprocess.run(
        [*tests, "-k", "float64"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "10 passed" in ended.stdout


@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_layer_alone_repeats_its_state_at_masked_steps_as_in_float64(go_backwards):
    """Outside of `Bidirectional`, Keras's layer doesn't put zeros there, nor does ours."""
    options = {"return_sequences": True, "go_backwards": go_backwards}
    assert_as_exact_as_float32_allows(inputs(), weights(), scattered, **options)


def test_long_sequences_and_large_inputs_stay_exact():
    """400 steps, with inputs at which tanh and σ saturate."""
    x = np.random.default_rng(5).normal(size=(3, 400, FEATURES)).astype(np.float32) * 20
    (states, *_), (bound, *_) = exact_and_bounds(x, weights(), None, return_sequences=True)
    ours = with_weights(LSTM(UNITS, return_sequences=True))
    np.testing.assert_allclose(ours(x), states, rtol=0, atol=bound)


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
    options = {"both": True, "return_sequences": True}
    given = inputs(), [*weights(), *weights(seed=2)], padded
    _, bounds = exact_and_bounds(*given, **options)
    eager, first, second = (
        differentiated(layer_of(LSTM, **options), compiled=compiled)(*given)
        for compiled in (False, True, True)
    )
    for one, other, without, bound in zip(first, second, eager, bounds, strict=True):
        assert one.tobytes() == other.tobytes()
        np.testing.assert_allclose(one, without, rtol=0, atol=2 * bound)


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
    monkeypatch.setattr(lstm, "_has_gpu", lambda: True)
    monkeypatch.setattr(lstm, "_recurrence", None)
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
