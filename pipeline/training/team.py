"""One training by several processes, on one machine or on several.

Each worker has the whole model, and computes the gradients of its own rows of every batch. Their
sum is the gradient of the batch, and all workers make the same step with it. So the steps are
those of one process alone, up to the order of additions.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.training.inference import predict

Gradients = Callable[..., tuple[tf.Tensor, list[Any]]]


@dataclass(frozen=True)
class Team:
    """The processes, called workers, that train one model together.

    Attributes:
        count: how many they are.
        index: which of them this one is. The first, 0, is the chief: it alone writes.
        strategy: TensorFlow's, which connects them; None for a single worker.
    """

    count: int = 1
    index: int = 0
    strategy: Any = None

    @property
    def chief(self) -> bool:
        return self.index == 0

    def of_whole_batch(self, gradients: Gradients) -> Gradients:
        """Make the function by which all workers compute the gradients of a batch together.

        It is called with the whole batch, so that all workers' rows have one length.

        Args:
            gradients: batch, or batch and labels -> (mean loss, or several of them, gradients of
                it and of penalties).
        """
        if self.count == 1:
            return gradients

        def of_own(*batch: tf.Tensor) -> list[Any]:
            rows, weight = own_rows(tf.shape(batch[0])[0], self.index, self.count)
            loss, found = gradients(*(tf.gather(each, rows) for each in batch))
            weighted = [tf.math.scalar_mul(weight, one) for one in (loss, *found)]
            total: list[Any] = _summed(weighted)  # of an embedding's, the rows are gathered
            return total

        def of_all(*batch: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
            loss, *found = self.strategy.run(of_own, batch)
            return loss, found

        return of_all

    def predict(self, model: keras.Model, sequences: Sequences) -> NDArray[np.float32]:
        """Predict as `inference.predict` does, each worker some of the rows."""
        if self.count == 1:
            return predict(model, sequences)
        rows = np.arange(self.index, len(sequences), self.count)
        own = predict(model, sequences.take(rows))
        outputs = np.zeros((len(sequences), *own.shape[1:]), own.dtype)
        outputs[rows] = own
        return self._sum(outputs)

    def decides(self, wanted: bool) -> bool:
        """Whether the chief wants it, for all workers alike."""
        return wanted if self.count == 1 else bool(self._sum(np.int32(self.chief and wanted)))

    def from_chief(self, arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The chief's arrays, for all workers."""
        file = io.BytesIO()
        if self.chief:
            np.savez(file, **arrays)
        content = file.getvalue()
        size = int(self._sum(np.int32(len(content))))
        words = np.zeros(-(-size // 4), np.int32)  # bytes can't be summed, but four of them can
        words.view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
        given = io.BytesIO(self._sum(words).tobytes()[:size])
        with np.load(given, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}

    def _sum(self, array: Any) -> NDArray[Any]:
        array = np.asarray(array)
        total = _compiled_sum(self.strategy, array.dtype)(array.reshape(-1))
        return np.reshape(total.numpy(), array.shape)


ALONE = Team()


def _summed(values: Any) -> Any:
    """The sum over all workers, within `strategy.run`."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


@lru_cache
def _compiled_sum(strategy: tf.distribute.Strategy, dtype: Any) -> Callable[..., tf.Tensor]:
    """A graph that sums vectors of any size."""

    def of_own(values: tf.Tensor) -> Any:
        return _summed(tf.identity(values))  # which is on a device, as an argument isn't

    total: Callable[..., tf.Tensor] = tf.function(
        lambda values: strategy.run(of_own, (values,)),
        input_signature=[tf.TensorSpec([None], dtype)],
        autograph=False,
    )
    return total


def own_rows(size: Any, index: int, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The rows of a batch that a worker computes, and their share of the batch.

    Of n workers the i-th has rows i, i + n and so on, so that all have short and long ones. If
    there is none for it, it computes another's with a share of 0, since all must take part.

    Args:
        size: of the batch.
        index: of the worker.
        count: of all workers.
    """
    rows = tf.range(index, tf.maximum(size, index + 1), count)
    own = tf.math.count_nonzero(rows < size, dtype=tf.float32)
    return rows % size, own / tf.cast(size, tf.float32)
