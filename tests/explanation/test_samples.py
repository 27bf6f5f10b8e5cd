"""The choice of test rows, and what is kept of each."""

import numpy as np
import pytest

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.explanation.samples import (
    choose,
    disputed,
    document,
    drawn_features,
    series_document,
)


def runs(rng, targets, accuracy, count=3):
    """Several runs, each right about each row with probability `accuracy`."""
    rows = np.arange(len(targets))
    made = []
    for _ in range(count):
        labels = np.where(rng.random(len(targets)) < accuracy, targets, 1 - targets)
        outputs = np.where(labels[:, None] == [0, 1], 0.8, 0.2).astype(np.float32)
        made.append(Predictions(rows, targets, outputs))
    return made


@pytest.fixture
def corpus():
    """400 rows of which few are mostly wrong, with their lengths."""
    rng = np.random.default_rng(7)
    targets = rng.integers(0, 2, 400)
    return runs(rng, targets, accuracy=0.9), rng.integers(5, 200, 400)


def test_choose_balances_class_length_and_correctness(corpus):
    """Half of the 24 rows are long, half of each class, and half of them mostly wrong."""
    predictions, lengths = corpus
    chosen = choose(predictions, lengths, count=24, seed=0)
    wrong = np.mean([run.labels == run.targets for run in predictions], axis=0)[chosen] < 0.5
    assert len(set(chosen.tolist())) == 24
    assert abs(int(predictions[0].targets[chosen].sum()) - 12) <= 1
    assert abs(int((lengths[chosen] > np.median(lengths)).sum()) - 12) <= 1
    assert 9 <= wrong.sum() <= 13


def test_choose_depends_on_the_seed_alone(corpus):
    """The same call gives the same ascending rows, another seed gives others."""
    predictions, lengths = corpus
    once, again, other = (choose(predictions, lengths, count=24, seed=s) for s in (0, 0, 1))
    assert once.tolist() == again.tolist() == sorted(once.tolist())
    assert once.tolist() != other.tolist()


def test_choose_takes_every_row_of_a_small_split(corpus):
    """Asked for more rows than there are, it gives each once."""
    few = [Predictions(run.rows[:5], run.targets[:5], run.outputs[:5]) for run in corpus[0]]
    assert choose(few, corpus[1][:5], count=24, seed=0).tolist() == [0, 1, 2, 3, 4]


def test_choose_for_regression_takes_low_and_high_targets():
    """Without classes, targets on both sides of the median are taken, and errors of both sizes."""
    rng = np.random.default_rng(0)
    targets = rng.normal(size=100).astype(np.float32)
    run = Predictions(np.arange(100), targets, targets + rng.normal(size=100).astype(np.float32))
    chosen = choose([run], np.full(100, 30), count=20, seed=0)
    error = np.abs(run.outputs - targets)
    assert (targets[chosen] > np.median(targets)).sum() == 10
    assert (error[chosen] > np.median(error)).sum() == 10


def encoded(texts, max_len):
    """Texts as sequences, with the project's own tokenizer."""
    rows = train_tokenizer(texts, vocabulary=100).encode(texts, max_len=max_len)
    return Sequences(
        rows=np.arange(10, 10 + len(rows)),
        targets=np.arange(len(rows)) % 2,
        starts=np.cumsum([0, *(len(row.ids) for row in rows)]),
        values=np.concatenate([row.ids for row in rows]),
        spans=np.concatenate([row.spans for row in rows]),
    )


def described(texts, *, max_len=100, weights=None, **rest):
    """The samples document of a model that gives class 1 a probability of 0.75."""
    sequences = encoded(texts, max_len)
    outputs = np.tile(np.float32([0.25, 0.75]), (len(texts), 1))
    return document(
        model="bilstm_attention",
        seed=2,
        classes=["neg", "pos"],
        texts=texts,
        sequences=sequences,
        predictions=Predictions(sequences.rows, sequences.targets, outputs),
        weights=weights,
        max_len=max_len,
        **rest,
    )


def test_document_keeps_every_tokens_place_in_the_original_text():
    """Spans cut the words out of the text as it was written, with their weights."""
    weights = [np.float32([0.5, 0.25, 0.25]), np.float32([1])]
    made = described(["Ein <br /> GROßER Film", "好"], weights=weights)
    sample = made["samples"][0]
    words = [sample["text"][token["start"] : token["end"]] for token in sample["tokens"]]
    assert words == ["Ein", "GROßER", "Film"]
    assert [token["weight"] for token in sample["tokens"]] == [0.5, 0.25, 0.25]
    assert not sample["truncated"]
    assert sample["unread"] == []


def test_document_tells_label_prediction_and_correctness():
    """Row 10 is of class 0 and row 11 of class 1; both are predicted as class 1."""
    wrong, right = described(["one", "two"], disagreements={11})["samples"]
    assert (wrong["row"], wrong["label"], wrong["predicted"], wrong["correct"]) == (10, 0, 1, False)
    assert (right["row"], right["correct"], right["probabilities"]) == (11, True, [0.25, 0.75])
    assert (wrong["disagreement"], right["disagreement"]) == (False, True)


def test_document_without_weights_says_so():
    """A model without attention has null weights, not zeros."""
    made = described(["one two"])
    assert made["has_weights"] is False
    assert [token["weight"] for token in made["samples"][0]["tokens"]] == [None, None]


def test_document_marks_what_truncation_cut_off():
    """The unread stretch begins after the last token; a tail without words is no loss."""
    cut, whole = described(["one two three", "one two <br />"], max_len=2)["samples"]
    assert cut["truncated"]
    assert [cut["text"][start:end] for start, end in cut["unread"]] == [" three"]
    assert not whole["truncated"]


def test_series_document_keeps_values_weights_and_target():
    """A window of a regression has its values, no classes, and no verdict."""
    sequences = Sequences(
        rows=np.array([3]),
        targets=np.float32([0.5]),
        starts=np.array([0, 2]),
        values=np.float32([[1, 9, 2], [3, 9, 4]]),
    )
    made = series_document(
        model="bilstm_attention",
        seed=1,
        classes=[],
        features=["a", "skipped", "b"],
        drawn=[0, 2],
        sequences=sequences,
        predictions=Predictions(sequences.rows, sequences.targets, np.float32([0.25])),
        weights=[np.float32([0.75, 0.25])],
    )
    (sample,) = made["samples"]
    assert (made["features"], made["features_in_all"]) == (["a", "b"], 3)
    assert sample["values"] == [[1, 2], [3, 4]]
    assert sample["weights"] == [0.75, 0.25]
    assert (sample["label"], sample["predicted"], sample["correct"]) == (0.5, 0.25, None)


@pytest.mark.parametrize("classes", [False, True])
def test_of_many_features_those_that_tell_most_are_drawn(classes):
    """By their mean or last value, for numbers and for classes; of a few, all."""
    random = np.random.default_rng(0)
    values = random.normal(size=(200, 5, 40)).astype(np.float32)
    values[:, :, 7] = 1.0  # constant
    level, end = random.integers(0, 3, (2, 200))
    values[:, :, 20] += 5 * level[:, None]
    values[:, -1, 30] += 9 * end
    targets = (level + end) % 5 if classes else np.float32(level + end)
    sequences = Sequences(
        rows=np.arange(200),
        targets=targets,
        starts=np.arange(201) * 5,
        values=values.reshape(1000, 40),
    )
    assert drawn_features(sequences, count=2) == [20, 30]
    assert drawn_features(sequences, count=40) == [*range(40)]


def test_disputed_names_the_rows_of_the_champions_pairs():
    """Pairs without the champion, and rows past the limit, are left out."""
    comparison = {
        "champion": {"model": "c"},
        "disagreements": [
            {"first": "b", "second": "a", "rows": [{"row": 1}]},
            {"first": "c", "second": "a", "rows": [{"row": 2}, {"row": 3}, {"row": 4}]},
        ],
    }
    found = disputed(comparison, per_pair=2)
    assert [(first, second, entry["row"]) for first, second, entry in found] == [
        ("c", "a", 2),
        ("c", "a", 3),
    ]
