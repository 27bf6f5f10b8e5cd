import shutil

import keras
import numpy as np
import pytest

from pipeline.core import params
from pipeline.core.files import (
    SEAL,
    ArtifactError,
    read_array,
    read_arrays,
    read_json,
)
from pipeline.core.sequences import Sequences, read_sequences, write_sequences
from pipeline.errors import ParamsError
from pipeline.stages import pretrain, train
from pipeline.training.run import TrainingRun
from tests.support.project import change
from tests.support.training import encoded_workspace, rows

ENCODE = {"tokenizer": "words", "vocabulary": 20, "max_len": 9}
VECTORS = {"corpus": "train", "size": 6, "epochs": 2}
LANGUAGE_MODEL = {"units": 4, "epochs": 2, "samples": 8}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Encoded rows and what is learned from them without labels: vectors and a Bi-LSTM."""
    made = encoded_workspace(tmp_path_factory.mktemp("learned"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
        learn(made, vectors=VECTORS, language_model=LANGUAGE_MODEL)
    return made


@pytest.fixture
def project(learned, workspace):
    """A copy of that."""
    shutil.copytree(learned.root, workspace.root, dirs_exist_ok=True)
    return workspace


def learn(workspace, **wanted):
    """Run the stage with that encoding."""
    change(workspace.root, {"datasets.demo.encode": {**ENCODE, **wanted}})
    pretrain.run(workspace)


def stop(*arguments, **options):
    """What Ctrl-C does."""
    raise KeyboardInterrupt


def network(workspace, model="bilstm_attention", **changed):
    """A network as it is before its training."""
    keras.backend.clear_session()  # layers are numbered per process, and a process trains once
    settings = params.load_params(workspace.params)
    return TrainingRun.for_stage(
        "stages.train",
        model,
        1,
        settings.recipe(model).model_copy(update=changed),
        data=workspace.encoded,
        pretrained=workspace.vectors,
        libraries=workspace.libraries,
        threads=settings.threads,
    ).build_network()


def test_vectors_are_made_where_they_are_wanted(project):
    """For every word of the vocabulary; without the parameter none, and what was there goes."""
    vectors = read_array(project.vectors / "vectors.npy")
    assert vectors.shape == (20, 6)
    assert np.abs(vectors[2:]).sum() > 0
    learn(project)
    assert {path.name for path in project.vectors.iterdir()} == {"vectors.json", SEAL}


def test_unlabeled_texts_have_to_be_there(project):
    """The parameter and the remedy are named; what was there stays."""
    with pytest.raises(ParamsError, match="no unlabeled texts"):
        learn(project, vectors={**VECTORS, "corpus": "all"})
    assert (project.vectors / "vectors.npy").exists()


def test_unlabeled_texts_are_learned_from_after_trains(workspace, monkeypatch):
    """All that `encode` has kept of them, in their order."""
    unlabeled = rows(5, seed=9)
    write_sequences(workspace.encoded / "unsupervised.parquet", unlabeled)
    labeled = read_sequences(workspace.encoded / "train.parquet")
    read = []
    weights = pretrain.pretrain_weights

    def spy(given, *rest, **options):
        read.append((given.values.tolist(), given.starts.tolist()))
        return weights(given, *rest, **options)

    monkeypatch.setattr(pretrain, "pretrain_weights", spy)
    learn(workspace, vectors={**VECTORS, "corpus": "all"})
    both = Sequences.concatenate([labeled, unlabeled])
    assert read == [(both.values.tolist(), both.starts.tolist())]


@pytest.mark.parametrize("layers", [1, 2])
def test_a_network_begins_with_what_was_learnt_without_labels(project, layers):
    """Words and the lowest Bi-LSTM; the rest is its seed's."""
    model = network(project, layers=layers)
    vectors = read_array(project.vectors / "vectors.npy")
    warm = read_arrays(project.vectors / "bilstm.npz")
    bilstm = model.get_layer("bilstm" if layers == 1 else "bilstm_1")
    assert model.get_layer("embedding").get_weights()[0].tobytes() == vectors.tobytes()
    for found, expected in zip(bilstm.get_weights(), warm, strict=True):
        assert found.tobytes() == expected.tobytes()

    learn(project, vectors=VECTORS)
    assert not (project.vectors / "bilstm.npz").exists()
    cold = network(project, layers=layers).get_layer(bilstm.name)
    assert np.abs(cold.get_weights()[0] - warm[0]).max() > 0


def test_the_losses_of_a_language_model_are_kept_beside_it(project):
    """In `vectors.json`, one for each epoch; learning twice gives the same bytes."""
    files = {path.name: path.read_bytes() for path in project.vectors.iterdir()}
    report = read_json(project.vectors / "vectors.json")
    losses = report["language_model"]["held_out_losses"]
    assert len(losses) == LANGUAGE_MODEL["epochs"]
    assert report["language_model"]["held_out_perplexity"] == pytest.approx(np.exp(losses[-1]))
    keras.backend.clear_session()
    pretrain.run(project)
    assert {path.name: path.read_bytes() for path in project.vectors.iterdir()} == files
    assert not list((project.scratch / "checkpoints").iterdir())


def test_a_model_says_how_good_the_language_model_was_that_it_started_from(project):
    """In its card, from where MLflow gets it; without a language model there is no figure."""
    report = read_json(project.vectors / "vectors.json")
    card = project.model("bilstm_attention", 1) / "model.json"
    train.run(project, "bilstm_attention", 1)
    found = read_json(card)["held_out_perplexity"]
    assert found == report["language_model"]["held_out_perplexity"]
    learn(project, vectors=VECTORS)
    train.run(project, "bilstm_attention", 1)
    assert "held_out_perplexity" not in read_json(card)


def test_word_vectors_are_not_learnt_twice(project, monkeypatch, capsys):
    """Where the language model after them was killed; the bytes are as without a kill."""
    files = {path.name: path.read_bytes() for path in project.vectors.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.pretraining.language_model.learn_language_model", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain.run(project)
    monkeypatch.setattr("pipeline.pretraining.word_vectors.word_vectors", stop)
    keras.backend.clear_session()
    pretrain.run(project)
    assert "word vectors: restored" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in project.vectors.iterdir()} == files
    change(project.root, {"datasets.demo.encode.vectors.epochs": 3})
    with pytest.raises(KeyboardInterrupt):
        pretrain.run(project)


def test_a_language_model_of_another_width_is_refused(project):
    """With both figures and what to do."""
    with pytest.raises(ParamsError, match=r"has 4 units per direction .* bilstm_attention has 5"):
        network(project, units=5)


def test_a_damaged_start_is_named(project):
    """Never a traceback."""
    (project.vectors / "bilstm.npz").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match=r"bilstm\.npz"):
        network(project)
