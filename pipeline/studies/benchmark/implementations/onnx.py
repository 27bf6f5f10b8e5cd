"""ONNX Runtime: the network as a graph of standard operators. It predicts, and can't train."""

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.studies.benchmark.implementations import WEIGHTS, Weights
from pipeline.studies.benchmark.settings import Sizes

_OPERATORS = 17  # version of the standard set


class Onnx:
    """The implementation; see `pipeline.studies.benchmark.implementations`."""

    def __init__(self, sizes: Sizes, rows: Sequences, batch_size: int, threads: int) -> None:
        del sizes, rows, batch_size
        self._threads = threads

    def load(self, weights: Weights) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        self._session = onnxruntime.InferenceSession(
            graph(weights).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, rows: Sequences) -> NDArray[np.float32]:
        outputs = np.empty(len(rows), np.float32)
        for indices in batching.batches(rows.lengths, 256, None):
            (outputs[indices],) = self._session.run(
                None,
                {
                    "tokens": batching.pad(rows, indices),
                    "lengths": rows.lengths[indices].astype(np.int32),
                },
            )
        return outputs


def graph(weights: Weights) -> onnx.ModelProto:
    """tokens <int32>[batch, time_steps], lengths <int32>[batch] -> probability [batch]."""
    of = dict(zip(WEIGHTS, weights, strict=True))
    units = len(of["forward bias"]) // 4
    constants = {
        "embedding": of["embedding"],
        "W": _directions(of, "kernel", units),  # (2, 4u, E)
        "R": _directions(of, "recurrent kernel", units),  # (2, 4u, u)
        "B": np.pad(_directions(of, "bias", units), [(0, 0), (0, 4 * units)]),  # (2, 8u)
        "attention_kernel": of["attention kernel"],
        "attention_bias": of["attention bias"],
        "attention_vector": of["attention vector"].reshape(-1, 1),
        "output_kernel": of["output kernel"],
        "output_bias": of["output bias"],
        "lowest": np.array(-1e30, np.float32),
        "zero": np.array(0, np.int32),
        "as_states": np.array([0, 0, -1]),
        "last": np.array([-1]),
        "middle": np.array([1]),
    }
    # the LSTM reads (time_steps, batch, E) and gives (time_steps, 2, batch, u)
    nodes = [
        helper.make_node("Gather", ["embedding", "tokens"], ["embedded"]),
        helper.make_node("Transpose", ["embedded"], ["steps"], perm=[1, 0, 2]),
        helper.make_node(
            "LSTM",
            ["steps", "W", "R", "B", "lengths"],
            ["directions"],
            direction="bidirectional",
            hidden_size=units,
        ),
        helper.make_node("Transpose", ["directions"], ["by_row"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["by_row", "as_states"], ["states"]),  # (batch, steps, d)
        helper.make_node("MatMul", ["states", "attention_kernel"], ["projected"]),
        helper.make_node("Add", ["projected", "attention_bias"], ["shifted"]),
        helper.make_node("Tanh", ["shifted"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "attention_vector"], ["column"]),
        helper.make_node("Squeeze", ["column", "last"], ["scores"]),  # (batch, steps)
        helper.make_node("Equal", ["tokens", "zero"], ["padding"]),
        helper.make_node("Where", ["padding", "lowest", "scores"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["weights"], axis=1),
        helper.make_node("Unsqueeze", ["weights", "middle"], ["row"]),  # (batch, 1, steps)
        helper.make_node("MatMul", ["row", "states"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "middle"], ["context"]),  # (batch, d)
        helper.make_node("MatMul", ["context", "output_kernel"], ["scaled"]),
        helper.make_node("Add", ["scaled", "output_bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["each"]),
        helper.make_node("Squeeze", ["each", "last"], ["probability"]),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT32, ["batch", "time_steps"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch"])]
    tensors = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "spotlight", inputs, outputs, tensors),
        opset_imports=[helper.make_opsetid("", _OPERATORS)],
    )
    model.ir_version = 8  # that of this operator set: every current ONNX Runtime reads it
    return model


def _directions(of: dict[str, NDArray[np.float32]], name: str, units: int) -> NDArray[np.float32]:
    """A weight of both directions, a row per gate, in ONNX's order i, o, f, c."""
    stacked = np.stack([of[f"{way} {name}"].T for way in ("forward", "backward")])
    i, f, c, o = np.split(stacked, [units, 2 * units, 3 * units], axis=1)
    return np.concatenate([i, o, f, c], axis=1)
