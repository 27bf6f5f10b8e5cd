"""Adam that does no more work for an embedding than its batch asks for; averages of weights."""

from typing import Any

import keras
import tensorflow as tf

EVERY = 10  # steps from one addition to the average to the next


class Adam(keras.optimizers.Adam):
    """Keras's Adam; of an embedding, only the rows that a batch reads are moved.

    The dense rule moves all rows at every step, by what is left of old gradients: most of the
    step's memory traffic, for words that are not there. Here their moments wait, as in
    PyTorch's SparseAdam.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable (Kingma & Ba 2015, algorithm 1, in the order of section 2's end)."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        rows, position = tf.unique(gradient.indices)
        slope = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))

        step = tf.cast(self.iterations + 1, slope.dtype)
        rate = tf.cast(learning_rate, slope.dtype)
        rate *= tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        m = tf.gather(momentum, rows) * self.beta_1 + slope * (1 - self.beta_1)
        v = tf.gather(velocity, rows) * self.beta_2 + tf.square(slope) * (1 - self.beta_2)
        momentum.scatter_update(tf.IndexedSlices(m, rows))
        velocity.scatter_update(tf.IndexedSlices(v, rows))
        moved = rate * m / (tf.sqrt(v) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(moved, rows))


class Average:
    """The exponential moving average of variables (Polyak & Juditsky 1992, in its usual form).

    Until there is enough to remember it is the plain mean, so the first weights, which are
    chance, count for nothing.

    Args:
        variables: to average.
        decay: how much of the average a step keeps; 0.998 remembers some 500 steps.
    """

    def __init__(self, variables: list[Any], decay: float) -> None:
        self._variables = variables
        self._decay = decay**EVERY
        self.values = [tf.Variable(variable.value, trainable=False) for variable in variables]

    def add(self, iterations: Any) -> None:
        """Take in the variables as they are after so many steps, at every tenth."""
        tf.cond(tf.equal(iterations % EVERY, 0), lambda: self._add(iterations), tf.no_op)

    def _add(self, iterations: Any) -> tf.Operation:
        count = tf.cast(iterations // EVERY, tf.float32)
        decay = tf.minimum(self._decay, (count - 1) / count)
        return tf.group(
            *(
                value.assign_sub((1 - decay) * (value - variable))
                for value, variable in zip(self.values, self._variables, strict=True)
            )
        )
