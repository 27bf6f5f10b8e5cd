"""Keras's LSTM, with its recurrence in one piece of machine code where no GPU does it better.

On a CPU the stock layer spends most of its time on starting thousands of small operations, a
dozen for every time step. Here the products with all inputs are one matrix product for the
whole sequence, and what has to go step by step runs in two compiled functions, forward and
backward. The mathematics, the weights and their names are Keras's own.
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

ALIGNMENT = 64  # bytes; TensorFlow takes an aligned array without copying it
# NaN and infinity keep their meaning: a diverged training has to be seen.
_FAST = {"contract", "arcp", "reassoc", "nsz"}


@keras.saving.register_keras_serializable(package="spotlight")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, faster on a CPU; what it can't do faster it leaves to Keras.

    (batch, time_steps, features) -> (batch, time_steps, units), or (batch, units) without
    `return_sequences`. The weights fit `keras.layers.LSTM` and give the same states.
    """

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Return the states; at a masked one the last state or 0, as Keras does."""
        if initial_state is not None or not self._compilable():
            return super().call(sequences, initial_state, mask=mask, training=training)
        cell = self.cell
        batch, time_steps = tf.shape(sequences)[0], tf.shape(sequences)[1]
        # One product for all steps: (batch · time_steps, features) × (features, 4 · units)
        projected = tf.matmul(tf.reshape(sequences, (-1, sequences.shape[-1])), cell.kernel)
        projected = tf.reshape(
            tf.nn.bias_add(projected, cell.bias), (batch, time_steps, 4 * self.units)
        )
        real = tf.ones((batch, time_steps), "bool") if mask is None else tf.cast(mask, "bool")
        kernel = tf.convert_to_tensor(cell.recurrent_kernel)
        states = _recurrence(projected, kernel, real, reverse=self.go_backwards)
        if not self.return_sequences:
            return states[:, 0] if self.go_backwards else states[:, -1]
        if mask is not None and self.zero_output_for_mask:  # `Bidirectional` wants it so
            states = tf.where(real[:, :, None], states, 0.0)
        # Keras returns the states in the order in which they were computed.
        return tf.reverse(states, [1]) if self.go_backwards else states

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


def _recurrence(projected: Any, kernel: Any, mask: Any, *, reverse: bool) -> Any:
    """States of an LSTM from its projected inputs, differentiable in both.

    Args:
        projected: (batch, time_steps, 4 · units), x W + b for the gates i, f, g, o.
        kernel: (units, 4 · units), what the state before is multiplied with.
        mask: <bool>[batch, time_steps].
        reverse: from the last step to the first.

    Returns:
        (batch, time_steps, units), in the order of time.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def recurrence(projected: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
        shape, units = projected.shape, kernel.shape[0]
        # Not stateful, so that TensorFlow may run both directions at once.
        states, gates, cells = tf.numpy_function(
            _forward_backward if reverse else _forward_forward,
            [projected, kernel, mask],
            [tf.float32] * 3,
            stateful=False,
        )
        for tensor, width in ((states, units), (gates, 4 * units), (cells, units)):
            tensor.set_shape((*shape[:2], width))

        def gradient(upstream: Any) -> tuple[Any, Any]:
            slopes = tf.numpy_function(
                _backward_backward if reverse else _backward_forward,
                [upstream, gates, cells, kernel, mask],
                tf.float32,
                stateful=False,
            )
            slopes.set_shape(shape)
            nothing = tf.zeros_like(states[:, :1])
            before = (
                tf.concat([states[:, 1:], nothing], axis=1)
                if reverse
                else tf.concat([nothing, states[:, :-1]], axis=1)
            )
            # (units, batch · time_steps) × (batch · time_steps, 4 · units)
            of_kernel = tf.matmul(
                tf.reshape(before, (-1, units)),
                tf.reshape(slopes, (-1, 4 * units)),
                transpose_a=True,
            )
            return slopes, of_kernel

        return states, gradient

    return recurrence(projected, kernel)


# ── what NumPy hands to the compiled functions ───────────────────────────────────────────


def _forward_forward(projected: Array, kernel: Array, mask: NDArray[np.bool_]) -> list[Array]:
    return _run_forward(projected, kernel, mask, reverse=False)


def _forward_backward(projected: Array, kernel: Array, mask: NDArray[np.bool_]) -> list[Array]:
    return _run_forward(projected, kernel, mask, reverse=True)


def _run_forward(
    projected: Array, kernel: Array, mask: NDArray[np.bool_], *, reverse: bool
) -> list[Array]:
    batch, time_steps, width = projected.shape
    states = _aligned((batch, time_steps, width // 4))
    gates, cells = _aligned(projected.shape), _aligned(states.shape)
    _forward(projected, kernel, mask, reverse, states, gates, cells)
    return [states, gates, cells]


def _backward_forward(*arrays: Any) -> Array:
    return _run_backward(*arrays, reverse=False)


def _backward_backward(*arrays: Any) -> Array:
    return _run_backward(*arrays, reverse=True)


def _run_backward(
    upstream: Array,
    gates: Array,
    cells: Array,
    kernel: Array,
    mask: NDArray[np.bool_],
    *,
    reverse: bool,
) -> Array:
    slopes = _aligned(gates.shape)
    _backward(upstream, gates, cells, np.ascontiguousarray(kernel.T), mask, reverse, slopes)
    return slopes


def _aligned(shape: tuple[int, ...]) -> Array:
    """An array without content that begins at a multiple of `ALIGNMENT`."""
    size = int(np.prod(shape))
    memory = np.empty(size * 4 + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size * 4].view(np.float32).reshape(shape)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code that lets other threads run; kept on disk where a folder for it is found."""
    compiled = partial(numba.njit, nogil=True, fastmath=_FAST, error_model="numpy")
    try:
        made: Callable[..., Any] = compiled(cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's own can be written
        made = compiled()(function)
    return made


# ── the compiled functions ───────────────────────────────────────────────────────────────


@numba.njit(inline="always", fastmath=_FAST, error_model="numpy")
def _tanh(x: Any) -> Any:
    """tanh as a quotient of polynomials, exact to float32's last digits: Eigen's own.

    The compiler turns it into vector instructions, which it can't do with the library's.
    """
    # Conditions, for `min` and `max` would lose a NaN.
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
def _forward(  # noqa: PLR0917 (compiled functions take no keywords)
    projected: Any, kernel: Any, mask: Any, reverse: bool, states: Any, gates: Any, cells: Any
) -> None:
    """Fill states, gates and cells, step after step.

    i, f, o = σ(·), g = tanh(·) of x W + h U + b; c ← f c + i g; h = o tanh c
    (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
    """
    batch, time_steps, width = projected.shape
    units = width // 4
    h = np.zeros((batch, units), np.float32)
    c = np.zeros((batch, units), np.float32)
    recurrent = np.zeros((batch, width), np.float32)
    for step in range(time_steps):
        t = time_steps - 1 - step if reverse else step
        if step > 0:
            np.dot(h, kernel, recurrent)
        for b in range(batch):
            # Slices, so that each loop runs from 0: the compiler makes vectors of no other.
            h_b, c_b = h[b], c[b]
            if mask[b, t]:
                z, u, a = projected[b, t], recurrent[b], gates[b, t]
                z_if, u_if, a_if = z[: 2 * units], u[: 2 * units], a[: 2 * units]
                for j in range(2 * units):
                    a_if[j] = _sigmoid(z_if[j] + u_if[j])
                z_g, u_g = z[2 * units : 3 * units], u[2 * units : 3 * units]
                i, f, g, o = (
                    a[:units],
                    a[units : 2 * units],
                    a[2 * units : 3 * units],
                    a[3 * units :],
                )
                for j in range(units):
                    g[j] = _tanh(z_g[j] + u_g[j])
                z_o, u_o = z[3 * units :], u[3 * units :]
                for j in range(units):
                    o[j] = _sigmoid(z_o[j] + u_o[j])
                for j in range(units):
                    c_b[j] = f[j] * c_b[j] + i[j] * g[j]
                for j in range(units):
                    h_b[j] = o[j] * _tanh(c_b[j])
            h_out, c_out = states[b, t], cells[b, t]
            for j in range(units):
                h_out[j] = h_b[j]
                c_out[j] = c_b[j]


@_compiled
def _backward(  # noqa: PLR0912, PLR0917
    upstream: Any, gates: Any, cells: Any, transposed: Any, mask: Any, reverse: bool, slopes: Any
) -> None:
    """Fill slopes, the loss's derivatives by x W + h U + b, from the last step to the first.

    Args:
        upstream: the loss's derivatives by the states.
        gates: of the forward pass.
        cells: of the forward pass.
        transposed: (4 · units, units), the recurrent kernel.
        mask: of the steps.
        reverse: whether the forward pass began at the last step.
        slopes: (batch, time_steps, 4 · units).
    """
    batch, time_steps, width = gates.shape
    units = width // 4
    one = np.float32(1)
    nothing = np.zeros(units, np.float32)
    dh = np.zeros((batch, units), np.float32)  # through the next step's gates
    carried = np.zeros((batch, units), np.float32)  # through masked steps, past the gates
    dc = np.zeros((batch, units), np.float32)
    dz = np.zeros((batch, width), np.float32)
    for step in range(time_steps - 1, -1, -1):
        t = time_steps - 1 - step if reverse else step
        before = t + 1 if reverse else t - 1
        for b in range(batch):
            dh_b, dc_b, up, past, dz_b, out = (
                dh[b],
                dc[b],
                upstream[b, t],
                carried[b],
                dz[b],
                slopes[b, t],
            )
            if mask[b, t]:
                a, c = gates[b, t], cells[b, t]
                c_before = cells[b, before] if step > 0 else nothing
                i, f, g, o = (
                    a[:units],
                    a[units : 2 * units],
                    a[2 * units : 3 * units],
                    a[3 * units :],
                )
                di, df = dz_b[:units], dz_b[units : 2 * units]
                dg, do = dz_b[2 * units : 3 * units], dz_b[3 * units :]
                for j in range(units):
                    tanh_c = _tanh(c[j])
                    total = dh_b[j] + past[j] + up[j]
                    do[j] = total * tanh_c * o[j] * (one - o[j])
                    dc_b[j] += total * o[j] * (one - tanh_c * tanh_c)
                for j in range(units):
                    di[j] = dc_b[j] * g[j] * i[j] * (one - i[j])
                for j in range(units):
                    df[j] = dc_b[j] * c_before[j] * f[j] * (one - f[j])
                for j in range(units):
                    dg[j] = dc_b[j] * i[j] * (one - g[j] * g[j])
                for j in range(units):
                    dc_b[j] *= f[j]
                for j in range(units):
                    past[j] = np.float32(0)
            else:
                for j in range(units):
                    past[j] += dh_b[j] + up[j]
                for j in range(width):
                    dz_b[j] = np.float32(0)
            for j in range(width):
                out[j] = dz_b[j]
        np.dot(dz, transposed, dh)
