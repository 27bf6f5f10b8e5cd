"""Do weights tell which words matter, outside of the network that made them?

Wiegreffe & Pinter 2019 ("Attention is not not Explanation") freeze them as guides of a network that
reads each word without its neighbors: an embedding, a layer, a sum by these weights, an output. All
that it can learn of a word is what the word adds to each logit. So it is a logistic regression on
the words, each counted by its weight, and is fitted here instead of trained.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from pipeline.core.sequences import Sequences
from pipeline.explanation.estimates import DIGITS, Document, over_rows

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C
HELD_OUT = 4  # every fourth row chooses among them


def weighted_words(
    sequences: Sequences, weights: NDArray[np.float64], vocabulary: int
) -> csr_matrix:
    """<float64>[n, vocabulary]: the sum of each word's weights in each row."""
    words = csr_matrix(
        (weights, sequences.values, sequences.starts), (len(sequences), vocabulary), copy=True
    )
    words.sum_duplicates()
    return words


def answers(
    train: csr_matrix, targets: NDArray[np.int64], test: csr_matrix
) -> NDArray[np.int64] | None:
    """<int64>[n]: the test rows' classes by their words; None if train has too few rows or classes.

    Args:
        train: <float64>[rows, vocabulary], from `weighted_words`.
        targets: its classes.
        test: <float64>[n, vocabulary].
    """
    held = np.arange(len(targets)) % HELD_OUT == HELD_OUT - 1
    if not held.any() or len(np.unique(targets[~held])) < 2:
        return None
    model = LogisticRegression(warm_start=True, max_iter=2000)
    right = [
        model.set_params(C=strength)
        .fit(train[~held], targets[~held])
        .score(train[held], targets[held])
        for strength in STRENGTHS
    ]
    best = LogisticRegression(C=STRENGTHS[int(np.argmax(right))], max_iter=2000)
    return np.asarray(best.fit(train, targets).predict(test))


@dataclass(frozen=True)
class Words:
    """Words of training rows, and of others on which they are tried.

    Attributes:
        train: the rows that words are fitted to.
        test: the others.
        vocabulary: number of tokens.
    """

    train: Sequences
    test: Sequences
    vocabulary: int

    def answers(
        self, on_train: NDArray[np.float64], on_test: NDArray[np.float64]
    ) -> NDArray[np.int64] | None:
        """<int64>[n]: the test rows' classes, guided by weights, <float64>[total] each."""
        return answers(
            weighted_words(self.train, on_train, self.vocabulary),
            self.train.targets,
            weighted_words(self.test, on_test, self.vocabulary),
        )

    @cached_property
    def by_even(self) -> NDArray[np.int64] | None:
        """The same, guided by equal weights."""
        even = [np.repeat(1 / rows.lengths, rows.lengths) for rows in (self.train, self.test)]
        return self.answers(*even)

    def compare(
        self, on_train: NDArray[np.float64], on_test: NDArray[np.float64], *, confidence: float
    ) -> Document | None:
        """The accuracy that a run's `own` weights give and `even` ones, and the `gain`."""
        own, even = self.answers(on_train, on_test), self.by_even
        if own is None or even is None:
            return None
        right, by_even = own == self.test.targets, even == self.test.targets
        return {
            "own": round(float(right.mean()), DIGITS),
            "even": round(float(by_even.mean()), DIGITS),
            "gain": over_rows(right.astype(float) - by_even, confidence),
        }
