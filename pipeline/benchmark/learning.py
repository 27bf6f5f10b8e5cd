"""Whole trainings, each for a process of its own."""

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline import params, runtime, training
from pipeline.artifacts import Sequences, Workspace
from pipeline.benchmark.arms import stock
from pipeline.benchmark.settings import Options
from pipeline.models import network
from pipeline.stages.fits import Fit
from pipeline.text import UNKNOWN_ID

Epochs = list[dict[str, float]]


def spotlight(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train as the `train` stage does; the validation loss and accuracy of every epoch."""
    model = _fresh(options, seed)
    recipe = options.sizes.recipe(batch_size=options.batch_size, epochs=options.epochs)
    return _epochs(training.fit(model, train, validation, recipe, task="binary", seed=seed))


def keras_fit(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train with `fit` on padded arrays; the same of every epoch."""
    start = _fresh(options, seed).get_weights()
    arm = stock.Stock(options.sizes, train, options.batch_size, options.threads)
    arm.load(start)
    keras.utils.set_random_seed(seed)
    return arm.learn(validation, options.epochs)


def recipe(workspace: Workspace, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train attention on the encoded data by the recipe of `params.yaml`; the same again."""
    settings = params.load(workspace.params)
    fit = Fit.of(
        "stages.train",
        "bilstm_attention",
        seed,
        settings.recipe("bilstm_attention"),
        data=workspace.encoded,
        start=workspace.vectors,
        libraries=workspace.libraries,
        threads=settings.threads,
    )
    return _epochs(
        training.fit(fit.build(), train, validation, fit.recipe, task="binary", seed=seed)
    )


def example(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train keras.io's "Bidirectional LSTM on IMDB" (F. Chollet, 2020) as it stands there.

    Two Bi-LSTMs over the last 200 words of the 20,000 most frequent, padded in front, without a
    mask; batches of 32, 2 epochs.
    """
    words, max_len = 20_000, 200
    runtime.pin_threads(options.threads)
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(words, 128),
            layers.Bidirectional(layers.LSTM(64, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(64)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam")

    def ends(rows: Sequences) -> NDArray[np.int32]:
        tokens = keras.utils.pad_sequences(np.split(rows.values, rows.starts[1:-1]), maxlen=max_len)
        known: NDArray[np.int32] = np.where(tokens < words, tokens, UNKNOWN_ID)
        return known

    return stock.learn(
        model,
        (ends(train), train.targets),
        (ends(validation), validation.targets),
        batch_size=32,
        epochs=2,
    )


def _epochs(fitted: training.Fitted) -> Epochs:
    seconds = np.cumsum(fitted.seconds).tolist()
    return [
        {"val_loss": epoch["val_loss"], "val_accuracy": epoch["val_accuracy"], "seconds": after}
        for epoch, after in zip(fitted.history, seconds, strict=True)
    ]


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
