"""Word vectors, learned from text without labels."""

from collections.abc import Callable, Iterator

import numpy as np
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from numpy.typing import NDArray

from pipeline.core.params import Vectors
from pipeline.core.sequences import Sequences
from pipeline.encoding.tokenizer import UNKNOWN_ID

SCALE = 0.1  # standard deviation of a vector's entries
LONGEST = 10_000  # tokens in a sentence; gensim ignores the rest


def word_vectors(
    rows: Sequences,
    settings: Vectors,
    *,
    vocabulary_size: int,
    epoch_done: Callable[[], object] = lambda: None,
) -> NDArray[np.float32]:
    """Learn vectors by skip-gram with negative sampling (Mikolov et al. 2013), reproducibly.

    Args:
        rows: token ids of each text.
        settings: size, window, epochs and seed.
        vocabulary_size: the tokenizer's.
        epoch_done: called after each epoch.

    Returns:
        <float32>[vocabulary_size, settings.size]; 0 for padding, for the unknown word, and for
        words that occur in no text.
    """
    sentences = _Sentences(rows, vocabulary_size)
    vectors = np.zeros((vocabulary_size, settings.size), np.float32)
    if not any(sentences):
        return vectors
    model = Word2Vec(
        sentences,
        vector_size=settings.size,
        window=settings.window,
        epochs=settings.epochs,
        seed=settings.seed,
        sg=1,
        negative=5,
        sample=1e-4,
        min_count=1,
        workers=1,  # several would race, and results would differ from run to run
        callbacks=[_EpochDone(epoch_done)],
    )
    known = np.array([int(name) for name in model.wv.index_to_key])
    vectors[known] = model.wv.vectors * (SCALE / model.wv.vectors.std())
    return vectors


class _Sentences:
    """The texts' known words, read again for each epoch."""

    def __init__(self, rows: Sequences, vocabulary_size: int) -> None:
        self._rows = rows
        self._names = [str(number) for number in range(vocabulary_size)]

    def __iter__(self) -> Iterator[list[str]]:
        for part in self._rows.parts():
            for row in np.split(part.values, part.starts[1:-1]):
                for start in range(0, len(row), LONGEST):
                    ids = row[start : start + LONGEST].tolist()
                    yield [self._names[number] for number in ids if number > UNKNOWN_ID]


class _EpochDone(CallbackAny2Vec):
    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def on_epoch_end(self, model: Word2Vec) -> None:
        self._call()
