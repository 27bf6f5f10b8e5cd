"""An LSTM's recurrence for the CPU, in two compiled functions: forward and backward.

They process a few steps at a time, so that data stays in the processor's cache between matrix
products. The inputs' product with the kernel is either among these, or was made before, once for
each distinct input, and is looked up.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Array = NDArray[np.float32]

CHUNK = 8  # steps that share a matrix product; their data fits in the cache
ALIGNMENT = 64  # bytes; TensorFlow uses an aligned array without copying it
# Not `nnan` and `ninf`: NaN and infinity must show that training has diverged.
_FAST = {"contract", "arcp", "reassoc", "nsz"}


def recurrence(
    dense: Any,
    words: tuple[Any, Any, Any] | None,
    weights: tuple[Any, Any, Any],
    mask: Any,
    *,
    every: bool,
    reverse: bool,
    training: bool,
    fixed: bool = False,
) -> Any:
    """States of an LSTM, differentiable with respect to its inputs and weights.

    Args:
        dense: x, (batch, time_steps, features); or None, with `words` in its place.
        words: (distinct, 4 · units), products with the kernel; <int32>[batch, time_steps], which
            of them is a step's; (batch, time_steps), by what it is multiplied. Or None.
        weights: kernel (features, 4 · units), for the gates i, f, g, o; recurrent kernel (units,
            4 · units), applied to the previous state; bias (4 · units,).
        mask: <bool>[batch, time_steps]; a masked step keeps the state.
        every: whether to return all states, 0 at masked steps, or only the last.
        reverse: whether to run from the last step to the first.
        training: whether to keep what the backward pass needs. Without, it is computed again if
            a gradient is asked for, and a prediction needs a fraction of the memory.
        fixed: whether the weights are constants; then their gradients are 0.

    Returns:
        (batch, time_steps, units), in the order of the inputs; (batch, units) without `every`.
    """
    units, width = weights[1].shape
    if words is None:
        words = tf.zeros((0, width)), tf.zeros((0, 0), tf.int32), tf.zeros((0, 0))
    if dense is None:
        dense = tf.zeros((0, 0, 0))
    projected, position, scale = words

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow publishes no types
    def states_of(*tensors: Any) -> tuple[Any, Callable[[Any], list[Any]]]:
        def forward(*, keep: bool) -> list[Any]:
            # not stateful, so that TensorFlow can run both directions in parallel
            found: list[Any] = tf.nest.flatten(
                tf.numpy_function(
                    partial(_run_forward, every=every, reverse=reverse, keep=keep),
                    [*tensors, position, scale, mask],
                    [tf.float32] * (4 if keep else 1),
                    stateful=False,
                )
            )
            return found

        states, *history = forward(keep=training)
        states.set_shape((mask.shape[0], mask.shape[1] if every else 1, units))

        def gradient(upstream: Any) -> list[Any]:
            saved = history or forward(keep=True)[1:]
            found: list[Any] = tf.numpy_function(
                partial(_run_backward, every=every, reverse=reverse, fixed=fixed),
                [upstream, *saved, *tensors, position, scale, mask],
                [tf.float32] * len(tensors),
                stateful=False,
            )
            for one, tensor in zip(found, tensors, strict=True):
                one.set_shape(tensor.shape)
            return found

        return states, gradient

    states = states_of(projected, dense, *weights)
    return states if every else states[:, 0]


# ── NumPy arrays for the compiled functions ──────────────────────────────────────────────


def _run_forward(*arrays: Any, every: bool, reverse: bool, keep: bool) -> list[Array]:
    """The states and, with `keep`, what the backward pass needs: gates, cells, hidden states."""
    projected, dense, kernel, recurrent, bias, position, scale, mask = arrays
    batch, time_steps = mask.shape
    units = len(recurrent)
    states = _aligned((batch, time_steps if every else 1, units))
    # Without history, steps write over earlier ones. The same function gives the same bytes.
    chunk = CHUNK if dense.size else 1
    gates = _aligned((time_steps if keep else chunk, batch, 4, units))
    cells = _aligned((time_steps + 1 if keep else 2, batch, units))  # before each step, and after
    hidden = _aligned(cells.shape)
    given = [projected, position, scale, dense, kernel, recurrent, bias, mask]
    _forward(*given, every, reverse, states, gates, cells, hidden)
    return [states, gates, cells, hidden] if keep else [states]


def _run_backward(*arrays: Any, every: bool, reverse: bool, fixed: bool) -> list[Array]:
    """The gradients with respect to projected, dense, kernel, recurrent and bias."""
    *saved, projected, dense, kernel, recurrent, bias, position, scale, mask = arrays
    found = [_aligned(array.shape) for array in (projected, dense, kernel, recurrent, bias)]
    transposed = [np.ascontiguousarray(kernel.T), np.ascontiguousarray(recurrent.T)]
    _backward(*saved, position, scale, dense, *transposed, mask, every, reverse, fixed, *found)
    return found


def _aligned(shape: tuple[int, ...]) -> Array:
    """An uninitialized array that starts at a multiple of `ALIGNMENT`."""
    size = int(np.prod(shape))
    memory = np.empty(size * 4 + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size * 4].view(np.float32).reshape(shape)


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that releases the GIL, and cache it on disk if possible."""
    compiled = partial(numba.njit, nogil=True, fastmath=_FAST, error_model="numpy")
    try:
        made: Callable[..., Any] = compiled(cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's cache is writable
        made = compiled()(function)
    return made


# ── the compiled functions ───────────────────────────────────────────────────────────────


@numba.njit(inline="always", fastmath=_FAST, error_model="numpy")
def tanh(x: Any) -> Any:
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


@jit
def _gather(inputs: Any, start: int, count: int, reverse: bool, rows: Any) -> None:
    """Copy the inputs of `count` steps from `start` on, step by step.

    Args:
        inputs: (batch, time_steps, features).
        start: first step, in the order of computation.
        count: number of steps.
        reverse: whether computation runs from the last step to the first.
        rows: output, (at least count · batch, features).
    """
    batch, time_steps, features = inputs.shape
    for n in range(count):
        t = time_steps - 1 - start - n if reverse else start + n
        for b in range(batch):
            for j in range(features):
                rows[n * batch + b, j] = inputs[b, t, j]


@jit
def _forward(  # noqa: PLR0912, PLR0917 (compiled: no keywords, one function for speed)
    projected: Any,
    position: Any,
    scale: Any,
    dense: Any,
    kernel: Any,
    recurrent: Any,
    bias: Any,
    mask: Any,
    every: bool,
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
        projected: (distinct, 4 · units), products with W.
        position: <int32>[batch, time_steps], which of them is a step's.
        scale: (batch, time_steps), by what it is multiplied.
        dense: x, (batch, time_steps, features); without elements, `projected` counts.
        kernel: W, (features, 4 · units).
        recurrent: U, (units, 4 · units).
        bias: b, (4 · units,).
        mask: <bool>[batch, time_steps].
        every: whether all states are wanted, 0 at masked steps, or the last.
        reverse: whether to run from the last step to the first.
        states: output, (batch, time_steps or 1, units), in the order of the inputs.
        gates: output, (steps, batch, 4, units); with fewer than time_steps, later steps write
            over earlier ones. Then it is 1 or, with a dense input, CHUNK.
        cells: output, (steps + 1 or 2, batch, units), c before each step and after the last.
        hidden: output, like `cells`, h.
    """
    batch, time_steps = mask.shape
    features = dense.shape[2]
    units, width = recurrent.shape
    flat = gates.reshape(len(gates) * batch, width)
    x = np.empty((CHUNK * batch, features), np.float32)
    recalled = np.empty((batch, width), np.float32)  # h U
    # σ(z) = tanh(z / 2) / 2 + 1 / 2, so one loop computes all four gates.
    factor = np.full(width, np.float32(0.5))
    factor[2 * units : 3 * units] = np.float32(1)
    cells[0] = np.float32(0)
    hidden[0] = np.float32(0)
    if time_steps == 0:
        states[:] = np.float32(0)
    for step in range(time_steps):
        slot, now, then = step % len(gates), step % len(cells), (step + 1) % len(cells)
        if dense.size and step % CHUNK == 0:
            count = min(CHUNK, time_steps - step)
            _gather(dense, step, count, reverse, x)
            rows = slice(slot * batch, (slot + count) * batch)
            np.dot(x[: count * batch], kernel, flat[rows])  # x W, later replaced by the gates
        np.dot(hidden[now], recurrent, recalled)
        t = time_steps - 1 - step if reverse else step
        z, a = flat[slot * batch : (slot + 1) * batch], gates[slot]
        c_before, c, h_before, h = cells[now], cells[then], hidden[now], hidden[then]
        # No slices of single rows: their reference counting takes longer than the row. And each
        # loop starts at 0, as the compiler vectorizes no others.
        for b in range(batch):
            if mask[b, t]:
                if dense.size:
                    for j in range(width):
                        recalled[b, j] += z[b, j]
                else:
                    row, times = position[b, t], scale[b, t]
                    for j in range(width):
                        recalled[b, j] += times * projected[row, j]
                for j in range(width):
                    activated = tanh((recalled[b, j] + bias[j]) * factor[j])
                    z[b, j] = activated * factor[j] + (np.float32(1) - factor[j])
                for j in range(units):
                    c[b, j] = a[b, 1, j] * c_before[b, j] + a[b, 0, j] * a[b, 2, j]
                    h[b, j] = a[b, 3, j] * tanh(c[b, j])
            else:
                for j in range(units):
                    c[b, j] = c_before[b, j]
                    h[b, j] = h_before[b, j]
            if every:
                for j in range(units):
                    states[b, t, j] = h[b, j] if mask[b, t] else np.float32(0)
            elif step == time_steps - 1:
                for j in range(units):
                    states[b, 0, j] = h[b, j]


@jit
def _backward(  # noqa: PLR0912, PLR0915, PLR0917 (compiled: no keywords, one function for speed)
    upstream: Any,
    gates: Any,
    cells: Any,
    hidden: Any,
    position: Any,
    scale: Any,
    dense: Any,
    kernel: Any,
    recurrent: Any,
    mask: Any,
    every: bool,
    reverse: bool,
    fixed: bool,
    of_projected: Any,
    of_dense: Any,
    of_kernel: Any,
    of_recurrent: Any,
    of_bias: Any,
) -> None:
    """Fill the gradients, from the last step to the first.

    Only dh, dc and `past` are carried from one chunk to the next. The gradients of x W + h U + b,
    four times as wide as the states, never leave the cache; for looked-up products, they are
    summed by row.

    Args:
        upstream: gradients of the states, (batch, time_steps or 1, units).
        gates: from the forward pass, (time_steps, batch, 4, units), as are cells and hidden states.
        cells: (time_steps + 1, batch, units).
        hidden: like `cells`.
        position: <int32>[batch, time_steps].
        scale: (batch, time_steps).
        dense: (batch, time_steps, features); without elements, `of_projected` is wanted.
        kernel: (4 · units, features), transposed.
        recurrent: (4 · units, units), transposed.
        mask: <bool>[batch, time_steps].
        every: whether the forward pass returned all states.
        reverse: whether it ran from the last step to the first.
        fixed: whether the gradients of the weights stay 0.
        of_projected: output, (distinct, 4 · units).
        of_dense: output, (batch, time_steps, features).
        of_kernel: output, (features, 4 · units).
        of_recurrent: output, (units, 4 · units).
        of_bias: output, (4 · units,).
    """
    batch, time_steps = mask.shape
    features = dense.shape[2]
    width, units = recurrent.shape
    one, zero = np.float32(1), np.float32(0)
    dh = np.zeros((batch, units), np.float32)  # through the next step's gates
    past = np.zeros((batch, units), np.float32)  # through masked steps, and from the loss
    dc = np.zeros((batch, units), np.float32)
    # of one chunk: x; the gradients of x W + h U + b
    x = np.empty((CHUNK * batch, features), np.float32)
    dz = np.empty((CHUNK, batch, 4, units), np.float32)
    before = hidden[:time_steps].reshape(time_steps * batch, units)
    flat = dz.reshape(CHUNK * batch, width)
    dx = np.empty((CHUNK * batch, features), np.float32)
    part_of_kernel, part_of_recurrent = np.empty_like(of_kernel), np.empty_like(of_recurrent)
    part_of_bias = np.empty_like(of_bias)
    ones = np.ones(CHUNK * batch, np.float32)
    of_projected[:] = zero
    of_kernel[:] = zero
    of_recurrent[:] = zero
    of_bias[:] = zero
    for end in range(time_steps, 0, -CHUNK):
        count = min(CHUNK, end)
        start = end - count
        for place in range(count - 1, -1, -1):
            step = start + place
            t = time_steps - 1 - step if reverse else step
            a, d, c_before, c = gates[step], dz[place], cells[step], cells[step + 1]
            z = flat[place * batch : (place + 1) * batch]
            for b in range(batch):
                if every and mask[b, t]:
                    for j in range(units):
                        past[b, j] += upstream[b, t, j]
                elif not every and step == time_steps - 1:
                    for j in range(units):
                        past[b, j] += upstream[b, 0, j]
                if mask[b, t]:
                    for j in range(units):
                        tanh_c = tanh(c[b, j])
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
                    if not dense.size:
                        row, times = position[b, t], scale[b, t]
                        for j in range(width):
                            of_projected[row, j] += times * z[b, j]
                else:
                    for j in range(units):
                        past[b, j] += dh[b, j]
                    for gate in range(4):
                        for j in range(units):
                            d[b, gate, j] = zero
            np.dot(z, recurrent, dh)
        rows = count * batch
        if not fixed:
            # (units, rows) × (rows, 4 · units)
            np.dot(before[start * batch : end * batch].T, flat[:rows], part_of_recurrent)
            of_recurrent += part_of_recurrent
            np.dot(ones[:rows], flat[:rows], part_of_bias)
            of_bias += part_of_bias
        if not dense.size:
            continue
        if not fixed:
            _gather(dense, start, count, reverse, x)
            np.dot(x[:rows].T, flat[:rows], part_of_kernel)
            of_kernel += part_of_kernel
        np.dot(flat[:rows], kernel, dx[:rows])
        for n in range(count):
            t = time_steps - 1 - start - n if reverse else start + n
            for b in range(batch):
                for j in range(features):
                    of_dense[b, t, j] = dx[n * batch + b, j]
