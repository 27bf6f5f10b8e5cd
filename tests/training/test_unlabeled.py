import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import rel_entr, softmax
from scipy.stats import entropy

from pipeline.models.network import build_network, split_at_encoder
from pipeline.models.words import spread
from pipeline.training import unlabeled
from pipeline.training.optimizer import Adam
from pipeline.training.unlabeled import divergence_from, unlabeled_gradients, virtual_perturbation
from tests.support import strategies

TOKENS = tf.constant([[3, 4, 5, 6, 7], [8, 9, 3, 0, 0], [5, 0, 0, 0, 0], [4, 4, 4, 4, 0]])
CLASSES = {"binary": 2, "multiclass": 3}
CROSS_ENTROPIES = unlabeled._CROSS_ENTROPIES


def built(task="binary", **changes):
    """A predictor of texts that drops nothing, compiled."""
    keras.utils.set_random_seed(1)
    model = build_network(
        strategies.recipe(**{"dropout": 0.0, **changes}),
        kind="text", task=task, classes=CLASSES[task], vocabulary_size=20, bigrams=0,
    ).predictor  # fmt: skip
    model.compile(optimizer=Adam(0.01))
    model.optimizer.build(model.trainable_variables)
    return model


def learned(model, task="binary", *, embeddings=True, **weights):
    """What rows without labels teach a model."""
    return unlabeled_gradients(model, task, embeddings=embeddings, seed=1, **weights)


def distribution(outputs):
    """<float64>[batch, classes], of what a head returns."""
    outputs = np.asarray(outputs, np.float64)
    return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


# ── the perturbation ─────────────────────────────────────────────────────────────────────


def test_the_direction_is_that_of_a_step_of_power_iteration():
    """Of a linear softmax, whose divergence has the Hessian Wᵀ (diag p - p pᵀ) W, in float64.

    Two rows; the second one's last step is masked, and all is as if it were not there.
    """
    rng = np.random.default_rng(0)
    seen, noise = rng.normal(size=(2, 2, 3, 4)).astype(np.float32)
    kernel = rng.normal(size=(12, 5)).astype(np.float32)
    mask = np.array([[1, 1, 1], [1, 1, 0]], bool)
    real = np.repeat(mask.reshape(2, 3, 1), 4, axis=2)

    def outputs(vectors):
        flat = tf.reshape(tf.where(real, vectors, 0.0), (2, 12))
        return keras.activations.softmax(flat @ kernel)

    divergence = divergence_from(outputs(seen), CROSS_ENTROPIES["multiclass"])
    found = virtual_perturbation(
        lambda shift: divergence(outputs(seen + shift)), seen, noise, mask, share=0.1
    ).numpy()
    for row in range(2):
        x, d = (np.where(real[row], each[row], 0).reshape(12) for each in (seen, noise))
        p = softmax(x.astype(np.float64) @ kernel)
        hessian = kernel @ (np.diag(p) - np.outer(p, p)) @ kernel.T
        step = np.where(real[row].reshape(12), hessian @ d, 0)
        expected = 0.1 * np.linalg.norm(x) * step / np.linalg.norm(step)
        assert np.linalg.norm(found[row]) == pytest.approx(np.linalg.norm(expected), rel=1e-5)
        # the slope is taken at 1 % of the row's norm, not at 0
        np.testing.assert_allclose(found[row].reshape(12), expected, atol=0.02 * np.abs(step).max())
        assert not found[row][~mask[row]].any()


def test_a_row_whose_prediction_nothing_changes_stays_where_it_is():
    """No division by its slope of 0."""
    seen = noise = np.ones((2, 3, 4), np.float32)
    shift = virtual_perturbation(lambda r: 0.0 * tf.reduce_sum(r, [1, 2]), seen, noise, share=0.1)
    assert not shift.numpy().any()


@pytest.mark.parametrize("bias", [0.0, -9.0])
def test_the_found_perturbation_changes_a_prediction_more_than_random_ones(bias, monkeypatch):
    """Of the same size, and each row's; of a network that is nearly sure, too."""
    model = built()
    embeddings = model.get_layer("embedding").embeddings
    embeddings.assign(np.random.default_rng(0).normal(size=embeddings.shape))
    model.get_layer("output").bias.assign([bias])
    tried = []
    search = unlabeled.virtual_perturbation

    def spy(divergence, seen, noise, mask, *, share):
        found = search(divergence, seen, noise, mask, share=share)
        random = [
            unlabeled.worst_perturbation(seen, tf.random.normal(seen.shape), mask, share=share)
            for _ in range(20)
        ]
        tried.extend(divergence(shift).numpy() for shift in (found, *random))
        return found

    monkeypatch.setattr(unlabeled, "virtual_perturbation", spy)
    made = learned(model, share=0.1, entropy=0.0)
    losses, _ = made.gradients(TOKENS)
    found, *random = tried
    assert (found > np.max(random, axis=0)).all()
    assert float(losses[1]) == pytest.approx(found.mean(), rel=1e-3)


def test_the_random_directions_depend_on_seed_and_step_alone():
    """So that a resumed training takes those of an uninterrupted one."""
    seen = tf.zeros((2, 3, 4))
    noise = [
        unlabeled.random_directions(seen, seed, step).numpy()
        for seed, step in [(1, 5), (1, 6), (2, 5)]
    ]
    assert (
        noise[0].tobytes() == unlabeled.random_directions(seen, 1, tf.constant(5)).numpy().tobytes()
    )
    assert all(abs(np.corrcoef(noise[0].flat, other.flat)[0, 1]) < 0.8 for other in noise[1:])
    assert np.isfinite(unlabeled.random_directions(seen, 2**32 - 1, 0)).all()


# ── the losses ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_divergence_is_kullbacks_and_leiblers(task):
    """Against SciPy's, in nats; 0 between equal predictions, with a slope of 0."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 6, 1 if task == "binary" else 3)).astype(np.float32)
    head = keras.activations.sigmoid if task == "binary" else keras.activations.softmax
    known, other = map(head, logits)
    divergence = divergence_from(known, CROSS_ENTROPIES[task])
    expected = rel_entr(distribution(known), distribution(other)).sum(axis=1)
    np.testing.assert_allclose(divergence(other), expected, rtol=1e-4, atol=1e-6)

    given = tf.Variable(logits[0])
    with tf.GradientTape() as tape:
        same = divergence(head(given))
    np.testing.assert_allclose(same, np.zeros(6), atol=1e-6)
    np.testing.assert_allclose(tape.gradient(same, given), np.zeros(given.shape), atol=1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_entropy_is_that_of_the_predictions(task):
    """Against SciPy's; its gradient by the head's bias, against differences of that."""
    model = built(task)
    bias = model.get_layer("output").bias
    drawn = np.random.default_rng(0).normal(size=bias.shape)

    def measured(values):
        bias.assign(values)
        return entropy(distribution(model(TOKENS)), axis=1).mean()

    slope = [
        (measured(drawn + change) - measured(drawn - change)) / 2e-2
        for change in 1e-2 * np.eye(len(drawn))
    ]
    expected = measured(drawn)
    made = learned(model, task, share=0.0, entropy=2.0)
    losses, found = made.gradients(TOKENS)
    assert losses.numpy() == pytest.approx([expected], rel=1e-5)
    place = [variable.path for variable in made.variables].index(bias.path)
    np.testing.assert_allclose(found[place], 2 * np.array(slope), atol=1e-3)


def test_no_gradient_flows_into_what_predictions_are_to_stay(monkeypatch):
    """The head's bias gets the mean of q - p, the slope of KL(p ‖ q) by q's logit alone."""
    model = built()
    embed, encoder, decode = split_at_encoder(model)
    given, (mask,) = embed(TOKENS)
    seen = spread(*given)
    shift = tf.constant(np.random.default_rng(0).normal(size=seen.shape), tf.float32)
    monkeypatch.setattr(unlabeled, "virtual_perturbation", lambda *_, **__: shift)
    made = learned(model, share=0.1, entropy=0.0)
    losses, found = made.gradients(TOKENS)
    p, q = (
        np.asarray(decode([tf.identity(encoder(each, mask=mask)), [mask]]), np.float64)
        for each in (seen, seen + shift)
    )
    bias = model.get_layer("output").bias
    place = [variable.path for variable in made.variables].index(bias.path)
    assert found[place].numpy() == pytest.approx([(q - p).mean()], rel=1e-4)
    expected = rel_entr(distribution(p), distribution(q)).sum(axis=1).mean()
    assert losses.numpy()[1] == pytest.approx(expected, rel=1e-4)

    known = tf.Variable([[0.3]])
    with tf.GradientTape() as tape:
        total = divergence_from(known * 2.0, CROSS_ENTROPIES["binary"])(tf.constant([[0.7]]))
    assert tape.gradient(total, known) is None


def test_dropped_features_are_no_divergence():
    """With half of the pooled features dropped in training, hardly moved rows diverge by nothing.

    Else the direction would be that of the difference between two draws.
    """
    model = built(dropout=0.5)
    made = learned(model, share=1e-6, entropy=0.0)
    losses, _ = made.gradients(TOKENS)
    assert abs(float(losses[1])) < 1e-6


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "last", "layers": 2},
        {"pooling": "additive_max", "l2": 0.1, "attention_entropy": 0.1},
        {"spatial_dropout": 0.2, "normalization": "layer"},
        {"word_dropout": 0.3, "normalization": "batch", "merge": "sum"},
    ],
)
def test_every_weight_has_a_gradient(changes):
    """Compiled, for batches of any size and length; the embeddings only where they are to move."""
    model = built("multiclass", **changes)
    made = learned(model, "multiclass", share=0.1, entropy=1.0)
    rows = [tf.TensorSpec([None, None], tf.int32)]
    compiled = tf.function(made.gradients, input_signature=rows, autograph=False)
    for batch in (TOKENS, TOKENS[:1, :3]):
        losses, found = compiled(batch)
        assert np.isfinite(losses).all()
        assert (losses.numpy() > 0).all()
        for variable, gradient in zip(made.variables, found, strict=True):
            dense = tf.convert_to_tensor(gradient)
            assert dense.shape == variable.shape, variable.path
            assert np.isfinite(dense).all()
            assert np.any(dense) or len(batch) == 1, variable.path
    above = learned(model, "multiclass", share=0.1, entropy=1.0, embeddings=False)
    everything = {variable.path for variable in model.trainable_variables}
    assert {variable.path for variable in made.variables} == everything
    assert everything - {variable.path for variable in above.variables} == {"embedding/embeddings"}
