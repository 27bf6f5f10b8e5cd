"""Whole training runs, each for its own process."""

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline.core import params, runtime
from pipeline.core.sequences import Sequences
from pipeline.encoding.tokenizer import UNKNOWN_ID
from pipeline.models.network import build_network
from pipeline.studies.benchmark.implementations import stock
from pipeline.studies.benchmark.settings import Options
from pipeline.training.loop import TrainingResult, train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Epochs = list[dict[str, float]]


def spotlight(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train as the `train` stage does; returns each epoch's validation loss and accuracy."""
    model = _fresh(options, seed)
    recipe = options.sizes.recipe(batch_size=options.batch_size, epochs=options.epochs)
    return _epochs(train_model(model, train, validation, recipe, task="binary", seed=seed))


def keras_fit(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train with Keras's `fit` on padded arrays; returns the same."""
    start = _fresh(options, seed).get_weights()
    implementation = stock.Stock(options.sizes, train, options.batch_size, options.threads)
    implementation.load(start)
    keras.utils.set_random_seed(seed)
    return implementation.learn(validation, options.epochs)


def recipe(workspace: Workspace, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train attention on the encoded data with the recipe in `params.yaml`; returns the same."""
    settings = params.load_params(workspace.params)
    run = TrainingRun.for_stage(
        "pipeline.stages.train",
        "bilstm_attention",
        seed,
        settings.recipe("bilstm_attention"),
        data=workspace.encoded,
        pretrained=workspace.vectors,
        libraries=workspace.libraries,
        threads=settings.threads,
    )
    return _epochs(
        train_model(run.build_network(), train, validation, run.recipe, task="binary", seed=seed)
    )


def example(options: Options, train: Sequences, validation: Sequences, seed: int) -> Epochs:
    """Train keras.io's example "Bidirectional LSTM on IMDB" (F. Chollet, 2020) unchanged.

    Two Bi-LSTMs over the last 200 words, of the 20,000 most frequent, padded in front and without
    a mask; batches of 32, 2 epochs.
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


def _epochs(result: TrainingResult) -> Epochs:
    seconds = np.cumsum(result.seconds).tolist()
    return [
        {"val_loss": epoch["val_loss"], "val_accuracy": epoch["val_accuracy"], "seconds": after}
        for epoch, after in zip(result.history, seconds, strict=True)
    ]


def _fresh(options: Options, seed: int) -> keras.Model:
    runtime.pin_threads(options.threads)
    keras.utils.set_random_seed(seed)
    return build_network(
        options.sizes.recipe(batch_size=options.batch_size),
        kind="text",
        task="binary",
        classes=2,
        vocabulary_size=options.vocabulary,
    ).predictor
