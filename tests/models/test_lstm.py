"""The compiled LSTM against Keras's own layer in float64; `tests.support.lstm` says how near."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.linalg.cython_blas
import tensorflow as tf
import threadpoolctl

from pipeline.models import lstm
from pipeline.models.lstm import BiLSTM
from tests.support.lstm import (
    BATCH,
    FEATURES,
    FORMS,
    MASKS,
    POSITION,
    STOCK,
    UNITS,
    assert_as_exact_as_float32_allows,
    differentiated,
    exact_and_bounds,
    formed,
    inputs,
    layer_of,
    padded,
    program,
    scattered,
    vectors,
    weights,
    with_weights,
)
from tests.support.paths import PROJECT


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_states_and_gradients_are_those_of_keras_in_float64(form, mask, return_sequences):
    """Of either form of input, whatever the mask."""
    given = form(), [*weights(), *weights(seed=2)], mask
    assert_as_exact_as_float32_allows(*given, return_sequences=return_sequences)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_prediction_has_the_bytes_of_training(form):
    """Though it keeps nothing for a gradient, which it computes again if one is asked for."""
    given = form(), [*weights(), *weights(seed=2)], scattered
    kept, again = (
        program(BiLSTM, return_sequences=True, training=training)(*given)
        for training in (True, False)
    )
    for one, other in zip(kept, again, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_fixed_weights_leave_the_inputs_gradient_as_it_is(form):
    """Though nothing is computed for the weights."""
    layer = layer_of(BiLSTM, return_sequences=True)
    layer.build((None, None, FEATURES))
    layer.set_weights([*weights(), *weights(seed=2)])

    def gradients(*, fixed):
        x = tf.constant(form())
        recurrent = layer.forward_layer.cell.recurrent_kernel.value
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = layer(
                formed(x, BiLSTM), mask=tf.constant(scattered), training=True, fixed=fixed
            )
            loss = tf.reduce_sum(states**2)
        return [array.numpy() for array in tape.gradient(loss, [x, recurrent])]

    (of_input, of_weights), (alone, nothing) = (gradients(fixed=each) for each in (False, True))
    assert alone.tobytes() == of_input.tobytes()
    assert of_weights.any()
    assert not nothing.any()


def test_the_weights_are_kerass_by_name_and_shape():
    """They load into stock `Bidirectional(LSTM)`."""
    ours, stock = (layer_of(kind) for kind in (BiLSTM, STOCK))
    for layer in (ours, stock):
        layer.build((None, None, FEATURES))
    stock.set_weights(ours.get_weights())
    assert [w.name for w in ours.weights] == [w.name for w in stock.weights]


# What another machine would compute with. The first is numba's, for the gates; the others are
# for OpenBLAS, behind the matrix products (for Zen it has Haswell's kernels), and for TensorFlow's.
PROCESSORS = {
    "generic, Haswell": {
        "NUMBA_CPU_NAME": "generic",
        "OPENBLAS_CORETYPE": "Haswell",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    },
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX", "TF_ENABLE_ONEDNN_OPTS": "1"},
}


def has_avx512():
    """Whether this processor can run SkylakeX's kernels."""
    described = Path("/proc/cpuinfo")
    return described.exists() and "avx512" in described.read_text()


def own_kernels():
    """The processor whose matrix products OpenBLAS has chosen here."""
    assert scipy.linalg.cython_blas  # loaded, so that threadpoolctl finds its library
    return {library.get("architecture") for library in threadpoolctl.threadpool_info()}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_another_processors_arithmetic_is_as_exact(name, pytestconfig):
    """Either form of input once more, in a process that takes its processor for another one."""
    if name == "SkylakeX" and not has_avx512():
        pytest.skip("this processor has no AVX-512, which SkylakeX's kernels need")
    if name in own_kernels():
        pytest.skip("these kernels are this processor's own: all other tests use them")
    environment = {**os.environ, **PROCESSORS[name]}
    if "NUMBA_CPU_NAME" in environment:
        environment["NUMBA_CACHE_DIR"] = str(pytestconfig.cache.mkdir("numba"))
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    ended = subprocess.run(
        [*tests, "-k", "float64 and True and padded"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


def test_long_sequences_and_large_inputs_stay_exact():
    """400 steps, with inputs at which tanh and σ saturate, in float64's bounds."""
    x = np.random.default_rng(5).normal(size=(3, 400, FEATURES)).astype(np.float32) * 20
    given = x, [*weights(), *weights(seed=2)], None
    (states, *_), (bound, *_) = exact_and_bounds(*given, return_sequences=True)
    ours = with_weights(layer_of(BiLSTM, return_sequences=True))
    np.testing.assert_allclose(ours(x), states, rtol=0, atol=bound)


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("steps", [0, 1])
def test_a_text_may_have_a_single_step_or_none(steps, return_sequences):
    """The shortest ones."""
    options = {"return_sequences": return_sequences}
    ours, stock = (with_weights(layer_of(kind, **options)) for kind in (BiLSTM, STOCK))
    expected = stock(inputs()[:, :1])[:, :steps] if return_sequences else stock(inputs()[:, :1])
    found = ours(inputs()[:, :steps])
    np.testing.assert_allclose(found, expected if steps or return_sequences else 0, atol=1e-6)
    assert found.shape == expected.shape


def test_a_diverged_input_is_not_hidden():
    """NaN in, NaN out, in that row alone, or in the rows that have that word."""
    x = inputs()
    x[2, 4, 0] = np.nan
    diverged = vectors()
    diverged[3] = np.nan
    where = (POSITION == 3).any(axis=1)
    assert 0 < where.sum() < BATCH
    layer = with_weights(layer_of(BiLSTM))
    for given, lost in ((x, np.arange(BATCH) == 2), (formed(diverged, BiLSTM), where)):
        states = np.asarray(layer(given))
        assert np.isnan(states[lost]).all()
        assert np.isfinite(states[~lost]).all()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_as_a_graph_it_gives_the_same_bytes_each_time(form):
    """Both directions run at once there, and neither the order nor the threads show."""
    options = {"return_sequences": True}
    given = form(), [*weights(), *weights(seed=2)], padded
    _, bounds = exact_and_bounds(*given, **options)
    eager, first, second = (
        differentiated(layer_of(BiLSTM, **options), compiled=compiled)(*given)
        for compiled in (False, True, True)
    )
    for one, other, without, bound in zip(first, second, eager, bounds, strict=True):
        assert one.tobytes() == other.tobytes()
        np.testing.assert_allclose(one, without, rtol=0, atol=2 * bound)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("threads", [3, 4, 18], ids="{} threads".format)
def test_rows_are_divided_among_threads(threads, form, monkeypatch):
    """As exact as without, with the same bytes each time, and even with more blocks than rows."""
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: threads)
    count = {3: 3, 4: 2, 18: 9}[threads]
    assert len(lstm.row_blocks(BATCH)) == count
    assert np.concatenate([np.arange(BATCH)[rows] for rows in lstm.row_blocks(BATCH)]).size == BATCH
    options = {"return_sequences": True}
    given = form(), [*weights(), *weights(seed=2)], scattered
    exact, bounds = exact_and_bounds(*given, **options)
    divided = differentiated(layer_of(BiLSTM, **options))
    for one, other, wanted, bound in zip(
        divided(*given), divided(*given), exact, bounds, strict=True
    ):
        assert one.tobytes() == other.tobytes()
        np.testing.assert_allclose(one, wanted, rtol=0, atol=bound)


def test_how_the_directions_are_merged_is_kerass_choice():
    """Those of its ways that aren't compiled are left to it."""
    for merge in ("concat", "sum", "mul", "ave"):
        ours, stock = (
            with_weights(kind(keras.layers.LSTM(UNITS), merge_mode=merge))
            for kind in (BiLSTM, STOCK)
        )
        expected = stock(inputs(), mask=padded)
        np.testing.assert_allclose(ours(inputs(), mask=padded), expected, atol=1e-5)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
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
def test_what_it_cannot_do_faster_it_leaves_to_keras(options, form):
    """The results are Keras's own in every configuration."""
    ours, stock = (layer_of(kind, **options) for kind in (BiLSTM, STOCK))
    for layer in (ours, stock):
        layer.build((None, None, FEATURES))
    stock.set_weights(ours.get_weights())
    x = form().astype(ours.compute_dtype)
    mine_all, theirs = (
        keras.tree.flatten(layer(formed(x, type(layer)))) for layer in (ours, stock)
    )
    for mine, keras_own in zip(mine_all, theirs, strict=True):
        np.testing.assert_array_equal(mine, keras_own)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_gpu_is_left_to_keras(form, monkeypatch):
    """With its cuDNN: the compiled functions are not called."""
    monkeypatch.setattr(lstm, "_has_gpu", lambda: True)
    monkeypatch.setattr(lstm, "recurrence", None)
    ours, stock = (with_weights(layer_of(kind)) for kind in (BiLSTM, STOCK))
    expected = stock(formed(form(), STOCK), mask=padded)
    np.testing.assert_array_equal(ours(formed(form(), BiLSTM), mask=padded), expected)


def test_an_initial_state_is_taken_up():
    """As Keras does."""
    state = [np.full((BATCH, UNITS), value, np.float32) for value in (0.3, -0.2, 0.1, 0.4)]
    ours, stock = (with_weights(layer_of(kind)) for kind in (BiLSTM, STOCK))
    mine, without = ours(inputs(), initial_state=state), ours(inputs())
    np.testing.assert_array_equal(mine, stock(inputs(), initial_state=state))
    assert not np.allclose(mine, without)


def test_it_survives_saving(tmp_path):
    """By its registered name, with its weights and either form of input."""
    dense = keras.Input((None, FEATURES))
    words = [keras.Input(batch_shape=(None, FEATURES)), keras.Input((None,), dtype="int32")]
    words.append(keras.Input((None,)))
    for form, given in ((inputs(), dense), (formed(vectors(), BiLSTM), words)):
        model = keras.Model(given, layer_of(BiLSTM, return_sequences=True)(given))
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert isinstance(again.layers[-1], BiLSTM)
        np.testing.assert_array_equal(again(form), model(form))
