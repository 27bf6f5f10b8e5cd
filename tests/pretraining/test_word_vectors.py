import numpy as np
import pytest

from pipeline.core.params import Vectors
from pipeline.core.sequences import Sequences, starts_of
from pipeline.pretraining.word_vectors import SCALE, word_vectors

SETTINGS = Vectors(corpus="train", size=8, window=2, epochs=30, seed=3)


def rows():
    """Texts in which 2 and 3 stand in like company, and 4 in other."""
    rng = np.random.default_rng(0)
    like = [np.array([5, rng.integers(2, 4), 6, 7, 1, 0], np.int32) for _ in range(200)]
    other = [np.array([8, 4, 9, 10], np.int32) for _ in range(200)]
    return sequences(like + other)


def sequences(texts):
    """Rows of these token ids."""
    rows = np.arange(len(texts))
    return Sequences(
        rows, np.zeros_like(rows), starts_of([*map(len, texts)]), np.concatenate(texts)
    )


def test_words_in_like_company_have_like_vectors():
    """By the cosine; every entry's width is the same for all corpora."""
    # long, for of so few words the frequent ones, all of them, are mostly passed over
    settings = SETTINGS.model_copy(update={"epochs": 400})
    vectors = word_vectors(rows(), settings, vocabulary_size=12)
    assert vectors.shape == (12, 8)
    assert vectors.dtype == np.float32
    unit = vectors[2:11] / np.linalg.norm(vectors[2:11], axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.1
    assert vectors[2:11].std() == pytest.approx(SCALE, rel=1e-5)


def test_padding_and_the_unknown_have_none():
    """Nor has a word that stands nowhere."""
    vectors = word_vectors(rows(), SETTINGS, vocabulary_size=12)
    assert not vectors[[0, 1, 11]].any()
    assert vectors[2:11].any(axis=1).all()
    assert not word_vectors(
        sequences([np.array([1], np.int32)]), SETTINGS, vocabulary_size=12
    ).any()


def test_the_same_texts_give_the_same_bytes_and_progress_is_told():
    """And another seed gives others."""
    done = []
    first = word_vectors(rows(), SETTINGS, vocabulary_size=12, epoch_done=lambda: done.append(1))
    assert len(done) == SETTINGS.epochs
    assert first.tobytes() == word_vectors(rows(), SETTINGS, vocabulary_size=12).tobytes()
    other = SETTINGS.model_copy(update={"seed": 4})
    assert first.tobytes() != word_vectors(rows(), other, vocabulary_size=12).tobytes()
