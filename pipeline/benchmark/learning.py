"""Whole trainings of two arms, from the same weights, for a process of their own."""

import keras
import numpy as np

from pipeline import runtime, training
from pipeline.artifacts import Sequences
from pipeline.benchmark.arms.stock import Stock
from pipeline.benchmark.settings import Options
from pipeline.models import network

Epochs = list[dict[str, float]]


def spotlight(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train as the `train` stage does; the validation loss and accuracy of every epoch."""
    model = _fresh(options, seed)
    recipe = options.sizes.recipe(batch_size=options.batch_size, epochs=options.epochs)
    fitted = training.fit(model, train, validation, recipe, task="binary", seed=seed)
    seconds = np.cumsum(fitted.seconds).tolist()
    return [
        {"val_loss": epoch["val_loss"], "val_accuracy": epoch["val_accuracy"], "seconds": after}
        for epoch, after in zip(fitted.history, seconds, strict=True)
    ]


def keras_fit(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train with `fit` on padded arrays; the same of every epoch."""
    start = _fresh(options, seed).get_weights()
    arm = Stock(options.sizes, train, options.batch_size, options.threads)
    arm.load(start)
    keras.utils.set_random_seed(seed)
    return arm.learn(validation, options.epochs)


def _fresh(options: Options, seed: int) -> keras.Model:
    runtime.pin_threads(options.threads)
    keras.utils.set_random_seed(seed)
    return network.build(
        options.sizes.recipe(batch_size=options.batch_size),
        kind="text",
        task="binary",
        classes=2,
        vocabulary_size=options.vocabulary,
    ).predictor
