"""A trained network as TensorFlow's SavedModel, which needs neither Keras nor code of ours.

Its endpoint `serve` has the input and the outputs of `export.onnx_graph`. The Bi-LSTM is Keras's
own: the compiled one calls functions of this process, which no file can hold.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from pipeline.core.predictions import SMALLEST_PROBABILITY
from pipeline.export.settings import Run, output_name
from pipeline.models.lstm import BiLSTM
from pipeline.models.network import Network


class _StockBiLSTM(BiLSTM):
    """The same layer, computed by Keras."""

    def compilable(self) -> bool:
        return False


def write(folder: Path, network: Network, temperature: float | None) -> Run:
    """Write a SavedModel; returns what TensorFlow computes with it; see `onnx_graph.write`."""
    model = _twin(network.explainer or network.predictor)
    name = output_name(network)

    def serve(batch: Any) -> dict[str, Any]:
        found = model(batch, training=False)
        found = found if isinstance(found, dict) else {"output": found}
        output = found.pop("output")
        if name == "value":
            return {name: output[:, 0], **found}
        if output.shape[1] == 1:
            output = ops.concatenate([1 - output, output], axis=1)
        if temperature is not None:  # as in `evaluation.calibration`
            logits = ops.log(ops.clip(output, SMALLEST_PROBABILITY, 1.0))
            output = ops.softmax(logits / temperature, axis=1)
        return {name: output, **found}

    (given,) = model.inputs
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = tf.TensorSpec(given.shape, given.dtype, given.name)
    archive.add_endpoint("serve", serve, input_signature=[signature])
    archive.write_out(folder, verbose=False)
    loaded = tf.saved_model.load(folder)

    def run(batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        return {key: value.numpy() for key, value in loaded.serve(batch).items()}

    return run


def _twin(model: keras.Model) -> keras.Model:
    """The same network with Keras's own Bi-LSTM."""

    def copy(layer: Any) -> Any:
        kind = _StockBiLSTM if isinstance(layer, BiLSTM) else type(layer)
        return kind.from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=copy)
    twin.set_weights(model.get_weights())
    return twin
