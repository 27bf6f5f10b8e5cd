"""Naive Bayes's features beside the context vector: each n-gram votes in the head, too."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pipeline.baselines.linear import log_count_ratios
from pipeline.core.sequences import Sequences, read_sequences
from pipeline.encoding import batching
from pipeline.models.dropout import Dropout
from pipeline.training.run import TrainingRun

_BATCH = 256


class WithLogCounts(TrainingRun):
    """A run whose logits are the head's plus Σ w · r over the n-grams that a text has.

    r is an n-gram's log-count ratio in train (Wang & Manning 2012, section 2.3), and w is learned,
    from 0. In training, `word_dropout` of the n-grams are left out. Adversarial training and what
    learns from unlabeled texts need all paths to lead through the Bi-LSTM, so neither goes with it.
    """

    def build_network(self) -> keras.Model:
        """The recipe's network with the second path."""
        network = super().build_network()
        (tokens,) = network.inputs
        ids = [tokens]
        sizes = [self.about["vocabulary_size"]]
        for ngrams in ("bigrams", "trigrams"):
            if self.about.get(ngrams):
                ids.append(network.get_layer(ngrams).output)
                sizes.append(self.about[ngrams] + 1)
        head: Any = network.get_layer("output")
        numbers, has = Present(sizes, name="present")(ids)
        layers: Any = keras.layers
        ratios = layers.Embedding(
            sum(sizes), head.units, embeddings_initializer="zeros", trainable=False, name="ratios"
        )
        weights = layers.Embedding(
            sum(sizes), head.units, embeddings_initializer="zeros", name="ratio_weights"
        )
        ratios.build()
        present = keras.Model(tokens, [numbers, has])
        train = read_sequences(self.data / "train.parquet")
        ratios.embeddings.assign(_ratios(present, train, sum(sizes), head.units))

        has = Dropout(self.recipe.word_dropout, name="ngram_dropout")(has)
        votes = layers.Multiply(name="votes")([ratios(numbers), weights(numbers)])
        votes = layers.Dot(axes=1, dtype="float32", name="log_counts")([has, votes])
        logits = layers.Dense(head.units, dtype="float32", name="logits")(head.input)
        both = layers.Add(dtype="float32", name="both_logits")([logits, votes])
        output = layers.Activation(head.activation, dtype="float32", name="output")(both)
        return keras.Model(tokens, output, name="predictor")


class Present(keras.layers.Layer):  # type: ignore[misc]  # Keras publishes no types
    """Which n-grams a text has, however often.

    <int32>[batch, time_steps] for words, bigrams and so on, 0 where there is none ->

    1. <int32>[batch, all], their numbers among all n-grams, in ascending order
    2. <float32>[batch, all], 1 at each number's first place, 0 where it is repeated or none

    Args:
        sizes: how many numbers, from 0, there are of each kind.
    """

    def __init__(self, sizes: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.starts = np.cumsum([0, *sizes[:-1]])

    def call(self, ids: Any) -> list[Any]:
        """Sort, so that equal numbers are neighbors."""
        given = [
            ops.where(one == 0, 0, one + int(start))
            for one, start in zip(keras.tree.flatten(ids), self.starts, strict=True)
        ]
        numbers = ops.sort(ops.concatenate(given, axis=1), axis=1)
        before = ops.pad(numbers[:, :-1], [[0, 0], [1, 0]])  # 0, so that 0 is never the first
        return [numbers, ops.cast(numbers != before, "float32")]

    def compute_output_spec(self, ids: Any) -> list[Any]:
        """How many there are is only known from the batch."""
        shape = (keras.tree.flatten(ids)[0].shape[0], None)
        return [keras.KerasTensor(shape, "int32"), keras.KerasTensor(shape, "float32")]


def _ratios(
    present: keras.Model, train: Sequences, ngrams: int, outputs: int
) -> NDArray[np.float32]:
    """<float32>[ngrams, outputs]: of the second class, or of each where there are more than two."""
    rows, columns = [], []
    for indices in batching.batches(train.lengths, _BATCH, None):
        numbers, has = (one.numpy() for one in present(batching.pad(train, indices)))
        places, steps = np.nonzero(has)
        rows.append(indices[places])
        columns.append(numbers[places, steps])
    row, column = np.concatenate(rows), np.concatenate(columns)
    found = csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(train), ngrams))
    classes = [1] if outputs == 1 else range(outputs)
    return np.stack([log_count_ratios(found, train.targets == k) for k in classes], axis=1)
