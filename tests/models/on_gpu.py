"""cuDNN in place of the compiled functions: `test_gpu.py` runs this where there is a GPU.

Only a GPU has the operation CudnnRNNV3. So if a graph holds it, and neither a loop over the steps
nor a call of Python, its states came from cuDNN.
"""

import contextlib
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.core import runtime
from pipeline.core.params import LanguageModel
from pipeline.core.sequences import Sequences
from pipeline.encoding.batching import pad
from pipeline.explanation import gradients, omission
from pipeline.models import lstm
from pipeline.models.lstm import BiLSTM
from pipeline.models.network import build_network
from pipeline.pretraining.language_model import learn_language_model
from pipeline.training.inference import predict, predict_with_weights
from pipeline.training.loop import train_model
from pipeline.training.step import compiled_step, loss_function
from tests.support.batches import PAIRS, VOCABULARY
from tests.support.lstm import (
    FORMS,
    MASKS,
    differentiated,
    exact_and_bounds,
    formed,
    layer_of,
    weights,
)
from tests.support.strategies import recipe
from tests.support.training import rows

pytestmark = pytest.mark.skipif(
    not tf.config.list_physical_devices("GPU"), reason="TensorFlow sees no GPU"
)
runtime.pin_threads(2)


@pytest.fixture
def on_cpu(monkeypatch):
    """Returns a context in which the compiled functions compute, as without a GPU."""

    @contextlib.contextmanager
    def context():
        with monkeypatch.context() as patched, tf.device("CPU"):
            patched.setattr(lstm, "_has_gpu", lambda: False)
            yield

    return context


def operations(function):
    """How many there are of each kind, in a traced function and in all that it calls."""
    graph = function.graph.as_graph_def()
    called = [node for each in graph.library.function for node in each.node_def]
    return Counter(node.op for node in [*graph.node, *called])


def assert_by_cudnn(function, **expected):
    """A traced function's recurrences are cuDNN's alone."""
    found = operations(function)
    assert {name: found[name] for name in expected} == expected
    assert not {"While", "StatelessWhile", "PyFunc", "PyFuncStateless", "EagerPyFunc"} & set(found)


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("mask", ["none", "padded"])
@pytest.mark.parametrize("form", FORMS)
def test_states_and_gradients_are_those_of_the_compiled_functions(
    form, mask, return_sequences, on_cpu
):
    """Within what float32 allows."""
    given = FORMS[form](), [*weights(), *weights(seed=2)], MASKS[mask]
    options = {"return_sequences": return_sequences}
    with on_cpu():
        _, bounds = exact_and_bounds(*given, use_cudnn=False, **options)
        expected = differentiated(layer_of(BiLSTM, **options))(*given)
    layer = layer_of(BiLSTM, **options)
    found = differentiated(layer)(*given)
    for one, other, bound in zip(found, expected, bounds, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2 * bound)
    traced = tf.function(lambda mask: layer(formed(given[0], BiLSTM), mask=mask))
    assert_by_cudnn(traced.get_concrete_function(given[2]), CudnnRNNV3=2)


def step_of(batch, **changes):
    """A step of plain gradient descent: its graph, its loss and the weights after it."""
    keras.utils.set_random_seed(1)
    made = build_network(
        recipe(dropout=0.0, **changes), kind="text", task="binary", classes=2,
        vocabulary_size=VOCABULARY, bigrams=len(PAIRS),
    ).predictor  # fmt: skip
    made.get_layer("bigrams").pairs = PAIRS
    made.compile(optimizer=keras.optimizers.SGD(1.0))
    share = changes.get("adversarial", 0.0)
    step = compiled_step(made, loss_function("binary"), batch, share=share, clip_norm=1.0)
    indices = np.arange(len(batch))
    loss = step(tf.constant(pad(batch, indices)), tf.constant(batch.targets))
    return step.get_concrete_function(), float(loss), made.get_weights()


@pytest.mark.parametrize("adversarial", [0.0, 0.03])
@pytest.mark.parametrize("pooling", ["last", "additive_max"])
def test_a_training_step_is_that_of_the_compiled_functions(pooling, adversarial, on_cpu):
    """Its loss, and all weights after it."""
    options = {"pooling": pooling, "adversarial": adversarial}
    with on_cpu():
        _, expected_loss, expected = step_of(rows(32), **options)
    graph, loss, found = step_of(rows(32), **options)
    assert loss == pytest.approx(expected_loss, abs=1e-6)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    passes = 2 if adversarial else 1
    assert_by_cudnn(graph, CudnnRNNV3=2 * passes, CudnnRNNBackpropV3=2 * passes)


FULL = {"word_dropout": 0.3, "adversarial": 0.03, "averaging": 0.9, "clip_norm": 1.0}


@pytest.mark.parametrize("pooling", ["last", "additive", "additive_max", "dot_max"])
def test_training_gives_the_same_bytes_each_time(pooling):
    """Weights and history."""
    chosen = recipe(pooling=pooling, epochs=12, patience=12, learning_rate=0.03, **FULL)
    results = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        made = build_network(
            chosen, kind="text", task="binary", classes=2, vocabulary_size=VOCABULARY
        ).predictor
        fitted = train_model(made, rows(96), rows(32, seed=1), chosen, task="binary", seed=1)
        results.append((fitted.history, [weight.tobytes() for weight in made.get_weights()]))
    assert results[0] == results[1]
    losses = [epoch["val_loss"] for epoch in results[0][0]]
    assert min(losses) < losses[0] / 2


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "entmax"])
def test_predictions_weights_and_gradients_are_those_of_the_cpu(name, on_cpu):
    """And a prediction depends on its own row alone."""
    chosen, some = recipe(attention=name), rows(40)

    def found():
        keras.utils.set_random_seed(1)
        made = build_network(
            chosen, kind="text", task="binary", classes=2, vocabulary_size=VOCABULARY
        )
        made.predictor.set_weights([3 * weight for weight in made.predictor.get_weights()])
        outputs, attention = predict_with_weights(made, some)
        return made.predictor, [
            outputs,
            np.concatenate(attention),
            *gradients.attribute(some, gradients.reader(made.predictor), points=8),
        ]

    with on_cpu():
        _, expected = found()
    predictor, mine = found()
    for one, other in zip(mine, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predict(predictor, some, batch_size=1), mine[0], atol=1e-5)
    assert omission.omitting(predictor) is None


def test_a_language_model_learns_the_same_bytes_each_time():
    """Words in a fixed order: the loss falls far below that of a guess, log 12 = 2.5."""
    values = np.tile(np.arange(2, 14, dtype=np.int32), 200)
    starts = np.arange(0, len(values) + 1, 8)
    texts = Sequences(np.arange(300), np.zeros(300, np.int64), starts, values)
    vectors = np.random.default_rng(0).normal(0, 0.1, (14, 8)).astype(np.float32)
    settings = LanguageModel(
        units=6, epochs=5, samples=12, batch_size=8, learning_rate=0.02, word_dropout=0.1, seed=3
    )
    first, second = (learn_language_model(texts, vectors, settings) for _ in range(2))
    assert first.losses[-1] < 1 < first.losses[0]
    assert first.losses == second.losses
    assert first.vectors.tobytes() == second.vectors.tobytes()
