import itertools
from collections import Counter

import numpy as np
import pytest

from pipeline.core.sequences import Sequences, starts_of
from pipeline.encoding import text
from pipeline.encoding.text import encode_texts, frequent_bigrams, frequent_trigrams, split_report
from pipeline.encoding.tokenizer import train_tokenizer

TEXTS = ["a good film", "a bad film, a very bad film", "zebra"]


@pytest.fixture(scope="module")
def encoded():
    """Two batches, the second text longer than the limit."""
    tokenizer = train_tokenizer(TEXTS[:2], vocabulary=50)
    batches = [
        (np.array([4, 7]), TEXTS[:2], np.array([1, 0])),
        (np.array([9]), TEXTS[2:], np.array([0])),
    ]
    return Sequences.concatenate(list(encode_texts(iter(batches), tokenizer, max_len=5)))


def test_batches_become_one_ragged_array(encoded):
    """Rows, targets and starts in the order of the batches; lengths up to the limit."""
    assert encoded.rows.tolist() == [4, 7, 9]
    assert encoded.targets.tolist() == [1, 0, 0]
    assert encoded.starts.tolist() == [0, 3, 8, 9]
    assert encoded.totals.tolist() == [3, 8, 1]
    assert encoded.values.dtype == np.int32


def test_spans_lead_back_to_the_words(encoded):
    """Each token's characters in its own text."""
    words = [
        [TEXTS[row][start:end] for start, end in encoded.spans[first:last]]
        for row, (first, last) in enumerate(
            zip(encoded.starts[:-1], encoded.starts[1:], strict=True)
        )
    ]
    assert words == [["a", "good", "film"], ["a", "bad", "film", ",", "a"], ["zebra"]]


def test_the_report_counts_what_was_cut_off_and_what_is_unknown(encoded):
    """By hand: 3 of 12 tokens cut in 1 row, 1 of 9 kept tokens unknown."""
    report = split_report(encoded, classes=["neg", "pos"])
    assert report["rows"] == 3
    assert report["labels"] == {"neg": 2, "pos": 1}
    assert report["truncated_rows"] == 1
    assert report["tokens_cut_share"] == pytest.approx(3 / 12)
    assert report["unknown_token_share"] == pytest.approx(1 / 9, abs=1e-6)
    assert report["tokens"]["mean"] == 4
    assert report["tokens"]["max"] == 8


@pytest.mark.parametrize("chunk", [3, 5000])
def test_frequent_bigrams_are_those_in_most_rows(chunk, monkeypatch):
    """Against counting one by one; rows are counted, not repetitions, however they are chunked."""
    monkeypatch.setattr(text, "_CHUNK", chunk)
    rng = np.random.default_rng(4)
    lengths = rng.integers(1, 9, 40)
    starts = starts_of(lengths)
    values = rng.integers(1, 6, starts[-1]).astype(np.int32)
    rows = [tuple(values[a:b].tolist()) for a, b in itertools.pairwise(starts)]
    counts = Counter(pair for row in rows for pair in set(itertools.pairwise(row)))
    ordered = sorted((pair for pair in counts if counts[pair] > 1), key=lambda p: (-counts[p], p))
    sequences = Sequences(np.arange(40), np.zeros(40, np.int64), starts, values)
    for count in (1, 7, 1000):
        found = frequent_bigrams(sequences, count)
        assert found.dtype == np.int32
        assert [tuple(pair) for pair in found.tolist()] == sorted(ordered[:count])
    assert frequent_bigrams(sequences.take(np.array([0])), 5).shape == (0, 2)


def test_frequent_trigrams_are_bigrams_that_overlap(monkeypatch):
    """Against counting one by one; those of a bigram that is not known are not among them."""
    monkeypatch.setattr(text, "_CHUNK", 7)
    rng = np.random.default_rng(5)
    starts = starts_of(rng.integers(1, 9, 60))
    values = rng.integers(1, 4, starts[-1]).astype(np.int32)
    sequences = Sequences(np.arange(60), np.zeros(60, np.int64), starts, values)
    pairs = frequent_bigrams(sequences, 5)
    number = {tuple(pair): place for place, pair in enumerate(pairs.tolist(), 1)}
    counts = Counter()
    for a, b in itertools.pairwise(starts):
        row = values[a:b].tolist()
        numbers = [number.get(pair) for pair in itertools.pairwise(row)]
        counts.update({both for both in itertools.pairwise(numbers) if None not in both})
    ordered = sorted((both for both in counts if counts[both] > 1), key=lambda b: (-counts[b], b))
    for count in (1, 4, 1000):
        found = frequent_trigrams(sequences, pairs, count)
        assert [tuple(both) for both in found.tolist()] == sorted(ordered[:count])
    assert len(ordered) > 4
    assert frequent_trigrams(sequences, pairs[:0], 5).shape == (0, 2)


def test_rare_bigrams_are_forgotten_where_there_are_too_many(monkeypatch):
    """The frequent ones stay; of all pairs at once, no more than a chunk's and the limit's."""
    monkeypatch.setattr(text, "_CHUNK", 2)
    monkeypatch.setattr(text, "MOST_PAIRS", 6)
    rows = [[7, 8, 100 + number, 200 + number, 9, 7] for number in range(50)]
    values = np.array(rows, np.int32).reshape(-1)
    sequences = Sequences(np.arange(50), np.zeros(50, np.int64), 6 * np.arange(51), values)
    kept = []
    added = text._added
    monkeypatch.setattr(
        text, "_added", lambda counted: kept.append(len(counted[0][0])) or added(counted)
    )
    assert frequent_bigrams(sequences, 2).tolist() == [[7, 8], [9, 7]]
    assert max(kept) <= 6
