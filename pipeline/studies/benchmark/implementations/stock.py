"""Stock Keras: the library's own layers, `fit` and `predict` on arrays padded to `max_len`.

Or the same layers on batches of like length, as Spotlight has them.
"""

import time
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline.core import runtime
from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.studies.benchmark.arithmetic import Order
from pipeline.studies.benchmark.implementations import Weights
from pipeline.studies.benchmark.settings import Sizes


class Stock:
    """The implementation; see `pipeline.studies.benchmark.implementations`."""

    def __init__(self, sizes: Sizes, rows: Sequences, batch_size: int, threads: int) -> None:
        runtime.pin_threads(threads)
        keras.utils.set_random_seed(0)
        self.model = build(sizes, self.time_steps(sizes))
        self.model.compile(
            optimizer=keras.optimizers.Adam(sizes.learning_rate),
            loss="binary_crossentropy",
        )
        self._batch_size = batch_size
        self._max_len = sizes.max_len
        self._rows = rows
        self._padded = padded(rows, sizes.max_len)
        self._targets = rows.targets

    @staticmethod
    def time_steps(sizes: Sizes) -> int | None:
        """Steps that every row is padded to; None if each batch has its own."""
        return sizes.max_len

    def train(self, order: Order) -> None:
        chosen = np.concatenate(order)
        self.model.fit(
            self._padded[chosen], self._targets[chosen], batch_size=self._batch_size, verbose=0
        )

    def learn(self, validation: Sequences, epochs: int) -> list[dict[str, float]]:
        """Train for some epochs; see `learn`."""
        return learn(
            self.model,
            (self._padded, self._targets),
            (padded(validation, self._max_len), validation.targets),
            batch_size=self._batch_size,
            epochs=epochs,
        )

    def predict(self, rows: Sequences) -> NDArray[np.float32]:
        outputs = self.model.predict(padded(rows, self._max_len), batch_size=256, verbose=0)
        return np.asarray(outputs[:, 0], np.float32)

    def weights(self) -> Weights:
        return [np.asarray(weight) for weight in self.model.get_weights()]

    def load(self, weights: Weights) -> None:
        own = self.model.get_weights()
        self.model.set_weights(
            [given.reshape(weight.shape) for given, weight in zip(weights, own, strict=True)]
        )


class ByLength(Stock):
    """The same model on batches of like length, each padded to its longest row."""

    @staticmethod
    def time_steps(sizes: Sizes) -> None:
        del sizes

    def train(self, order: Order) -> None:
        for indices in order:
            batch = batching.pad(self._rows, indices)
            self.model.train_on_batch(batch, self._rows.targets[indices])

    def predict(self, rows: Sequences) -> NDArray[np.float32]:
        outputs = np.empty(len(rows), np.float32)
        for indices in batching.batches(rows.lengths, 256, None):
            outputs[indices] = self.model.predict_on_batch(batching.pad(rows, indices))[:, 0]
        return outputs


def learn(
    model: keras.Model,
    train: tuple[NDArray[np.int32], NDArray[Any]],
    validation: tuple[NDArray[np.int32], NDArray[Any]],
    *,
    batch_size: int,
    epochs: int,
) -> list[dict[str, float]]:
    """Call `fit`; returns each epoch's val_loss, val_accuracy and seconds since the start."""
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
    model.compile(optimizer=model.optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    begun = time.perf_counter()
    history = model.fit(
        *train,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=validation,
        callbacks=[clock],
        verbose=0,
    ).history
    return [
        {"val_loss": loss, "val_accuracy": accuracy, "seconds": end - begun}
        for loss, accuracy, end in zip(
            history["val_loss"], history["val_accuracy"], ends, strict=True
        )
    ]


def build(sizes: Sizes, time_steps: int | None) -> keras.Model:
    """The model as anyone would write it: <int32>[batch, time_steps] -> (batch, 1)."""
    layers: Any = keras.layers
    inputs = keras.Input((time_steps,), dtype="int32")
    states = layers.Embedding(sizes.vocabulary, sizes.embedding, mask_zero=True)(inputs)
    lstm = layers.LSTM(sizes.units, return_sequences=True)
    states = layers.Bidirectional(lstm)(states)  # (batch, time_steps, d)
    hidden = layers.Dense(2 * sizes.units, activation="tanh")(states)
    scores = layers.Dense(1, use_bias=False)(hidden)  # (batch, time_steps, 1)
    real = keras.ops.not_equal(inputs, 0)
    scores = keras.ops.squeeze(scores, axis=-1)  # (batch, time_steps)
    weights = layers.Softmax()(scores, mask=real)
    context = keras.ops.einsum("bt,btd->bd", weights, states)
    output = layers.Dense(1, activation="sigmoid")(layers.Dropout(sizes.dropout)(context))
    return keras.Model(inputs, output)


def padded(rows: Sequences, max_len: int) -> NDArray[np.int32]:
    """Rows as <int32>[n, max_len], zeros after each one's last token."""
    array = np.zeros((len(rows), max_len), np.int32)
    array[np.arange(max_len) < rows.lengths[:, None]] = rows.values
    return array
