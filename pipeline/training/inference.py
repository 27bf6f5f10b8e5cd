"""Loading trained networks and predicting whole datasets, with attention weights if wanted."""

import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.core.files import read_bytes, read_json
from pipeline.core.params import Recipe
from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.errors import ArtifactError
from pipeline.models.network import Network, build_network

Progress = Callable[[int], object]  # called with the number of rows just predicted


class LoadedModel(NamedTuple):
    """A trained network and its `model.json`."""

    network: Network
    card: dict[str, Any]


def load_model(folder: Path) -> LoadedModel:
    """Load a model that the `train` stage wrote.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    card = read_json(folder / "model.json")
    weights = folder / "model.weights.h5"
    read_bytes(weights)  # Keras reads only a path; this looks whether it is what was written
    try:
        network = build_network(
            Recipe(**card["recipe"]),
            kind=card["kind"],
            task=card["task"],
            classes=len(card["classes"]),
            vocabulary_size=card.get("vocabulary_size") or 0,
            bigrams=card.get("bigrams") or 0,
            trigrams=card.get("trigrams") or 0,
            features=len(card.get("features") or ()),
        )
        _load_weights(network.predictor, weights)
    except (KeyError, OSError, ValueError) as error:
        raise ArtifactError(
            f"{folder} does not contain a valid model: {shorten(str(error), 300)}",
            fix=f"delete it and create it again: rm -r '{folder}' && dvc repro",
        ) from None
    return LoadedModel(network, card)


def predict(
    model: keras.Model,
    sequences: Sequences,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Predict, in the order of the rows.

    Returns:
        <float32>[n, classes] probabilities (two columns if binary), or, for regression,
        <float32>[n].
    """
    outputs = np.empty((len(sequences), model.output.shape[-1]), np.float32)
    for indices, result in _run(model, sequences, batch_size, progress):
        outputs[indices] = result
    return as_task(model, outputs)


def predict_with_weights(
    network: Network,
    sequences: Sequences,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Predict, and return the attention weights too.

    Returns:
        The outputs of `predict`, and each row's weights, <float32>[length], without padding.

    Raises:
        ValueError: the network's pooling has no weights.
    """
    if network.explainer is None:
        raise ValueError("Only a network with attention pooling has attention weights.")
    outputs = np.empty((len(sequences), network.predictor.output.shape[-1]), np.float32)
    weights: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(sequences)
    for indices, result in _run(network.explainer, sequences, batch_size, progress):
        outputs[indices] = result["output"]
        for index, row in zip(indices, result["weights"].numpy(), strict=True):
            weights[index] = row[: sequences.lengths[index]]
    return as_task(network.predictor, outputs), weights


def _load_weights(model: keras.Model, path: Path) -> None:
    """Load all weights or fail; Keras only warns about layers that it could not load."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.load_weights(path)
    for warning in caught:
        if warning.category is UserWarning:
            raise ValueError(str(warning.message))


def _run(
    model: keras.Model, sequences: Sequences, batch_size: int, progress: Progress | None
) -> Iterator[tuple[NDArray[np.int64], Any]]:
    """Yield each batch's row indices and outputs."""
    call = compile_once(model)
    for indices in batching.batches(sequences.lengths, batch_size, None):
        yield indices, call(batching.pad(sequences, indices))
        if progress is not None:
            progress(len(indices))


@lru_cache(maxsize=8)  # trace a model only once
def compile_once(model: keras.Model) -> Callable[[NDArray[Any]], Any]:
    """Compile the model as one graph for all batch sizes and lengths."""
    (inputs,) = model.inputs
    signature = tf.TensorSpec(inputs.shape, inputs.dtype)
    function = tf.function(
        lambda batch: model(batch, training=False), input_signature=[signature], autograph=False
    )
    # Traced here: TensorFlow would take the calls of several models for one that is traced again
    # and again, and warn.
    compiled: Callable[[NDArray[Any]], Any] = function.get_concrete_function()
    return compiled


def as_task(predictor: keras.Model, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """A network's outputs, <float32>[…, outputs] -> […, classes], or for a number […].

    The head's activation tells the task.
    """
    activation = predictor.get_layer("output").activation
    if activation is keras.activations.sigmoid:
        return np.concatenate([1 - outputs, outputs], axis=-1)
    return outputs[..., 0] if activation is keras.activations.linear else outputs
