import numpy as np
import pytest

from pipeline import encoding, text

TEXTS = ["a good film", "a bad film, a very bad film", "zebra"]


@pytest.fixture(scope="module")
def encoded():
    """Two batches, the second text longer than the limit."""
    tokenizer = text.train(TEXTS[:2], vocabulary=50)
    batches = [
        (np.array([4, 7]), TEXTS[:2], np.array([1, 0])),
        (np.array([9]), TEXTS[2:], np.array([0])),
    ]
    return encoding.encode(iter(batches), tokenizer, max_len=5)


def test_batches_become_one_ragged_array(encoded):
    """Rows, targets and starts in the order of the batches; lengths up to the limit."""
    sequences, totals = encoded
    assert sequences.rows.tolist() == [4, 7, 9]
    assert sequences.targets.tolist() == [1, 0, 0]
    assert sequences.starts.tolist() == [0, 3, 8, 9]
    assert totals.tolist() == [3, 8, 1]
    assert sequences.values.dtype == np.int32


def test_spans_lead_back_to_the_words(encoded):
    """Each token's characters in its own text."""
    sequences, _ = encoded
    words = [
        [TEXTS[row][start:end] for start, end in sequences.spans[first:last]]
        for row, (first, last) in enumerate(
            zip(sequences.starts[:-1], sequences.starts[1:], strict=True)
        )
    ]
    assert words == [["a", "good", "film"], ["a", "bad", "film", ",", "a"], ["zebra"]]


def test_the_report_counts_what_was_cut_off_and_what_is_unknown(encoded):
    """By hand: 3 of 12 tokens cut in 1 row, 1 of 9 kept tokens unknown."""
    report = encoding.split_report(*encoded, classes=["neg", "pos"])
    assert report["rows"] == 3
    assert report["labels"] == {"neg": 2, "pos": 1}
    assert report["truncated_rows"] == 1
    assert report["tokens_cut_share"] == pytest.approx(3 / 12)
    assert report["unknown_token_share"] == pytest.approx(1 / 9, abs=1e-6)
    assert report["tokens"]["mean"] == 4
    assert report["tokens"]["max"] == 8
