"""A bidirectional LSTM against Keras's own layer in float64, and what they are given.

How far float32 may be from float64 follows from the problem, not from the processor: each number
that goes in is known to half a unit in its last place, so nothing that comes out is known better
than what moving every input and weight by that much changes (its condition). A sound float32
program adds a small multiple of that by rounding on the way. Keras's own layer stays within
3 times, and so does ours; `ALLOWED` leaves room for another order of summation.
"""

from functools import cache, partial

import keras
import numpy as np
import tensorflow as tf

from pipeline.models.lstm import BiLSTM
from pipeline.models.words import spread

BATCH, TIME_STEPS, FEATURES, UNITS = 7, 23, 5, 6

padded = np.arange(TIME_STEPS) < np.array([1, 2, 5, 11, 17, 22, 23])[:, None]
scattered = np.random.default_rng(3).random((BATCH, TIME_STEPS)) < 0.6
MASKS = {"none": None, "padded": padded, "scattered": scattered, "empty": padded & (padded[:, 1:2])}


# Seven distinct words, one of which no row has, where they are, and by what they are multiplied.
WORDS = 8
POSITION = np.random.default_rng(6).integers(0, WORDS - 1, (BATCH, TIME_STEPS)).astype(np.int32)
POSITION[0] %= 3  # so not every row has word 3
SCALE = np.random.default_rng(7).choice([0.0, 1.25], (BATCH, TIME_STEPS), p=[0.2, 0.8])
SCALE = SCALE.astype(np.float32)


def inputs(seed=0):
    """<float32>[batch, time_steps, features]."""
    shape = (BATCH, TIME_STEPS, FEATURES)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def vectors():
    """<float32>[words, features]."""
    return np.random.default_rng(8).normal(size=(WORDS, FEATURES)).astype(np.float32)


FORMS = {"dense": inputs, "words": vectors}


def formed(x, kind):
    """What a layer of that kind takes: inputs as they are, vectors with where they are."""
    if x.ndim == 3:
        return x
    words = [tf.convert_to_tensor(x), tf.constant(POSITION), tf.cast(SCALE, x.dtype)]
    return words if kind is BiLSTM else spread(*words)


def with_weights(layer):
    """The layer, with weights that saturate its gates now and then."""
    layer.build((None, None, FEATURES))
    layer.set_weights([*weights(), *weights(seed=2)][: len(layer.weights)])
    return layer


HALF_A_UNIT = 2.0**-24  # in the last place of a float32, relative
ALLOWED = 8
DRAWS = 8  # directions in which all inputs and weights are moved


def weights(features=FEATURES, seed=1):
    """Kernel, recurrent kernel and bias, large enough for the gates to saturate now and then."""
    rng = np.random.default_rng(seed)
    shapes = [(features, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def layer_of(kind, *, dtype="float32", **options):
    """A bidirectional layer of that class."""
    return kind(keras.layers.LSTM(UNITS, dtype=dtype, **options), dtype=dtype)


STOCK = keras.layers.Bidirectional


def differentiated(layer, *, compiled=True, training=False):
    """A function of inputs, weights and mask: the layer's states, and gradients.

    They are those of a weighted sum of the states by inputs and weights.
    """
    layer.build((None, None, FEATURES))

    def states_and_gradients(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = layer(formed(x, type(layer)), mask=mask, training=training)
            of_states = tf.cast(tf.random.stateless_normal(tf.shape(states), [1, 2]), states.dtype)
            loss = tf.reduce_sum(states * of_states)
        return [states, *tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])]

    compiling = partial(tf.function, autograph=False) if compiled else lambda function: function
    run = compiling(states_and_gradients)

    def of(x, values, mask):
        layer.set_weights(values)
        if mask is None and type(layer) is STOCK:
            mask = np.ones(x.shape[:2] if x.ndim == 3 else POSITION.shape, bool)  # one trace less
        mask = None if mask is None else tf.constant(mask)
        found = run(tf.constant(x.astype(layer.compute_dtype)), mask)
        return [tf.convert_to_tensor(array).numpy() for array in found]

    return of


@cache  # tracing takes longer than running
def program(kind, dtype="float32", *, training=False, **options):
    """What `differentiated` returns of a layer of that class, the same for the same arguments."""
    return differentiated(layer_of(kind, dtype=dtype, **options), training=training)


def exact_and_bounds(x, values, mask, **options):
    """Keras's layer in float64, and how far a float32 program may be from each of its arrays."""
    exact = program(STOCK, "float64", **options)
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
    for kind in (BiLSTM, STOCK):
        mine_all = program(kind, **options)(x, values, mask)
        for mine, exact, bound in zip(mine_all, found, bounds, strict=True):
            assert np.abs(exact).max() > 0.01
            np.testing.assert_allclose(mine, exact, rtol=0, atol=bound, err_msg=kind.__module__)
