"""Adam with sparse updates of embeddings, and averaging of weights."""

from typing import Any

import keras
import tensorflow as tf

EVERY = 10  # steps between updates of the average


class Adam(keras.optimizers.Adam):
    """Keras's Adam, except that it updates only those rows of an embedding that a batch reads.

    The dense rule updates all rows at every step, by the momentum of earlier gradients. For words
    that the batch lacks, that is most of the step's memory traffic. Here their moments stay
    unchanged, as in PyTorch's SparseAdam. Variables are float32.
    """

    def apply(self, gradients: Any, variables: Any) -> None:
        """Take a step: what all variables share is computed once."""
        step = tf.cast(self.iterations.value + 1, tf.float32)
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        self._shared = {
            "beta1": beta_1,
            "beta2": beta_2,
            "beta1_power": beta_1**step,
            "beta2_power": beta_2**step,
            "epsilon": tf.constant(self.epsilon),
        }
        super().apply(gradients, variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable (Kingma & Ba 2015, algorithm 1, as reordered in section 2).

        A dense gradient's update is one operation of TensorFlow's. Keras's rule is thirty, which
        took half of the time that a step takes to trace.
        """
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        shared, rate = self._shared, tf.convert_to_tensor(learning_rate)
        if not isinstance(gradient, tf.IndexedSlices):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=momentum.handle,
                v=velocity.handle,
                lr=rate,
                grad=gradient,
                **shared,
            )
            return
        rows, position = tf.unique(gradient.indices)
        g = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
        rate *= tf.sqrt(1 - shared["beta2_power"]) / (1 - shared["beta1_power"])
        m = tf.gather(momentum, rows) * self.beta_1 + g * (1 - self.beta_1)
        v = tf.gather(velocity, rows) * self.beta_2 + tf.square(g) * (1 - self.beta_2)
        momentum.scatter_update(tf.IndexedSlices(m, rows))
        velocity.scatter_update(tf.IndexedSlices(v, rows))
        moved = rate * m / (tf.sqrt(v) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(moved, rows))


class Average:
    """The exponential moving average of variables (Polyak & Juditsky 1992, in its usual form).

    At first it is the plain mean, so that the random initial weights don't count.

    Args:
        variables: the variables to average.
        decay: how much of the average a step keeps; 0.998 averages over about 500 steps.
    """

    def __init__(self, variables: list[Any], decay: float) -> None:
        self._variables = variables
        self._decay = decay**EVERY
        self.values = [tf.Variable(variable.value, trainable=False) for variable in variables]

    def add(self, iterations: Any) -> None:
        """Update the average after `iterations` steps, every tenth time, and each of the first."""
        due = tf.logical_or(iterations < EVERY, tf.equal(iterations % EVERY, 0))
        tf.cond(due, lambda: self._add(iterations), tf.no_op)

    def _add(self, iterations: Any) -> tf.Operation:
        # Up to the tenth step, it is the present weights.
        count = tf.cast(tf.maximum(iterations // EVERY, 1), tf.float32)
        share = 1 - tf.minimum(self._decay, (count - 1) / count)
        return tf.group(
            *(
                value.assign_sub(share * (value - variable))
                for value, variable in zip(self.values, self._variables, strict=True)
            )
        )
