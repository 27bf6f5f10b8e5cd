import numpy as np
import pytest

from pipeline.evaluation.calibration import calibrate
from pipeline.models.network import build_network
from tests.support.strategies import POOLINGS, recipe

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
from pipeline.export import onnx_graph, saved_model

VOCABULARY, CLASSES, FEATURES, TEMPERATURE = 30, 3, 2, 1.7
PAIRS = np.array([[1, 2], [2, 2], [3, 29], [29, 1]], np.int32)
TRIGRAMS = np.array([[1, 2], [3, 4]], np.int32)
TOKENS = np.array(
    [[1, 2, 2, 29, 1, 7], [3, 29, 1, 0, 0, 0], [5, 0, 0, 0, 0, 0], [29, 1, 2, 2, 3, 0]], np.int32
)
SERIES = np.random.default_rng(0).normal(size=(4, 6, FEATURES)).astype(np.float32)
INPUTS = {"text": TOKENS, "series": SERIES}
WIDE = {"layers": 2, "merge": "sum", "spatial_dropout": 0.3}


def network(kind="text", task="binary", *, bigrams=False, **changes):
    """A network whose weights are all drawn, biases and statistics too."""
    made = build_network(
        recipe(**changes),
        kind=kind,
        task=task,
        classes=CLASSES,
        vocabulary_size=VOCABULARY,
        bigrams=len(PAIRS) if bigrams else 0,
        trigrams=len(TRIGRAMS) if bigrams else 0,
        features=FEATURES,
    )
    rng = np.random.default_rng(1)
    for weight in made.predictor.weights:
        if weight.dtype == "float32":
            weight.assign(rng.uniform(0.1, 1, weight.shape) * rng.choice([-1, 1], weight.shape))
        if "variance" in weight.path:
            weight.assign(np.abs(weight))
    if bigrams:
        made.predictor.get_layer("bigrams").pairs = PAIRS
        made.predictor.get_layer("trigrams").pairs = TRIGRAMS
    return made


def assert_agrees(run, made, batch, temperature):
    """What was written computes the network's outputs, and each row's whatever pads it."""
    found = run(batch)
    expected = np.asarray(made.predictor(batch, training=False))
    if "value" in found:
        expected = expected[:, 0]
    elif expected.shape[1] == 1:
        expected = np.hstack([1 - expected, expected])
    if temperature is not None:
        expected = calibrate(expected, temperature)
    assert np.ptp(expected, axis=0).min() > 1e-3  # rows that differ: a mixed-up one would show
    (name,) = set(found) - {"weights"}
    np.testing.assert_allclose(found[name], expected, atol=1e-5)
    assert ("weights" in found) == (made.explainer is not None)
    if made.explainer is not None:
        weights = made.explainer(batch, training=False)["weights"]
        np.testing.assert_allclose(found["weights"], weights, atol=1e-5)
    if batch.ndim == 2:
        padded = run(np.pad(batch, [(0, 0), (0, 5)]))
        np.testing.assert_allclose(padded[name], expected, atol=1e-5)
        alone = run(batch[1:2, :3])
        np.testing.assert_allclose(alone[name], expected[1:2], atol=1e-5)


CASES = [
    *(("text", "binary", {"pooling": pooling}) for pooling in POOLINGS),
    *(("series", "regression", {"pooling": pooling}) for pooling in POOLINGS),
    ("text", "binary", {"pooling": "additive", "bigrams": True}),
    ("text", "binary", {"pooling": "additive", "attention": "sparsemax"}),
    ("text", "binary", {"pooling": "additive", "attention": "entmax"}),
    ("series", "regression", {"pooling": "dot", "attention": "sparsemax"}),
    ("series", "regression", {"pooling": "dot", "attention": "entmax"}),
    ("text", "multiclass", {"pooling": "dot_max", "normalization": "layer", **WIDE}),
    ("text", "multiclass", {"pooling": "last", "normalization": "batch", **WIDE}),
    ("series", "multiclass", {"pooling": "dot_last", "normalization": "batch"}),
]


@pytest.mark.parametrize(("kind", "task", "changes"), CASES, ids=str)
def test_onnx_computes_what_the_network_does(tmp_path, kind, task, changes):
    """Of every pooling, task and kind of input; outputs, calibration and weights to 1e-5."""
    made = network(kind, task, **changes)
    temperature = None if task == "regression" else TEMPERATURE
    assert_agrees(onnx_graph.write(tmp_path, made, temperature), made, INPUTS[kind], temperature)


@pytest.mark.parametrize(
    ("kind", "task", "changes", "temperature"),
    [
        ("text", "multiclass", {"pooling": "additive_max", "bigrams": True, **WIDE}, TEMPERATURE),
        ("series", "regression", {"pooling": "last", "normalization": "batch"}, None),
    ],
    ids=str,
)
def test_a_saved_model_computes_what_the_network_does(tmp_path, kind, task, changes, temperature):
    """Loaded by TensorFlow, without Keras and without compiled functions of this process."""
    made = network(kind, task, **changes)
    run = saved_model.write(tmp_path / "model", made, temperature)
    assert_agrees(run, made, INPUTS[kind], temperature)


@pytest.mark.parametrize("pooling", ["additive", "max", "dot_last", "dot_max"])
@pytest.mark.parametrize("attention", ["softmax", "sparsemax", "entmax"])
def test_a_row_of_padding_alone_has_no_weights_and_no_maximum(pooling, attention):
    """Zero, not NaN and not an even spread: as the layers define it."""
    made = network(pooling=pooling, attention=attention)
    session = onnx_graph.onnxruntime.InferenceSession(
        onnx_graph.graph(made, None).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"tokens": np.vstack([TOKENS, np.zeros_like(TOKENS[:1])])})
    expected = np.asarray(made.predictor(np.zeros_like(TOKENS[:1]), training=False))
    np.testing.assert_allclose(found[0][-1:, 1:], expected, atol=1e-5)
    for weights in found[1:]:
        assert not weights[-1].any()
