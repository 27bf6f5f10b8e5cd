import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models.bigrams import Bigrams
from pipeline.models.masked_max import MaskedMax
from pipeline.models.network import build_network, count_parameters, widened_units
from tests.support import reference
from tests.support.batches import LENGTHS, PAIRS, TOKENS, VOCABULARY, run
from tests.support.strategies import POOLINGS, recipe, recipes

every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def text_network(*, seed=1, **changes):
    """A binary text network whose weights are all drawn, biases and statistics too."""
    network = build_network(
        recipe(**changes), kind="text", task="binary", classes=2, vocabulary_size=VOCABULARY
    )
    rng = np.random.default_rng(seed)
    for weight in network.predictor.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape) * rng.choice([-1, 1], weight.shape))
        if "variance" in weight.path:
            weight.assign(np.abs(weight))
    return network


# ── what it computes ─────────────────────────────────────────────────────────────────────


@every_pooling
@pytest.mark.parametrize(("merge", "normalization"), [("concat", "none"), ("sum", "layer")])
def test_agrees_with_the_float64_reference(pooling, merge, normalization):
    """Embedding, Bi-LSTM, normalization, pooling and head, row by row without padding."""
    predictor = text_network(pooling=pooling, merge=merge, normalization=normalization).predictor
    layers = {layer.name: layer for layer in predictor.layers}
    exact = {
        name: [np.asarray(weight, np.float64) for weight in layer.get_weights()]
        for name, layer in layers.items()
    }
    exact["forward"], exact["backward"] = exact["bilstm"][:3], exact["bilstm"][3:]
    outputs = run(predictor, TOKENS)
    for output, tokens, length in zip(outputs, TOKENS, LENGTHS, strict=True):
        expected = reference.network(
            exact["embedding"][0][tokens[:length]],
            exact,
            pooling=pooling,
            merge=merge,
            normalized=normalization == "layer",
        )
        np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "others"),
    [(pooling, {}) for pooling in POOLINGS]
    + [("additive", {"attention": name}) for name in ("sparsemax", "entmax")]
    + [("additive", {"normalization": "layer"}), ("mean", {"normalization": "batch", "layers": 2})],
)
def test_a_prediction_depends_on_its_own_row_alone(pooling, others):
    """A row gives the same alone, in any batch, and padded to any length, to 1e-5."""
    predictor = text_network(pooling=pooling, spatial_dropout=0.3, **others).predictor
    together = run(predictor, TOKENS)
    assert np.ptp(together) > 1e-3  # the rows differ, so a mixed-up row would show
    for extra in (1, 9):
        padded = run(predictor, np.pad(TOKENS, [(0, 0), (0, extra)]))
        np.testing.assert_allclose(padded, together, atol=1e-5)
    for row, length in enumerate(LENGTHS):
        alone = run(predictor, TOKENS[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_batch_normalisation_learns_from_real_steps_alone():
    """Its statistics after a training step are the same however much padding there is."""
    statistics = []
    for extra in (0, 9):
        predictor = text_network(pooling="mean", normalization="batch", dropout=0.0).predictor
        predictor(np.pad(TOKENS, [(0, 0), (0, extra)]), training=True)
        normalization = predictor.get_layer("normalization")
        statistics.append([normalization.moving_mean, normalization.moving_variance])
    np.testing.assert_allclose(*np.asarray(statistics), atol=1e-5)


def test_the_maximum_is_taken_over_real_steps():
    """Padding does not raise a negative maximum to 0, and no real step gives 0."""
    states = np.array([[[-3.0, -1], [-2, -4], [9, 9]], [[1, 1], [2, 2], [3, 3]]], np.float32)
    mask = np.array([[True, True, False], [False, False, False]])
    np.testing.assert_array_equal(MaskedMax()(states, mask=mask), [[-2, -1], [0, 0]])
    np.testing.assert_array_equal(MaskedMax()(states), [[9, 9], [3, 3]])


def test_each_token_is_looked_up_with_the_next_one():
    """Known pairs have numbers in their order, from 1; all others have 0, the last token too."""
    layer = Bigrams(len(PAIRS))
    layer.build((None, None))
    layer.pairs = PAIRS
    np.testing.assert_array_equal(layer.pairs, PAIRS)
    tokens = np.array([[1, 2, 2, 29, 1], [3, 29, 1, 0, 0], [29, 0, 0, 0, 0]], np.int32)
    numbers = [[1, 2, 0, 4, 0], [3, 4, 0, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(layer(tokens), numbers)


def test_a_trigram_is_a_pair_of_bigrams():
    """3 29 1 and 29 1 2 are known, 1 2 2 is not; a row's last two tokens begin none."""
    options = {"kind": "text", "task": "binary", "classes": 2, "vocabulary_size": VOCABULARY}
    network = build_network(recipe(), **options, bigrams=len(PAIRS), trigrams=2).predictor
    network.get_layer("bigrams").pairs = PAIRS
    network.get_layer("trigrams").pairs = np.array([[3, 4], [4, 1]])
    numbers = keras.Model(network.inputs, network.get_layer("trigrams").output)
    tokens = np.array([[3, 29, 1, 2, 2], [5, 3, 29, 1, 0], [29, 1, 0, 0, 0]], np.int32)
    np.testing.assert_array_equal(
        numbers([tokens]), [[1, 2, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    )


def test_bigrams_are_silent_before_training():
    """So a network begins with its words alone, and word vectors mean what they did."""
    options = {"kind": "text", "task": "binary", "classes": 2, "vocabulary_size": VOCABULARY}
    keras.utils.set_random_seed(1)
    without = build_network(recipe(), **options).predictor
    keras.utils.set_random_seed(1)
    with_them = build_network(recipe(), **options, bigrams=len(PAIRS)).predictor
    for layer in without.layers:
        with_them.get_layer(layer.name).set_weights(layer.get_weights())
    np.testing.assert_array_equal(run(with_them, TOKENS), run(without, TOKENS))


def test_bigrams_survive_saving_and_padding(tmp_path):
    """Which pairs are known is among the weights; a prediction depends on its row alone."""
    options = {"kind": "text", "task": "binary", "classes": 2, "vocabulary_size": VOCABULARY}
    first, second = (build_network(recipe(), **options, bigrams=4).predictor for _ in range(2))
    first.get_layer("bigrams").pairs = PAIRS
    first.get_layer("bigram_embedding").set_weights([np.full((5, 6), [[0], [1], [2], [3], [4]])])
    first.save_weights(tmp_path / "model.weights.h5")
    second.load_weights(tmp_path / "model.weights.h5")
    tokens = np.array([[1, 2, 2, 29, 1], [3, 29, 1, 0, 0]], np.int32)
    outputs = run(second, tokens)
    np.testing.assert_array_equal(outputs, run(first, tokens))
    np.testing.assert_allclose(run(second, tokens[1:, :3])[0], outputs[1], atol=1e-6)
    first.get_layer("bigrams").pairs = PAIRS[:, ::-1]
    assert np.abs(run(first, tokens) - outputs).max() > 1e-4


# ── two models over one set of layers ────────────────────────────────────────────────────


@pytest.mark.parametrize("pooling", ["additive", "additive_max", "dot", "dot_last", "dot_max"])
def test_the_explainer_shares_the_predictors_layers(pooling):
    """The same output after the weights have changed, and weights that sum to 1 over the text."""
    network = text_network(pooling=pooling)
    for weight in network.predictor.trainable_weights:
        weight.assign(weight * 0.9)
    explained = network.explainer(TOKENS)
    np.testing.assert_allclose(explained["output"], run(network.predictor, TOKENS), atol=1e-6)
    weights = np.asarray(explained["weights"])
    assert not weights[TOKENS == 0].any()
    assert (weights[TOKENS != 0] > 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_without_weights_there_is_no_explainer(pooling):
    """These poolings have nothing to show."""
    assert text_network(pooling=pooling).explainer is None


# ── training ─────────────────────────────────────────────────────────────────────────────


@every_pooling
def test_one_training_step_changes_every_weight(pooling):
    """Nothing in the network is dead, whatever the pooling."""
    predictor = text_network(pooling=pooling, normalization="layer").predictor
    before = predictor.get_weights()
    with tf.GradientTape() as tape:
        outputs = predictor(TOKENS, training=True)
        loss = keras.ops.mean((outputs - np.array([[0], [1], [0], [1]])) ** 2)
    weights = predictor.trainable_weights
    keras.optimizers.SGD(10.0).apply(tape.gradient(loss, weights), weights)
    for weight, old, new in zip(predictor.weights, before, predictor.get_weights(), strict=True):
        assert not np.array_equal(old, new), weight.path


def test_the_seed_alone_decides_the_weights():
    """The same seed gives the same network, dropout included; another gives another."""

    def trained(seed):
        keras.utils.set_random_seed(seed)
        predictor = build_network(
            recipe(), kind="text", task="binary", classes=2, vocabulary_size=VOCABULARY
        ).predictor
        return [*predictor.get_weights(), np.asarray(predictor(TOKENS, training=True))]

    once, again, other = trained(1), trained(1), trained(2)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0], other[0])
    assert not np.array_equal(once[-1], other[-1])


def test_l2_reaches_the_attention_alone():
    """The recipe's penalty is on W and u."""
    predictor = text_network(l2=0.1).predictor
    kernel, _, vector = predictor.get_layer("attention").get_weights()
    expected = 0.1 * ((kernel**2).sum() + (vector**2).sum())
    assert float(sum(predictor.losses)) == pytest.approx(expected, rel=1e-5)
    assert text_network(pooling="last", l2=0.1).predictor.losses == []


# ── heads, inputs, sizes ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("task", "classes", "width"), [("binary", 2, 1), ("multiclass", 4, 4), ("regression", 0, 1)]
)
@pytest.mark.parametrize("kind", ["text", "series"])
def test_the_head_follows_the_task(kind, task, classes, width):
    """One probability, one per class, or a value; for text and series alike."""
    network = build_network(
        recipe(),
        kind=kind,
        task=task,
        classes=classes,
        vocabulary_size=VOCABULARY if kind == "text" else 0,
        features=3 if kind == "series" else 0,
    )
    inputs = TOKENS if kind == "text" else 9 * np.ones((4, 9, 3), np.float32)
    outputs = run(network.predictor, inputs)
    assert outputs.shape == (4, width)
    names = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}
    assert network.predictor.get_layer("output").activation.__name__ == names[task]
    if task == "multiclass":
        np.testing.assert_allclose(outputs.sum(1), 1, atol=1e-6)


def test_zeros_in_a_series_are_values():
    """A series has no mask: a step of zeros is a step like any other."""
    network = build_network(recipe(), kind="series", task="regression", classes=0, features=2)
    explained = network.explainer(np.zeros((1, 5, 2), np.float32))
    assert (np.asarray(explained["weights"]) > 0).all()


def test_mixed_precision_ends_in_float32():
    """Under a mixed policy output and weights are float32, and close to the exact ones."""
    exact = run(text_network().predictor, TOKENS)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = text_network()
        explained = network.explainer(TOKENS)
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(explained[name].dtype == tf.float32 for name in ("output", "weights"))
    np.testing.assert_allclose(explained["output"], exact, atol=0.05)


@given(recipes(), st.sampled_from([("binary", 2, 1), ("multiclass", 3, 3)]), st.integers(1, 9))
@settings(deadline=None, max_examples=10)
def test_parameters_are_counted_without_building(drawn, head, features):
    """The formula gives what Keras counts."""
    task, classes, outputs = head
    built = build_network(drawn, kind="series", task=task, classes=classes, features=features)
    counted = count_parameters(drawn, drawn.units, inputs=features, outputs=outputs)
    assert built.predictor.count_params() == counted


@given(recipes(), st.integers(1, 40), st.integers(1, 5))
def test_widened_reaches_the_additive_networks_parameters(drawn, inputs, outputs):
    """As many parameters at least, and with one unit less they would be too few."""
    sibling = drawn.model_copy(update={"pooling": "additive"})
    target = count_parameters(sibling, drawn.units, inputs=inputs, outputs=outputs)
    units = widened_units(drawn, inputs=inputs, outputs=outputs)
    assert count_parameters(drawn, units, inputs=inputs, outputs=outputs) >= target
    fewer = count_parameters(drawn, units - 1, inputs=inputs, outputs=outputs)
    assert fewer < target or units == drawn.units


def test_a_widened_recipe_is_built_wider():
    """`widened: true` reaches the network: no fewer parameters than with attention."""
    counts = {
        name: text_network(**changes).predictor.count_params()
        for name, changes in {
            "plain": {"pooling": "last"},
            "wide": {"pooling": "last", "widened": True},
            "attention": {"pooling": "additive"},
        }.items()
    }
    assert counts["plain"] < counts["attention"] <= counts["wide"]


def test_chrono_initialization_opens_the_forget_gates():
    """The biases are log t and -log t, for t below the longest dependency, each unit's own."""

    def biases(seed):
        keras.utils.set_random_seed(seed)
        network = build_network(
            recipe(units=8, chrono=50), kind="series", task="binary", classes=2,
            features=3,
        ).predictor  # fmt: skip
        layer = network.get_layer("bilstm")
        return np.stack([
            keras.ops.convert_to_numpy(one.cell.bias).reshape(4, 8)
            for one in (layer.forward_layer, layer.backward_layer)
        ])  # fmt: skip

    found = biases(1)
    incoming, forget, cell, outgoing = found.transpose(1, 0, 2)
    assert np.array_equal(incoming, -forget)
    assert not np.any(cell)
    assert not np.any(outgoing)
    assert np.exp(forget).min() >= 1
    assert np.exp(forget).max() <= 49.01
    assert len(np.unique(forget)) == 16
    assert np.array_equal(found, biases(1))
    assert not np.array_equal(found, biases(2))
