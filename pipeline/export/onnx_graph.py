"""A trained network as an ONNX graph of standard operators, which needs no code of ours.

Inputs: `tokens`, <int32>[batch, time_steps], 0 after the last token; or `series`,
<float32>[batch, time_steps, features]. Outputs: `probabilities`, <float32>[batch, classes], or in
a regression `value`, <float32>[batch]; with attention also `weights`, <float32>[batch, time_steps].
"""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.core.predictions import SMALLEST_PROBABILITY
from pipeline.core.sequences import pack_pairs
from pipeline.export.settings import Run, output_name
from pipeline.models.network import Network

FILE = "model.onnx"
# Versions of the standard operators and of the machine learning ones: every current runtime has
# them, and format 8 came with the former.
_OPERATORS, _LEARNING, _FORMAT = 17, 2, 8
_LEARNING_DOMAIN = "ai.onnx.ml"
_REST = np.iinfo(np.int64).max


def write(folder: Path, network: Network, temperature: float | None) -> Run:
    """Write `model.onnx`; returns what ONNX Runtime computes with it.

    Args:
        folder: an existing one.
        network: the trained one.
        temperature: divides the logits; None leaves the probabilities as they are.
    """
    path = folder / FILE
    onnx.save(graph(network, temperature), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]

    def run(batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(names, {given.name: batch}), strict=True))

    return run


def graph(network: Network, temperature: float | None) -> onnx.ModelProto:
    """The graph of a network; see the module."""
    made = _Graph()
    layers = {layer.name: layer for layer in network.predictor.layers}
    (given,) = network.predictor.inputs
    steps = _embedded(made, layers) if given.name == "tokens" else _Steps(given.name, None, None)
    pooled, weights = _pooled(made, layers, _encoded(made, layers, steps))
    output = _head(made, layers["output"], pooled, temperature)
    named = {output_name(network): (output, ["batch"])}
    if "probabilities" in named:
        named["probabilities"] = (output, ["batch", "classes"])
    if weights is not None:
        named["weights"] = (weights, ["batch", "time_steps"])
    return made.model(given, named)


class _Graph:
    """Nodes and constants, in the order in which they are added. A value is known by its name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        """Add a constant; Python's whole numbers are int64."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __call__(
        self, operator: str, *inputs: Any, output: int = 0, more: int = 0, **attributes: Any
    ) -> str:
        """Add a node; returns the name of its output with that number.

        Args:
            operator: what it computes.
            inputs: names; anything else becomes a constant.
            output: which of the outputs is wanted; those before it are optional.
            more: how many outputs after it are not optional.
            attributes: of the operator.
        """
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        name = f"{operator}_{len(self._nodes)}"
        outputs = [""] * output + [name] + [f"{name}_{number}" for number in range(more)]
        self._nodes.append(helper.make_node(operator, names, outputs, name=name, **attributes))
        return name

    def model(
        self, given: keras.KerasTensor, outputs: dict[str, tuple[str, list[str]]]
    ) -> onnx.ModelProto:
        """The whole model: the input as Keras has it, and each output's value and dimensions."""
        for name, (value, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        kind = TensorProto.INT32 if given.dtype == "int32" else TensorProto.FLOAT
        shape = ["batch", "time_steps", *given.shape[2:]]
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                "spotlight",
                [helper.make_tensor_value_info(given.name, kind, shape)],
                [
                    helper.make_tensor_value_info(name, TensorProto.FLOAT, dimensions)
                    for name, (_, dimensions) in outputs.items()
                ],
                self._constants,
            ),
            opset_imports=[
                helper.make_opsetid("", _OPERATORS),
                helper.make_opsetid(_LEARNING_DOMAIN, _LEARNING),
            ],
        )
        model.ir_version = _FORMAT
        onnx.checker.check_model(model)
        return model


class _Steps(NamedTuple):
    """The steps of a batch.

    Attributes:
        values: (batch, time_steps, features).
        real: <bool>[batch, time_steps], False at padding; None if there is none.
        lengths: <int32>[batch]; likewise.
    """

    values: str
    real: str | None
    lengths: str | None


def _array(weight: Any) -> NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(weight))


# ── input ────────────────────────────────────────────────────────────────────────────────


def _embedded(g: _Graph, layers: dict[str, Any]) -> _Steps:
    """Each token's vector, with its n-grams'."""
    real = g("Cast", "tokens", to=TensorProto.BOOL)
    lengths = g("ReduceSum", g("Cast", real, to=TensorProto.INT32), [1], keepdims=0)
    values = g("Gather", _array(layers["embedding"].embeddings), "tokens")
    ids = g("Cast", "tokens", to=TensorProto.INT64) if "bigrams" in layers else ""
    for name in ("bigram", "trigram"):
        if f"{name}s" in layers:
            ids = _pairs(g, ids, layers[f"{name}s"].pairs)
            vectors = g("Gather", _array(layers[f"{name}_embedding"].embeddings), ids)
            values = g("Add", values, vectors)
    return _Steps(values, real, lengths)


def _pairs(g: _Graph, ids: str, pairs: NDArray[np.int32]) -> str:
    """Each id with the one after it: the pair's number from 1, 0 if it is unknown."""
    following = g("Pad", g("Slice", ids, [1], [_REST], [1]), [0, 0, 0, 1])
    return g(
        "LabelEncoder",
        g("Add", g("Mul", ids, 2**32), following),
        domain=_LEARNING_DOMAIN,
        keys_int64s=pack_pairs(*pairs.astype(np.int64).T).tolist(),
        values_int64s=range(1, len(pairs) + 1),
        default_int64=0,
    )


# ── encoder ──────────────────────────────────────────────────────────────────────────────


def _encoded(g: _Graph, layers: dict[str, Any], steps: _Steps) -> _Steps:
    """Bi-LSTM and normalization; the pooling "last" has no steps any more, only the vector."""
    values = steps.values
    for layer in layers.values():
        if isinstance(layer, keras.layers.Bidirectional):
            values = _bilstm(g, layer, values, steps.lengths or "")
    layer = layers.get("normalization")
    if isinstance(layer, keras.layers.LayerNormalization):
        learned = (_array(layer.gamma), _array(layer.beta))
        values = g("LayerNormalization", values, *learned, epsilon=layer.epsilon)
    elif layer is not None:
        mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
        scale = _array(layer.gamma) / np.sqrt(variance + np.float32(layer.epsilon))
        values = g("Add", g("Mul", values, scale), _array(layer.beta) - mean * scale)
    return steps._replace(values=values)


def _bilstm(g: _Graph, layer: Any, values: str, lengths: str) -> str:
    """All states, (batch, time_steps, width), or each direction's last, (batch, width).

    ONNX's LSTM turns each row within its own length, as ours does, and its states at padding
    are 0.
    """
    cells = [direction.cell for direction in (layer.forward_layer, layer.backward_layer)]
    kernel, recurrent, bias = (
        np.stack([_gates(_array(getattr(cell, name))) for cell in cells])
        for name in ("kernel", "recurrent_kernel", "bias")
    )
    every = layer.return_sequences
    states = g(
        "LSTM",
        g("Transpose", values, perm=[1, 0, 2]),
        kernel,
        recurrent,
        np.concatenate([bias, np.zeros_like(bias)], axis=1),  # ONNX has two, and adds them
        lengths,
        direction="bidirectional",
        hidden_size=cells[0].units,
        output=0 if every else 1,
    )  # (time_steps, 2, batch, units); last: (2, batch, units)
    if layer.merge_mode == "sum":
        states = g("ReduceSum", states, [-3], keepdims=0)
        return g("Transpose", states, perm=[1, 0, 2]) if every else states
    states = g("Transpose", states, perm=[2, 0, 1, 3] if every else [1, 0, 2])
    return g("Reshape", states, [0, 0, -1] if every else [0, -1])


def _gates(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keras's (n, 4 · units), gates i, f, c, o → ONNX's (4 · units, n), i, o, f, c."""
    i, f, c, o = np.split(weight.T, 4)
    return np.concatenate([i, o, f, c])


# ── pooling ──────────────────────────────────────────────────────────────────────────────


def _pooled(g: _Graph, layers: dict[str, Any], steps: _Steps) -> tuple[str, str | None]:
    """The vector of each row, (batch, width), and its weights, if the pooling has any."""
    if "attention" in layers:
        scores = _scores(g, layers["attention"], steps)
        weights = _normalized(g, layers["attention"].normalizer, scores, steps.real)
        context = _weighted_sum(g, weights, steps.values)
        if "max" in layers:
            context = g("Concat", context, _largest(g, steps), axis=1)
        return context, weights
    if "max" in layers:
        return _largest(g, steps), None
    if "mean" in layers:
        return _mean(g, steps), None
    return steps.values, None


def _scores(g: _Graph, layer: Any, steps: _Steps) -> str:
    """(batch, time_steps), of `AdditiveAttention` or `DotAttention`."""
    if hasattr(layer, "kernel"):
        hidden = g("Add", g("MatMul", steps.values, _array(layer.kernel)), _array(layer.bias))
        return g("MatMul", g("Tanh", hidden), _array(layer.vector))
    if layer.query == "learned":
        query = _array(layer.vector)
        return g("MatMul", steps.values, query / np.float32(len(query) ** 0.5))
    of_row = _last(g, steps) if layer.query == "last" else _largest(g, steps)
    width = layer.input_spec.axes[-1]
    column = g("Unsqueeze", g("Div", of_row, np.float32(width**0.5)), [2])  # (batch, width, 1)
    return g("Squeeze", g("MatMul", steps.values, column), [2])


def _normalized(g: _Graph, normalizer: str, scores: str, real: str | None) -> str:
    """Weights over the real steps; padding gets exactly 0, also in a row of nothing else."""
    if real is not None:
        scores = g("Where", real, scores, np.float32(-1e30))  # as in `models.attention`
    if normalizer == "softmax":
        weights = g("Softmax", scores, axis=1)
    else:
        weights = _sparse(g, scores, squared=normalizer == "entmax")
    return weights if real is None else g("Where", real, weights, np.float32(0))


def _sparse(g: _Graph, scores: str, *, squared: bool) -> str:
    """`masked_sparsemax`, or squared `masked_entmax`; see there."""
    one = np.float32(1)
    z = g("Sub", scores, g("ReduceMax", scores, axes=[1], keepdims=1))
    if squared:
        z = g("Max", g("Mul", z, np.float32(0.5)), np.float32(-2))
    steps = g("Slice", g("Shape", z), [1], [2])
    falling = g("TopK", z, steps, axis=1, more=1)  # and their indices
    places = g("Range", 1, g("Add", g("Squeeze", steps), 1), 1)
    places = g("Cast", places, to=TensorProto.FLOAT)
    if squared:
        mean = g("Div", g("CumSum", falling, 1), places)
        of_squares = g("Div", g("CumSum", g("Mul", falling, falling), 1), places)
        spread = g("Sub", of_squares, g("Mul", mean, mean))
        root = g("Sqrt", g("Relu", g("Sub", g("Div", one, places), spread)))
        thresholds = g("Sub", mean, root)
        supported = g("GreaterOrEqual", falling, thresholds)
    else:
        thresholds = g("Div", g("Sub", g("CumSum", falling, 1), one), places)
        supported = g("Greater", falling, thresholds)
    count = g("ReduceSum", g("Cast", supported, to=TensorProto.INT64), [1], keepdims=1)
    threshold = g("GatherElements", thresholds, g("Sub", count, 1), axis=1)
    weights = g("Relu", g("Sub", z, threshold))
    return g("Mul", weights, weights) if squared else weights


def _weighted_sum(g: _Graph, weights: str, values: str) -> str:
    row = g("Unsqueeze", weights, [1])  # (batch, 1, time_steps)
    return g("Squeeze", g("MatMul", row, values), [1])


def _last(g: _Graph, steps: _Steps) -> str:
    """The state at the last real step."""
    if steps.real is None:
        return g("Gather", steps.values, -1, axis=1)
    so_far = g("CumSum", g("Cast", steps.real, to=TensorProto.INT32), 1)
    ends = g("Equal", so_far, g("Unsqueeze", steps.lengths, [1]))  # from the last one on
    chosen = g("Cast", g("And", ends, steps.real), to=TensorProto.FLOAT)
    return _weighted_sum(g, chosen, steps.values)


def _largest(g: _Graph, steps: _Steps) -> str:
    """The maximum of each feature over the real steps; 0 for a row without any."""
    if steps.real is None:
        return g("ReduceMax", steps.values, axes=[1], keepdims=0)
    real = g("Unsqueeze", steps.real, [2])
    values = g("Where", real, steps.values, np.float32(-np.inf))
    largest = g("ReduceMax", values, axes=[1], keepdims=0)
    return g("Where", g("IsInf", largest), np.float32(0), largest)


def _mean(g: _Graph, steps: _Steps) -> str:
    """The mean over the real steps."""
    if steps.real is None:
        return g("ReduceMean", steps.values, axes=[1], keepdims=0)
    total = _weighted_sum(g, g("Cast", steps.real, to=TensorProto.FLOAT), steps.values)
    lengths = g("Cast", g("Unsqueeze", steps.lengths, [1]), to=TensorProto.FLOAT)
    return g("Div", total, lengths)


# ── output ───────────────────────────────────────────────────────────────────────────────


def _head(g: _Graph, layer: Any, pooled: str, temperature: float | None) -> str:
    """Calibrated probabilities, (batch, classes), or the value, (batch,)."""
    logits = g("Add", g("MatMul", pooled, _array(layer.kernel)), _array(layer.bias))
    if layer.activation is keras.activations.linear:
        return g("Squeeze", logits, [1])
    if layer.activation is keras.activations.sigmoid:
        second = g("Sigmoid", logits)
        outputs = g("Concat", g("Sub", np.float32(1), second), second, axis=1)
    else:
        outputs = g("Softmax", logits, axis=1)
    if temperature is None:
        return outputs
    # as in `evaluation.calibration`
    clipped = g("Clip", outputs, np.float32(SMALLEST_PROBABILITY), np.float32(1))
    return g("Softmax", g("Div", g("Log", clipped), np.float32(temperature)), axis=1)
