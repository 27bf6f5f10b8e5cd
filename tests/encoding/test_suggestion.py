import numpy as np
import pytest

from pipeline.core.params import Recipe, SeriesEncode, TextEncode
from pipeline.encoding.suggestion import find_season, for_sequences, for_series, for_texts

RECIPE = {"pooling": "additive", "embedding": 128, "units": 64, "dropout": 0.5, "batch_size": 64}


def noise(count, seed=0):
    """Independent normal numbers."""
    return np.random.default_rng(seed).normal(size=count)


def cycle(count, season):
    """A sine that repeats after `season` steps."""
    return np.sin(2 * np.pi * np.arange(count) / season)


@pytest.mark.parametrize(
    ("values", "season"),
    [
        (cycle(700, 7) + 0.3 * noise(700), 7),
        (cycle(500, 24) + 0.1 * noise(500).cumsum(), 24),
        (100 + 2 * np.arange(144) + cycle(144, 12) * np.arange(144), 12),
        (np.tile([1.0, 2, 3, 9, 3, 2, 1], 40), 7),
        (noise(2000), None),
        (noise(2000).cumsum(), None),
        (np.arange(100.0), None),
        (np.zeros(50), None),
        (np.array([1.0, 2.0]), None),
    ],
)
def test_seasons_are_found(values, season):
    """Beside a trend, a random walk, noise or gaps; where nothing repeats, none is claimed."""
    assert find_season(values) == season


@pytest.mark.parametrize("season", [7, 12, 24])
def test_noise_moves_no_season(season):
    """It shifts a peak by a step or two, but not those at its multiples alike."""
    waves = [cycle(40 * season, season) + 0.2 * noise(40 * season, seed) for seed in range(20)]
    assert [find_season(wave) for wave in waves] == [season] * 20


@pytest.mark.parametrize("count", [40, 80, 200, 1000])
def test_chance_is_no_season(count):
    """Short series repeat themselves by chance; that is asked for more."""
    assert [find_season(noise(count, seed)) for seed in range(20)].count(None) >= 19


def test_a_suggestion_for_texts_fits_them():
    """95 % of them are read whole, the cut is said, and the schema takes every key."""
    texts = ["word " * length for length in range(1, 101)]
    suggested = for_texts(texts, rows=8000)
    assert suggested.encode["max_len"] == 100
    assert "half of the texts have up to 50 tokens, 95 % up to 95" in suggested.notes[0]
    TextEncode(**suggested.encode)
    Recipe(**RECIPE | suggested.training)


def test_scripts_without_spaces_are_counted_by_character():
    """As they are encoded."""
    assert for_texts(["这部电影很好" * 10], rows=100).encode["max_len"] == 60


def test_smaller_data_gets_smaller_batches_and_a_shorter_average():
    """So that an epoch has steps enough, and the average is about an epoch's."""
    few, many = (for_texts(["a b"], rows=rows).training for rows in (500, 50_000))
    assert few["batch_size"] < many["batch_size"]
    assert few["averaging"] < many["averaging"]


def test_a_suggestion_for_a_series_fits_it():
    """Its season, a window of two of them, and changes where the last value says more."""
    walk = for_series([noise(3000).cumsum()], rows=3000)
    assert walk.encode["relative"]
    assert "season" not in walk.encode
    daily = for_series([3 * cycle(3000, 24) + noise(3000)], rows=3000)
    assert (daily.encode["season"], daily.encode["window"]) == (24, 48)
    assert not for_series([noise(3000)], rows=3000).encode["relative"]
    for suggested in (walk, daily):
        SeriesEncode(**suggested.encode)
        Recipe(**RECIPE | suggested.training)


def test_several_series_are_each_seen_for_themselves():
    """Where one ends and the next begins, nothing changes; and most of them have the season."""
    level = noise(2000)
    alike = for_series([level, level + 1], rows=2000)
    assert not alike.encode["relative"]
    apart = for_series([noise(2, n) + 100 * (-1) ** n for n in range(500)], rows=2)
    assert apart.encode["relative"]
    weekly = [3 * cycle(700, 7) + noise(700), 3 * cycle(700, 7) + 50 + noise(700)]
    assert for_series([noise(700), *weekly], rows=700).encode["season"] == 7


def test_what_was_not_measured_is_not_given_as_a_reason():
    """Of a file that can't be read as a series, no steps are known."""
    unseen = for_series([], rows=3000)
    assert unseen.encode["relative"]
    assert unseen.notes == (
        "relative: changes are learned, since too few steps are known to choose.",
    )


def test_whole_sequences_get_a_recipe_for_their_number():
    """The encoding is theirs already."""
    suggested = for_sequences(rows=600)
    assert suggested.training["batch_size"] == 16
    SeriesEncode(**suggested.encode)
    Recipe(**RECIPE | suggested.training)
