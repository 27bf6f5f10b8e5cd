"""Words guided by frozen weights, where it is known what these can tell."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.explanation.guided import Words, answers, weighted_words
from tests.support.toy_networks import rows_of


def test_a_words_weights_are_summed_by_row():
    """Word 2 stands twice in the first row."""
    found = weighted_words(rows_of([2, 1, 2], [3]), np.array([0.5, 0.3, 0.2, 1.0]), 4)
    assert found.toarray() == pytest.approx(np.array([[0, 0.3, 0.7, 0], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def told():
    """Rows of both telling words, 1 and 2, among others; the first of the two decides."""
    rng = np.random.default_rng(0)
    rows = rng.integers(3, 30, (400, 20))
    places = np.array([np.sort(rng.permutation(20)[:2]) for _ in rows])
    targets = rng.integers(0, 2, 400)
    for row, (first, second), target in zip(rows, places, targets, strict=True):
        row[first], row[second] = (1, 2) if target else (2, 1)
    pointing = np.zeros((400, 20))
    pointing[np.arange(400), places[:, 0]] = 1
    return rows_of(*rows), targets, pointing.ravel()


def right(told, weights):
    """How often words guided by these weights are right."""
    rows, targets, _ = told
    words = weighted_words(rows, weights, 30)
    return answers(words[:300], targets[:300], words[300:]) == targets[300:]


def test_guides_that_know_the_deciding_word_make_words_enough(told):
    """Both words are in each row, so with even weights nothing can be told; with these, all."""
    assert right(told, told[2]).all()
    assert 0.35 < right(told, np.full(8000, 1 / 20)).mean() < 0.65


def test_nothing_is_fitted_to_a_single_class():
    """Whatever the rows that choose C have."""
    words = weighted_words(rows_of([1], [1], [1], [2]), np.ones(4), 3)
    assert answers(words, np.array([0, 0, 0, 1]), words) is None


def test_own_weights_are_compared_with_even_ones_row_by_row(told):
    """The gain is what the pointing weights add."""
    rows, _, pointing = told
    rows = replace(rows, targets=told[1])
    few, others = rows.take(np.arange(300)), rows.take(np.arange(300, 400))
    words = Words(few, others, 30)
    found = words.compare(pointing[:6000], pointing[6000:], confidence=0.95)
    assert found["own"] == 1
    assert found["gain"]["mean"] == pytest.approx(1 - found["even"])
    alone = Words(replace(few, targets=np.zeros(300, int)), others, 30)
    assert alone.compare(pointing[:6000], pointing[6000:], confidence=0.95) is None
