"""Keras's LSTM with a compiled recurrence for the CPU.

On a CPU, the stock layer spends most of its time launching thousands of small operations, a dozen
for every time step. Here a layer runs in two compiled functions, forward and backward. They
process a few steps at a time, so that data stays in the processor's cache between matrix products.
The mathematics, the weights and their names are Keras's.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numba
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Array = NDArray[np.float32]

CHUNK = 8  # steps that share a matrix product; their data fits in the cache
ALIGNMENT = 64  # bytes; TensorFlow uses an aligned array without copying it
# Not `nnan` and `ninf`: NaN and infinity must show that training has diverged.
_FAST = {"contract", "arcp", "reassoc", "nsz"}


@keras.saving.register_keras_serializable(package="spotlight")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, faster on a CPU; options that aren't compiled fall back to Keras.

    (batch, time_steps, features) -> (batch, time_steps, units), or (batch, units) without
    `return_sequences`. The weights are interchangeable with those of `keras.layers.LSTM`.
    """

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Return the states; at masked steps, the last state or 0, as Keras does."""
        if initial_state is not None or not self._compilable():
            return super().call(sequences, initial_state, mask=mask, training=training)
        cell = self.cell
        real = tf.ones(tf.shape(sequences)[:2], "bool") if mask is None else tf.cast(mask, "bool")
        states = _recurrence(
            sequences,
            tf.convert_to_tensor(cell.kernel),
            tf.convert_to_tensor(cell.recurrent_kernel),
            tf.convert_to_tensor(cell.bias),
            real,
            every=self.return_sequences,
            zeroed=self.return_sequences and self.zero_output_for_mask,  # as in `Bidirectional`
            reverse=self.go_backwards,
        )
        return states if self.return_sequences else states[:, 0]

    def _compilable(self) -> bool:
        plain = (
            self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
            and self.use_bias
            and not (self.dropout or self.recurrent_dropout)
            and not (self.return_state or self.stateful or self.unroll)
            and self.compute_dtype == "float32"
        )
        return plain and keras.backend.backend() == "tensorflow" and not _has_gpu()


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _recurrence(
    inputs: Any,
    kernel: Any,
    recurrent: Any,
    bias: Any,
    mask: Any,
    *,
    every: bool,
    zeroed: bool,
    reverse: bool,
) -> Any:
    """States of an LSTM, differentiable with respect to its inputs and weights.

    Args:
        inputs: (batch, time_steps, features).
        kernel: (features, 4 · units), for the gates i, f, g, o.
        recurrent: (units, 4 · units), applied to the previous state.
        bias: (4 · units,).
        mask: <bool>[batch, time_steps].
        every: whether to return all states or only the last.
        zeroed: whether states at masked steps are 0 instead of the previous state.
        reverse: whether to run from the last step to the first.

    Returns:
        (batch, time_steps, units), in the order of computation, as in Keras; (batch, 1, units)
        without `every`.
    """
    features, units = kernel.shape[0], recurrent.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def recurrence(*tensors: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
        # not stateful, so that TensorFlow can run both directions in parallel
        states, *private = tf.numpy_function(
            partial(_run_forward, every=every, zeroed=zeroed, reverse=reverse),
            [*tensors, mask],
            [tf.float32] * 4,
            stateful=False,
        )
        states.set_shape((inputs.shape[0], inputs.shape[1] if every else 1, units))

        def gradient(upstream: Any) -> tuple[Any, ...]:
            of_inputs, of_kernels, of_bias = tf.numpy_function(
                partial(_run_backward, zeroed=zeroed, reverse=reverse),
                [upstream, *private, *tensors[:3], mask],
                [tf.float32] * 3,
                stateful=False,
            )
            of_inputs.set_shape(inputs.shape)
            of_kernels.set_shape((features + units, 4 * units))
            of_bias.set_shape(bias.shape)
            return of_inputs, of_kernels[:features], of_kernels[features:], of_bias

        return states, gradient

    return recurrence(inputs, kernel, recurrent, bias)


# ── NumPy arrays for the compiled functions ──────────────────────────────────────────────


def _run_forward(
    inputs: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array,
    mask: NDArray[np.bool_],
    *,
    every: bool,
    zeroed: bool,
    reverse: bool,
) -> list[Array]:
    """The states, and what the backward pass needs: gates, cells and hidden states."""
    batch, time_steps, _ = inputs.shape
    units = len(recurrent)
    states = _aligned((batch, time_steps if every else 1, units))
    gates = _aligned((time_steps, batch, 4, units))
    cells = _aligned((time_steps + 1, batch, units))  # before each step, and after the last
    hidden = _aligned(cells.shape)
    _forward(inputs, kernel, recurrent, bias, mask, zeroed, reverse, states, gates, cells, hidden)
    return [states, gates, cells, hidden]


def _run_backward(*arrays: Array, zeroed: bool, reverse: bool) -> list[Array]:
    """The gradients with respect to inputs, both kernels (stacked) and bias."""
    *saved, inputs, kernel, recurrent, mask = arrays
    of_inputs = _aligned(inputs.shape)
    of_kernels = _aligned((len(kernel) + len(recurrent), kernel.shape[1]))
    of_bias = _aligned(kernel.shape[1:])
    transposed = [np.ascontiguousarray(kernel.T), np.ascontiguousarray(recurrent.T)]
    found = [of_inputs, of_kernels, of_bias]
    _backward(*saved, inputs, *transposed, mask, zeroed, reverse, *found)
    return found


def _aligned(shape: tuple[int, ...]) -> Array:
    """An uninitialized array that starts at a multiple of `ALIGNMENT`."""
    size = int(np.prod(shape))
    memory = np.empty(size * 4 + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size * 4].view(np.float32).reshape(shape)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that releases the GIL, and cache it on disk if possible."""
    compiled = partial(numba.njit, nogil=True, fastmath=_FAST, error_model="numpy")
    try:
        made: Callable[..., Any] = compiled(cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's cache is writable
        made = compiled()(function)
    return made


# ── the compiled functions ───────────────────────────────────────────────────────────────


@numba.njit(inline="always", fastmath=_FAST, error_model="numpy")
def _tanh(x: Any) -> Any:
    """Eigen's rational approximation of tanh, accurate to float32's last digits.

    Unlike the library's tanh, the compiler can vectorize it.
    """
    # Conditions instead of `min` and `max`, which would lose a NaN.
    x = np.float32(7.90531110763549805) if x > np.float32(7.90531110763549805) else x  # noqa: FURB136
    x = np.float32(-7.90531110763549805) if x < np.float32(-7.90531110763549805) else x  # noqa: FURB136
    x2 = x * x
    p = x2 * np.float32(-2.76076847742355e-16) + np.float32(2.00018790482477e-13)
    p = x2 * p + np.float32(-8.60467152213735e-11)
    p = x2 * p + np.float32(5.12229709037114e-08)
    p = x2 * p + np.float32(1.48572235717979e-05)
    p = x2 * p + np.float32(6.37261928875436e-04)
    p = x2 * p + np.float32(4.89352455891786e-03)
    q = x2 * np.float32(1.19825839466702e-06) + np.float32(1.18534705686654e-04)
    q = x2 * q + np.float32(2.26843463243900e-03)
    q = x2 * q + np.float32(4.89352518554385e-03)
    return x * p / q


@numba.njit(inline="always", fastmath=_FAST, error_model="numpy")
def _sigmoid(x: Any) -> Any:
    return np.float32(0.5) * _tanh(np.float32(0.5) * x) + np.float32(0.5)


@_compiled
def _gather(inputs: Any, start: int, count: int, reverse: bool, rows: Any) -> None:
    """Copy the inputs of `count` steps from `start` on, step by step.

    Args:
        inputs: (batch, time_steps, features).
        start: first step, in the order of computation.
        count: number of steps.
        reverse: whether computation runs from the last step to the first.
        rows: output, (at least count · batch, at least features).
    """
    batch, time_steps, features = inputs.shape
    for n in range(count):
        t = time_steps - 1 - start - n if reverse else start + n
        for b in range(batch):
            for j in range(features):
                rows[n * batch + b, j] = inputs[b, t, j]


@_compiled
def _forward(  # noqa: PLR0917 (compiled functions take no keywords)
    inputs: Any,
    kernel: Any,
    recurrent: Any,
    bias: Any,
    mask: Any,
    zeroed: bool,
    reverse: bool,
    states: Any,
    gates: Any,
    cells: Any,
    hidden: Any,
) -> None:
    """Fill states, gates, cells and hidden states, step by step.

    i, f, o = σ(·), g = tanh(·) of x W + h U + b; c ← f c + i g; h = o tanh c
    (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    Args:
        inputs: (batch, time_steps, features).
        kernel: W, (features, 4 · units).
        recurrent: U, (units, 4 · units).
        bias: b, (4 · units,).
        mask: <bool>[batch, time_steps].
        zeroed: whether states are 0 at masked steps.
        reverse: whether to run from the last step to the first.
        states: output, (batch, n, units), of the last n steps.
        gates: output, (time_steps, batch, 4, units).
        cells: output, (time_steps + 1, batch, units), c before each step and after the last.
        hidden: output, like `cells`, h.
    """
    batch, time_steps, features = inputs.shape
    units, width = recurrent.shape
    first = time_steps - states.shape[1]
    flat = gates.reshape(time_steps * batch, width)
    x = np.empty((CHUNK * batch, features), np.float32)
    recalled = np.empty((batch, width), np.float32)  # h U
    # σ(z) = tanh(z / 2) / 2 + 1 / 2, so one loop computes all four gates.
    scale = np.full(width, np.float32(0.5))
    scale[2 * units : 3 * units] = np.float32(1)
    cells[0] = np.float32(0)
    hidden[0] = np.float32(0)
    states[:, :1] = np.float32(0)  # in case there are no steps
    for step in range(time_steps):
        if step % CHUNK == 0:
            count = min(CHUNK, time_steps - step)
            _gather(inputs, step, count, reverse, x)
            rows = slice(step * batch, (step + count) * batch)
            np.dot(x[: count * batch], kernel, flat[rows])  # x W, later replaced by the gates
        np.dot(hidden[step], recurrent, recalled)
        t = time_steps - 1 - step if reverse else step
        z, a = flat[step * batch : (step + 1) * batch], gates[step]
        c_before, c, h_before, h = cells[step], cells[step + 1], hidden[step], hidden[step + 1]
        # No slices of single rows: their reference counting takes longer than the row. And each
        # loop starts at 0, as the compiler vectorizes no others.
        for b in range(batch):
            if mask[b, t]:
                for j in range(width):
                    activated = _tanh((z[b, j] + recalled[b, j] + bias[j]) * scale[j])
                    z[b, j] = activated * scale[j] + (np.float32(1) - scale[j])
                for j in range(units):
                    c[b, j] = a[b, 1, j] * c_before[b, j] + a[b, 0, j] * a[b, 2, j]
                    h[b, j] = a[b, 3, j] * _tanh(c[b, j])
            else:
                for j in range(units):
                    c[b, j] = c_before[b, j]
                    h[b, j] = h_before[b, j]
            if step >= first:
                shown = mask[b, t] or not zeroed
                for j in range(units):
                    states[b, step - first, j] = h[b, j] if shown else np.float32(0)


@_compiled
def _backward(  # noqa: PLR0912, PLR0917 (compiled: no keywords, one function for speed)
    upstream: Any,
    gates: Any,
    cells: Any,
    hidden: Any,
    inputs: Any,
    kernel: Any,
    recurrent: Any,
    mask: Any,
    zeroed: bool,
    reverse: bool,
    of_inputs: Any,
    of_kernels: Any,
    of_bias: Any,
) -> None:
    """Fill the gradients, from the last step to the first.

    Only dh, dc and `past` are carried from one chunk to the next. The gradients of x W + h U + b,
    four times as wide as the states, never leave the cache.

    Args:
        upstream: gradients of the states, (batch, n, units), of the last n steps.
        gates: from the forward pass, as are cells and hidden states.
        cells: (time_steps + 1, batch, units).
        hidden: like `cells`.
        inputs: (batch, time_steps, features).
        kernel: (4 · units, features), transposed.
        recurrent: (4 · units, units), transposed.
        mask: <bool>[batch, time_steps].
        zeroed: whether states were 0 at masked steps.
        reverse: whether the forward pass ran from the last step to the first.
        of_inputs: output, (batch, time_steps, features).
        of_kernels: output, (features + units, 4 · units), the kernel's rows first.
        of_bias: output, (4 · units,).
    """
    batch, time_steps, features = inputs.shape
    width, units = recurrent.shape
    first = time_steps - upstream.shape[1]
    one, zero = np.float32(1), np.float32(0)
    dh = np.zeros((batch, units), np.float32)  # through the next step's gates
    past = np.zeros((batch, units), np.float32)  # through masked steps, and from the loss
    dc = np.zeros((batch, units), np.float32)
    # of one chunk: x and the previous h, side by side; the gradients of x W + h U + b
    xh = np.empty((CHUNK * batch, features + units), np.float32)
    dz = np.empty((CHUNK, batch, 4, units), np.float32)
    before = hidden[:time_steps].reshape(time_steps * batch, units)
    flat = dz.reshape(CHUNK * batch, width)
    dx = np.empty((CHUNK * batch, features), np.float32)
    part_of_kernels, part_of_bias = np.empty_like(of_kernels), np.empty_like(of_bias)
    ones = np.ones(CHUNK * batch, np.float32)
    of_kernels[:] = zero
    of_bias[:] = zero
    for end in range(time_steps, 0, -CHUNK):
        count = min(CHUNK, end)
        start = end - count
        for place in range(count - 1, -1, -1):
            step = start + place
            t = time_steps - 1 - step if reverse else step
            a, d, c_before, c = gates[step], dz[place], cells[step], cells[step + 1]
            for b in range(batch):
                if step >= first and (mask[b, t] or not zeroed):
                    for j in range(units):
                        past[b, j] += upstream[b, step - first, j]
                if mask[b, t]:
                    for j in range(units):
                        tanh_c = _tanh(c[b, j])
                        total = dh[b, j] + past[b, j]
                        d[b, 3, j] = total * tanh_c * a[b, 3, j] * (one - a[b, 3, j])
                        past[b, j] = zero
                        dc[b, j] += total * a[b, 3, j] * (one - tanh_c * tanh_c)
                    for j in range(units):
                        d[b, 0, j] = dc[b, j] * a[b, 2, j] * a[b, 0, j] * (one - a[b, 0, j])
                    for j in range(units):
                        d[b, 1, j] = dc[b, j] * c_before[b, j] * a[b, 1, j] * (one - a[b, 1, j])
                    for j in range(units):
                        d[b, 2, j] = dc[b, j] * a[b, 0, j] * (one - a[b, 2, j] * a[b, 2, j])
                    for j in range(units):
                        dc[b, j] *= a[b, 1, j]
                else:
                    for j in range(units):
                        past[b, j] += dh[b, j]
                    for gate in range(4):
                        for j in range(units):
                            d[b, gate, j] = zero
            np.dot(flat[place * batch : (place + 1) * batch], recurrent, dh)
        rows = count * batch
        _gather(inputs, start, count, reverse, xh)
        xh[:rows, features:] = before[start * batch : end * batch]
        # (features + units, rows) × (rows, 4 · units)
        np.dot(xh[:rows].T, flat[:rows], part_of_kernels)
        of_kernels += part_of_kernels
        np.dot(ones[:rows], flat[:rows], part_of_bias)
        of_bias += part_of_bias
        np.dot(flat[:rows], kernel, dx[:rows])
        for n in range(count):
            t = time_steps - 1 - start - n if reverse else start + n
            for b in range(batch):
                for j in range(features):
                    of_inputs[b, t, j] = dx[n * batch + b, j]
