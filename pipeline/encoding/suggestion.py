"""How to encode and train a dataset that nobody has tuned yet, from what it holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks
from statsmodels.tsa.stattools import acf

from pipeline.encoding.tokenizer import train_tokenizer

SAMPLE = 2000  # texts whose tokens are counted
SERIES = 20  # of which the season is looked for
VOCABULARY, BIGRAMS = 30_000, 60_000
VALIDATION = 0.2
MOST_EPOCHS = 100  # so that patience ends the training
# From how many rows on: rows in a batch, learning rate. An epoch then has steps enough to judge.
BATCHES = ((12_000, (64, 0.002)), (5000, (32, 0.0015)), (0, (16, 0.001)))
LONGEST = 1000  # tokens; more cost much time, and few texts have them


@dataclass(frozen=True)
class Suggestion:
    """Parameters for a dataset.

    Attributes:
        encode: its entry's `encode`.
        training: its entry's `training`, where it differs from the general one.
        notes: sentences that give the reasons.
    """

    encode: Mapping[str, Any]
    training: Mapping[str, Any]
    notes: tuple[str, ...]


def for_texts(texts: Sequence[str], *, rows: int) -> Suggestion:
    """Suggest parameters for a classification of texts.

    The rules are those that did best on validation over the datasets of docs/own-data.md.

    Args:
        texts: a sample of them.
        rows: how many will be trained on.
    """
    some = [text for text in texts if text.strip()][:SAMPLE]
    tokenizer = train_tokenizer(some, vocabulary=VOCABULARY)
    totals = np.array([row.total for row in tokenizer.encode(some, max_len=1, spans=False)])
    max_len = int(np.clip(10 * ceil(np.quantile(totals, 0.95) / 10), 20, LONGEST))
    cut = 1 - np.minimum(totals, max_len).sum() / max(1, totals.sum())
    encode = {
        "tokenizer": "words",
        "vocabulary": VOCABULARY,
        "max_len": max_len,
        "keep": "both",
        "bigrams": BIGRAMS,
        "vectors": {"corpus": "train", "size": 128, "epochs": 10},
        "validation_share": VALIDATION,
        "seed": 0,
    }
    batch, rate = _batch(rows)
    training = {
        "batch_size": batch,
        "word_dropout": 0.4,
        "adversarial": 0.03,
        "learning_rate": rate,
        "clip_norm": 1.0,
        **_until_it_stops(ceil(rows / batch)),
    }
    note = (
        f"max_len: half of the texts have up to {np.median(totals):,.0f} tokens, 95 % up to "
        f"{np.quantile(totals, 0.95):,.0f}; {100 * cut:.1f} % of all tokens are not read."
    )
    return Suggestion(encode, training, (note,))


def for_series(series: Sequence[NDArray[np.float64]], *, rows: int) -> Suggestion:
    """Suggest parameters for the forecast of a series' next step.

    Args:
        series: <float64>[n] each, the target's values in train, in the order of time. None if they
            aren't known, and then no season is suggested.
        rows: how many steps the shortest series has.
    """
    season = _season_of_most(series)
    window = max(1, min(2 * season if season else 48, rows // 15))
    relative, reason = _relative(series)
    encode = {
        "window": window,
        "horizon": 1,
        "stride": 1,
        "standardize": True,
        "relative": relative,
        **({"season": season} if season else {}),
    }
    training = {
        "units": 32,
        "dropout": 0.1,
        "learning_rate": 0.002,
        "clip_norm": 1.0,
        **_until_it_stops(ceil(0.6 * rows / 64)),
    }
    notes = [f"relative: {reason}."]
    if season:
        notes.append(f"season: the values repeat most clearly after {season} steps.")
    return Suggestion(encode, training, tuple(notes))


def for_sequences(*, rows: int) -> Suggestion:
    """Suggest parameters for whole sequences.

    Args:
        rows: how many will be trained on.
    """
    batch, rate = _batch(rows)
    sizes = {"batch_size": batch, "units": 32, "learning_rate": rate, "clip_norm": 1.0}
    training = {**sizes, **_until_it_stops(ceil(rows / batch))}
    return Suggestion({"standardize": True}, training, ())


def find_season(values: NDArray[np.float64]) -> int | None:
    """The lag after which a series' changes repeat most clearly; None if they don't.

    It is the first clear peak of their autocorrelation, at three steps or more; of lags beside it,
    the one that is also a peak at its multiples, where an error of a step would grow.

    Args:
        values: <float64>[n], in the order of time.
    """
    changes = np.diff(values)  # without the trend, which is correlated at every lag
    lags = min(len(changes) // 4, 1000)
    if lags < 4 or not np.std(changes) > 1e-9 * np.std(values):
        return None
    correlation = acf(changes, nlags=lags)
    # Of a series without a season, no peak among a thousand is likely to be higher.
    least = max(0.1, 4.5 / np.sqrt(len(changes)))
    # Noise makes neighboring changes opposite, beside which every later lag would be a peak.
    later = correlation[2:]
    peaks, _ = find_peaks(later, height=least, prominence=least)
    if not len(peaks):
        return None
    peak = 2 + int(peaks[later[peaks] >= 0.7 * later[peaks].max()][0])
    beside = range(max(3, peak - 2), min(peak + 2, lags) + 1)
    return max(beside, key=lambda lag: correlation[lag::lag][:4].mean())


def _season_of_most(series: Sequence[NDArray[np.float64]]) -> int | None:
    """The season of most of the longest series; None if that is none."""
    longest = sorted(series, key=len, reverse=True)[:SERIES]
    votes = Counter(map(find_season, longest)).most_common(1)
    return votes[0][0] if votes else None


def _relative(series: Sequence[NDArray[np.float64]]) -> tuple[bool, str]:
    """Whether changes are better learned than values, and why."""
    changes = np.concatenate([np.diff(values) for values in series]) if series else np.empty(0)
    if len(changes) < 2:
        return True, "changes are learned, since too few steps are known to choose"
    if np.mean(changes**2) < np.var(np.concatenate(series)):
        return True, "the last value is a better forecast than the mean, so changes are learned"
    return False, "the mean is a better forecast than the last value, so values are learned"


def _batch(rows: int) -> tuple[int, float]:
    """Rows in a batch, and the learning rate for it."""
    return next(sizes for least, sizes in BATCHES if rows >= least)


def _until_it_stops(steps: int) -> dict[str, Any]:
    """Epochs and averaging for that many steps an epoch: patience ends the training.

    The average covers about an epoch.
    """
    return {
        "averaging": round(float(np.clip(1 - 1 / steps, 0.9, 0.998)), 3),
        "epochs": MOST_EPOCHS,
        "min_epochs": min(6, MOST_EPOCHS),
        "patience": 4,
    }
