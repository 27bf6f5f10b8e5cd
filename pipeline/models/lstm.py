"""Keras's bidirectional LSTM, compiled for the CPU.

On a CPU, the stock layer spends most of its time launching thousands of small operations, a dozen
for every time step. Here each direction runs in two compiled functions (`models.recurrence`), and
with more than two threads on blocks of a batch's rows at once. The mathematics, the weights and
their names are Keras's.
"""

from itertools import pairwise
from typing import Any

import keras
import tensorflow as tf

from pipeline.models.recurrence import recurrence
from pipeline.models.words import spread


@keras.saving.register_keras_serializable(package="spotlight")
class BiLSTM(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional` of an LSTM, faster on a CPU.

    Its input is either

    - (batch, time_steps, features), or
    - [vectors, position, scale], (distinct, features), <int32>[batch, time_steps] and (batch,
      time_steps), which stand for scale · vectors[position]. The products with the kernels, and
      their gradients, are then computed once for each distinct vector.

    The output is `Bidirectional`'s, and the weights are interchangeable with its. Options that
    aren't compiled are left to Keras, and so is a GPU. Its cuDNN demands of a mask that each row
    begins with its real steps, one at least, as all batches of `encoding.batching` do.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.input_spec = None  # Keras's knows only the dense form

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Create the weights."""
        super().build(_dense_shape(sequences_shape), initial_state_shape)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        fixed: bool = False,
    ) -> Any:
        """Return the merged states; at masked steps 0, as Keras does.

        With `fixed`, the weights are constants: only the input's gradients are computed.
        """
        words = sequences if isinstance(sequences, list | tuple) else None
        mask = _of_steps(mask)
        if initial_state is not None or not self.compilable():
            dense = sequences if words is None else spread(*words)
            return super().call(dense, initial_state, mask=mask, training=training)
        if mask is None:
            mask = tf.ones(tf.shape(sequences if words is None else words[1])[:2], "bool")
        states = [
            _states(layer, sequences, tf.cast(mask, "bool"), training=bool(training), fixed=fixed)
            for layer in (self.forward_layer, self.backward_layer)
        ]
        return tf.concat(states, axis=-1) if self.merge_mode == "concat" else tf.add_n(states)

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """The steps' mask, if all states are returned."""
        return super().compute_mask(sequences, _of_steps(mask))

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """As `Bidirectional`'s."""
        return super().compute_output_shape(_dense_shape(sequences_shape), initial_state_shape)

    def compilable(self) -> bool:
        """Whether it is compiled for the CPU, or left to Keras."""
        plain = all(
            type(layer) is keras.layers.LSTM
            and layer.activation is keras.activations.tanh
            and layer.recurrent_activation is keras.activations.sigmoid
            and layer.use_bias
            and not (layer.dropout or layer.recurrent_dropout)
            and not (layer.return_state or layer.stateful or layer.unroll)
            and layer.compute_dtype == "float32"
            for layer in (self.forward_layer, self.backward_layer)
        )
        known = self.merge_mode in {"concat", "sum"} and self.backward_layer.go_backwards
        return plain and known and keras.backend.backend() == "tensorflow" and not _has_gpu()


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _states(layer: Any, sequences: Any, mask: Any, *, training: bool, fixed: bool) -> Any:
    """The states of one direction."""
    cell = layer.cell
    kernel, recurrent, bias = map(
        tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    projected, of_rows = None, [sequences]
    if isinstance(sequences, list | tuple):
        vectors, *of_rows = sequences
        projected = tf.matmul(vectors, kernel)

    def states(mask: Any, *given: Any) -> Any:
        dense, words = (given[0], None) if projected is None else (None, (projected, *given))
        return recurrence(
            dense,
            words,
            (kernel, recurrent, bias),
            mask,
            every=layer.return_sequences,
            reverse=layer.go_backwards,
            training=training,
            fixed=fixed,
        )

    blocks = row_blocks(tf.shape(mask)[0])
    if len(blocks) == 1:
        return states(mask, *of_rows)
    parts = [states(*(tensor[rows] for tensor in (mask, *of_rows))) for rows in blocks]
    return tf.concat(parts, axis=0)


def row_blocks(batch: Any) -> list[slice]:
    """A batch's rows in nearly equal blocks, as few as keep all threads busy in two directions.

    How many depends on the number of threads alone, so results have the same bytes each time.
    """
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    count = max(1, threads // 2 if threads % 2 == 0 else threads)
    edges = [None, *(batch * number // count for number in range(1, count)), None]
    return [slice(*ends) for ends in pairwise(edges)]


def _of_steps(mask: Any) -> Any:
    """The mask of steps, which the positions carry."""
    return mask[1] if isinstance(mask, list | tuple) else mask


def _dense_shape(shape: Any) -> Any:
    """(batch, time_steps, features) of either form's shape or shapes."""
    if not isinstance(shape[0], list | tuple):
        return shape
    vectors, position, _ = shape
    return (*position, vectors[-1])
