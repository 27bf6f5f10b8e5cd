import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoding import batching
from pipeline.encoding.batching import batches, pad
from tests.support import strategies

SEEDS = st.none() | st.integers(0, 2**32 - 1)


def rng_of(seed):
    """A fresh generator, or none."""
    return None if seed is None else np.random.default_rng(seed)


def imdb_like(rows=20_000):
    """Lengths as in IMDB: log-normal, cut to 400, which a fifth of the rows reach."""
    drawn = np.random.default_rng(0).lognormal(5.47, 0.65, rows)
    return np.clip(drawn, 10, 400).astype(np.int64)


def padding_share(lengths, divided):
    """Steps of padding among all steps."""
    return 1 - lengths.sum() / sum(lengths[batch].max() * len(batch) for batch in divided)


@given(strategies.lengths(max_rows=700), st.integers(1, 9), SEEDS)
def test_every_row_is_in_exactly_one_batch(lengths, batch_size, seed):
    """No row is lost or doubled, and no batch is empty or too large."""
    divided = batches(lengths, batch_size, rng_of(seed))
    assert sorted(row for batch in divided for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in divided)
    assert len(divided) == -(-len(lengths) // batch_size)


@given(strategies.lengths(max_rows=700), st.integers(1, 9), SEEDS)
def test_batches_depend_on_the_generator_alone(lengths, batch_size, seed):
    """The same generator state gives the same batches in the same order."""
    once, again = (batches(lengths, batch_size, rng_of(seed)) for _ in range(2))
    assert [batch.tolist() for batch in once] == [batch.tolist() for batch in again]


@given(strategies.lengths(), st.integers(1, 9))
def test_inference_runs_from_short_to_long(lengths, batch_size):
    """Without a generator the rows are sorted by length, equal ones in their own order."""
    rows = [row for batch in batches(lengths, batch_size, None) for row in batch]
    assert rows == sorted(range(len(lengths)), key=lambda row: (lengths[row], row))


@given(strategies.lengths(max_rows=700), st.integers(1, 9), SEEDS)
def test_more_than_a_window_is_read_in_blocks(lengths, batch_size, seed):
    """No row is lost, and the batches of one window are of a few blocks of neighbors."""
    steps = max(10, int(lengths.sum()) // 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "WINDOW", steps)
        patch.setattr(batching, "BLOCKS", 2)
        divided = batches(lengths, batch_size, rng_of(seed))
        windows = list(batching.windows(lengths, rng_of(seed)))
    assert sorted(row for batch in divided for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in divided)
    assert [len(window) for window in windows if len(window)] == [
        sum(len(batch) for batch in divided if np.isin(batch, window).all())
        for window in windows
        if len(window)
    ]
    assert all(np.sum(np.diff(window) > 1) < 2 for window in windows)


@pytest.mark.parametrize(("seed", "limit"), [(None, 0.01), (1, 0.03)])
def test_little_is_spent_on_padding(seed, limit):
    """On lengths like IMDB's at most this share of the steps is padding; unsorted it is > 35 %."""
    lengths = imdb_like()
    assert padding_share(lengths, batches(lengths, 64, rng_of(seed))) < limit
    unsorted = np.array_split(np.arange(len(lengths)), len(lengths) // 64)
    assert padding_share(lengths, unsorted) > 0.35


def test_training_batches_are_mixed():
    """From epoch to epoch a row meets others, and a batch's length says nothing of the next's."""
    lengths, rng = imdb_like(), np.random.default_rng(1)
    first, second = batches(lengths, 64, rng), batches(lengths, 64, rng)

    def companions(divided, row):
        return next(set(batch.tolist()) - {row} for batch in divided if row in batch)

    kept = [len(companions(first, row) & companions(second, row)) for row in range(0, 2000, 20)]
    assert np.mean(kept) < 6  # of 63
    means = [lengths[batch].mean() for batch in first]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2


@given(st.data(), st.sampled_from([None, 2]))
def test_padding_follows_the_last_step(data, features):
    """Each row stands at the start of its line, unchanged, and zeros follow."""
    sequences = data.draw(strategies.sequences(features).filter(len))
    indices = np.array(data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1)))
    padded = pad(sequences, indices)
    assert padded.dtype == sequences.values.dtype
    assert padded.shape[:2] == (len(indices), max(sequences.lengths[indices]))
    for line, index in zip(padded, indices, strict=True):
        row = sequences.values[sequences.starts[index] : sequences.starts[index + 1]]
        np.testing.assert_array_equal(line[: len(row)], row)
        assert not line[len(row) :].any()
