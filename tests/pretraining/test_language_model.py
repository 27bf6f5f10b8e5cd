import shutil

import numpy as np
import pytest

from pipeline.core.params import LanguageModel
from pipeline.core.sequences import Sequences, starts_of
from pipeline.pretraining import language_model
from pipeline.pretraining.language_model import learn_language_model
from pipeline.training.checkpoint import Checkpoint

VOCABULARY = 14
SETTINGS = LanguageModel(
    units=6, epochs=5, samples=12, batch_size=8, learning_rate=0.02, word_dropout=0.1, seed=3
)
VECTORS = np.random.default_rng(0).normal(0, 0.1, (VOCABULARY, 8)).astype(np.float32)


def texts(count=250):
    """Words in a fixed order, from anywhere in it: each tells the next and the one before."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 12, count)
    starts = starts_of(lengths)
    size = VOCABULARY - 2
    values = np.concatenate([2 + (rng.integers(size) + np.arange(n)) % size for n in lengths])
    return Sequences(np.arange(count), np.zeros(count, np.int64), starts, values.astype(np.int32))


def test_neighbours_are_learnt():
    """The loss on texts that were held out falls far below that of a guess, log 12 = 2.5."""
    learned = learn_language_model(texts(), VECTORS, SETTINGS, say=lambda _: None)
    assert len(learned.losses) == SETTINGS.epochs
    assert learned.losses[-1] < 1.5 < learned.losses[0]
    assert learned.vectors.shape == VECTORS.shape
    assert [weight.shape for weight in learned.bilstm] == [(8, 24), (6, 24), (24,)] * 2


@pytest.mark.parametrize("changes", [{}, {"state_dropout": 0.3, "patience": 5}])
def test_learning_that_was_killed_goes_on_to_the_same_bytes(tmp_path, changes):
    """Dropout, samples, optimizer and order included; another fingerprint starts over."""
    settings = SETTINGS.model_copy(update=changes)
    checkpoint, left = (
        Checkpoint(tmp_path / name, "these texts") for name in ("kept.npz", "left.npz")
    )

    def as_killed(line):
        if "epoch 3" in line:
            shutil.copy(checkpoint.path, left.path)

    expected = learn_language_model(
        texts(60), VECTORS, settings, checkpoint=checkpoint, say=as_killed
    )
    said = []
    found = learn_language_model(texts(60), VECTORS, settings, checkpoint=left, say=said.append)
    assert said[0] == "language model: resuming after epoch 3"
    assert len(said) == 3
    assert (found.losses, found.best_epoch) == (expected.losses, expected.best_epoch)
    for one, other in zip(
        [found.vectors, *found.bilstm], [expected.vectors, *expected.bilstm], strict=True
    ):
        assert one.tobytes() == other.tobytes()
    assert Checkpoint(left.path, "other texts").restore() is None


def test_learning_stops_when_the_held_out_loss_no_longer_falls(tmp_path):
    """After `patience` epochs, with the weights of the smallest; a kill afterwards does no harm."""
    patient = SETTINGS.model_copy(update={"epochs": 9, "patience": 2, "learning_rate": 0.5})
    few = texts(40)
    checkpoint = Checkpoint(tmp_path / "kept.npz", "these texts")
    stopped = learn_language_model(few, VECTORS, patient, checkpoint=checkpoint, say=lambda _: None)
    best = 1 + int(np.argmin(stopped.losses))
    assert stopped.best_epoch == best < 9
    assert len(stopped.losses) == best + 2
    again = learn_language_model(few, VECTORS, patient, checkpoint=checkpoint, say=lambda _: None)
    assert again.vectors.tobytes() == stopped.vectors.tobytes()
    assert again.losses == stopped.losses

    class KilledError(Exception):
        """Stands for a signal."""

    def kill(line):
        if f"epoch {best}/" in line:
            raise KilledError

    checkpoint = Checkpoint(tmp_path / "best.npz", "these texts")
    restless = patient.model_copy(update={"patience": None})
    with pytest.raises(KilledError):
        learn_language_model(few, VECTORS, restless, checkpoint=checkpoint, say=kill)
    assert checkpoint.restore()["best_0"].tobytes() == stopped.vectors.tobytes()


def test_features_of_states_are_dropped_in_training_alone():
    """With another loss for the same batch; the held-out loss drops nothing."""
    model = language_model.NextWords(
        VECTORS, SETTINGS.model_copy(update={"state_dropout": 0.5, "word_dropout": 0.0})
    )
    batch = np.array([[2, 5, 9, 4], [3, 8, 0, 0]], np.int32)
    every = np.arange(VOCABULARY, dtype=np.int32)

    def loss(training):
        return float(model.loss(batch, every, np.zeros(VOCABULARY, np.float32), training=training))

    assert loss(False) == loss(False)
    assert len({loss(True), loss(True), loss(False)}) == 3


def test_texts_of_a_single_word_teach_nothing():
    """And break nothing."""
    single = Sequences(np.arange(9), np.zeros(9, np.int64), np.arange(10), np.full(9, 5, np.int32))
    learned = learn_language_model(single, VECTORS, SETTINGS, say=lambda _: None)
    assert learned.losses == [0.0] * SETTINGS.epochs
    assert np.isfinite(learned.vectors).all()


def test_words_are_drawn_in_proportion_to_their_share():
    """Of 40,000 draws, within four standard deviations."""
    share = np.array([0.0, 0.1, 0.6, 0.3])
    drawn = np.asarray(language_model.draw_words(share, 40_000, np.random.default_rng(0)))
    found = np.bincount(drawn, minlength=4) / 40_000
    assert np.abs(found - share).max() < 4 * np.sqrt(0.25 / 40_000)


def test_many_samples_give_the_loss_of_the_whole_softmax():
    """The estimate of the sum over the vocabulary is right on average."""
    rng = np.random.default_rng(5)
    model = language_model.NextWords(VECTORS, SETTINGS)
    share = np.full(VOCABULARY, 1 / VOCABULARY)
    batch = np.array([[2, 5, 9, 4], [3, 8, 0, 0]], np.int32)
    log_share = np.log(share).astype(np.float32)
    drawn = language_model.draw_words(share, 20_000, rng)
    every = np.arange(VOCABULARY, dtype=np.int32)
    exact, estimate = (
        float(model.loss(batch, samples, log_share, training=False)) for samples in (every, drawn)
    )
    assert estimate == pytest.approx(exact, abs=0.02)
