import numpy as np
import pytest
import tensorflow as tf

from pipeline.core.files import sealed_folder, write_json
from pipeline.core.sequences import Sequences, starts_of
from pipeline.errors import ArtifactError
from pipeline.models.network import build_network
from pipeline.training.inference import compile_once, load_model, predict, predict_with_weights
from tests.support.strategies import recipe

VOCABULARY = 30


def ragged(lengths, *, features=None, seed=0):
    """Rows of these lengths."""
    rng = np.random.default_rng(seed)
    starts = starts_of(lengths)
    values = (
        rng.integers(1, VOCABULARY, starts[-1]).astype(np.int32)
        if features is None
        else rng.normal(size=(starts[-1], features)).astype(np.float32)
    )
    rows = np.arange(len(lengths))
    return Sequences(rows=rows, targets=rows, starts=starts, values=values)


TEXTS = ragged([5, 1, 8, 2, 2, 7])


def text_network(task="binary", classes=2, **changes):
    """A network with weights large enough that rows differ."""
    network = build_network(
        recipe(**changes), kind="text", task=task, classes=classes, vocabulary_size=VOCABULARY
    )
    rng = np.random.default_rng(1)
    network.predictor.set_weights(
        [rng.normal(size=weight.shape) for weight in network.predictor.get_weights()]
    )
    return network


@pytest.fixture(scope="module")
def network():
    """One binary attention network for the tests that only read it."""
    return text_network()


def each_alone(model, sequences):
    """A model's raw output of every row by itself, in the order of the rows."""
    rows = np.split(sequences.values, sequences.starts[1:-1])
    return [model(row[None], training=False) for row in rows]


@pytest.mark.parametrize("batch_size", [1, 4, 256])
def test_predictions_come_in_the_order_of_the_rows(network, batch_size):
    """Whatever the batches, row i's probabilities are row i's, and the two columns sum to 1."""
    outputs = predict(network.predictor, TEXTS, batch_size)
    alone = np.array(each_alone(network.predictor, TEXTS))[:, 0, 0]
    assert np.ptp(alone) > 0.1
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs[:, 1], alone, atol=1e-5)
    np.testing.assert_allclose(outputs.sum(1), 1, atol=1e-6)


def test_every_class_has_its_column():
    """Softmax outputs stay as they are."""
    predictor = text_network("multiclass", 4).predictor
    outputs = predict(predictor, TEXTS, 4)
    alone = np.array(each_alone(predictor, TEXTS))[:, 0]
    np.testing.assert_allclose(outputs, alone, atol=1e-5)


def test_a_regression_of_series_is_one_value_a_row():
    """Windows of numbers give <float32>[n]."""
    predictor = build_network(
        recipe(), kind="series", task="regression", classes=0, features=3
    ).predictor
    windows = ragged([6] * 5, features=3)
    outputs = predict(predictor, windows, 2)
    assert outputs.shape == (5,)
    np.testing.assert_allclose(
        outputs, np.array(each_alone(predictor, windows))[:, 0, 0], atol=1e-5
    )


@pytest.mark.parametrize("batch_size", [4, 256])
def test_attention_covers_each_row_and_no_padding(network, batch_size):
    """Row i has as many weights as steps, those it has alone, and they sum to 1."""
    outputs, weights = predict_with_weights(network, TEXTS, batch_size)
    np.testing.assert_allclose(outputs, predict(network.predictor, TEXTS), atol=1e-6)
    assert [len(row) for row in weights] == TEXTS.lengths.tolist()
    for row, alone in zip(weights, each_alone(network.explainer, TEXTS), strict=True):
        np.testing.assert_allclose(row, np.asarray(alone["weights"])[0], atol=1e-5)
        assert row.sum() == pytest.approx(1, abs=1e-5)


def test_a_model_is_traced_once(network):
    """Batches of any size and length, in any number of calls, share one graph."""
    graph = compile_once(network.predictor)
    assert isinstance(graph, tf.types.experimental.ConcreteFunction)
    for sequences in (TEXTS, ragged([3]), ragged([8, 8, 8]), TEXTS):
        predict(network.predictor, sequences, 2)
    assert compile_once(network.predictor) is graph


def test_predictions_follow_the_weights():
    """A model that was trained further since the last call gives its new outputs."""
    predictor = text_network().predictor
    before = predict(predictor, TEXTS)
    predictor.set_weights([-weight for weight in predictor.get_weights()])
    assert np.abs(predict(predictor, TEXTS) - before).max() > 0.1


def test_progress_counts_every_row(network):
    """The callback's numbers sum to the rows, as tqdm's `update` expects."""
    done = []
    predict(network.predictor, TEXTS, 4, progress=done.append)
    predict_with_weights(network, TEXTS, 4, progress=done.append)
    assert sum(done) == 2 * len(TEXTS)
    assert len(done) > 2


def test_no_rows_give_no_outputs(network):
    """An empty split is nobody's mistake."""
    empty = ragged([])
    assert predict(network.predictor, empty).shape == (0, 2)
    assert predict_with_weights(network, empty)[1] == []


def test_a_network_without_attention_has_no_weights_to_show():
    """It says so."""
    with pytest.raises(ValueError, match="attention pooling"):
        predict_with_weights(text_network(pooling="mean"), TEXTS)


# ── saved models ─────────────────────────────────────────────────────────────────────────


def save(network, folder, **changes):
    """Write what `train` writes, as far as loading is concerned."""
    card = {
        "model": "bilstm_attention",
        "kind": "text",
        "task": "binary",
        "classes": ["neg", "pos"],
        "recipe": recipe().model_dump(),
        "vocabulary_size": VOCABULARY,
        "max_len": 8,
        **changes,
    }
    write_json(folder / "model.json", card)
    network.predictor.save_weights(folder / "model.weights.h5")


def test_a_saved_model_is_the_one_that_is_loaded(network, tmp_path):
    """Its outputs and attention weights; served models are loaded in another process."""
    save(network, tmp_path)
    loaded, card = load_model(tmp_path)
    assert card["classes"] == ["neg", "pos"]
    assert loaded.predictor is not network.predictor
    expected, found = (predict_with_weights(each, TEXTS) for each in (network, loaded))
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(np.concatenate(found[1]), np.concatenate(expected[1]), atol=1e-6)


def test_a_model_that_cannot_be_loaded_says_what_to_do(network, tmp_path):
    """Missing files, weights of another shape, a damaged archive, an unknown recipe key."""
    with pytest.raises(ArtifactError, match=r"no .*model\.json"):
        load_model(tmp_path / "nowhere")
    save(network, tmp_path)
    (tmp_path / "model.weights.h5").unlink()
    with pytest.raises(ArtifactError, match=r"no .*model\.weights\.h5"):
        load_model(tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(b"not HDF5")
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_model(tmp_path)
    save(network, tmp_path, recipe=recipe(units=7).model_dump())
    with pytest.raises(ArtifactError, match="dvc repro"):
        load_model(tmp_path)
    save(network, tmp_path, recipe={**recipe().model_dump(), "heads": 8})
    with pytest.raises(ArtifactError, match="heads"):
        load_model(tmp_path)


def test_weights_of_another_run_are_refused(network, tmp_path):
    """They fit, and would predict other things than the run's files say."""
    for seed, name in enumerate(("bilstm-1", "bilstm-2")):
        with sealed_folder(tmp_path / name, stage=f"train@{name}") as folder:
            save(network, folder, seed=seed)
    load_model(tmp_path / "bilstm-1")
    weights = network.predictor.get_weights()
    other = tmp_path / "bilstm-2" / "model.weights.h5"
    try:
        network.predictor.set_weights([weight + 1 for weight in weights])
        network.predictor.save_weights(other)
    finally:
        network.predictor.set_weights(weights)
    other.replace(tmp_path / "bilstm-1" / "model.weights.h5")
    with pytest.raises(ArtifactError, match=r"model\.weights\.h5 was changed.*train@bilstm-1"):
        load_model(tmp_path / "bilstm-1")
