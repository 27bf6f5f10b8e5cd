"""Spotlight: the network, the batches and the compiled step that the `train` stage uses."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core import runtime
from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.models.network import build_network
from pipeline.studies.benchmark.arithmetic import Order
from pipeline.studies.benchmark.implementations import Weights
from pipeline.studies.benchmark.settings import Sizes
from pipeline.training import inference
from pipeline.training.optimizer import Adam
from pipeline.training.step import compiled_step, loss_function
from pipeline.training.team import ALONE, Team


class Spotlight:
    """The implementation; see `pipeline.studies.benchmark.implementations`."""

    def __init__(
        self,
        sizes: Sizes,
        rows: Sequences,
        batch_size: int,
        threads: int,
        connect: Callable[[], Team] = lambda: ALONE,
    ) -> None:
        runtime.pin_threads(threads)
        team = connect()
        keras.utils.set_random_seed(0)
        self._rows = rows
        self.model = build_network(
            sizes.recipe(batch_size=batch_size),
            kind="text",
            task="binary",
            classes=2,
            vocabulary_size=sizes.vocabulary,
        ).predictor
        optimizer = Adam(sizes.learning_rate)
        self.model.compile(optimizer=optimizer)
        optimizer.build(self.model.trainable_variables)
        self._step = compiled_step(self.model, loss_function("binary"), rows, team=team)

    def train(self, order: Order) -> None:
        losses = {"loss": 0.0}
        for indices in order:
            batch = tf.constant(batching.pad(self._rows, indices))
            losses = self._step(batch, tf.constant(self._rows.targets[indices]))
        float(losses["loss"])  # waits for the last step

    def predict(self, rows: Sequences) -> NDArray[np.float32]:
        return inference.predict(self.model, rows)[:, 1]

    def weights(self) -> Weights:
        return [np.asarray(weight) for weight in self.model.get_weights()]

    def load(self, weights: Weights) -> None:
        self.model.set_weights(weights)
