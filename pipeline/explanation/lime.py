"""LIME: a linear model of what a network makes of a row when some of its steps are left out.

Ribeiro, Singh & Guestrin 2016, "“Why Should I Trust You?”: Explaining the Predictions of Any
Classifier" (KDD), with the choices of their package `lime` for texts:

1. Samples: how many steps are left out is uniform from 1 to length - 1, then which ones.
   The first sample is the whole row.
2. Nearness: with k of n steps kept, the cosine distance is d = 1 - √(k / n), and a sample counts
   by √exp(-(100 d)² / 25²).
3. A ridge regression, α = 1, of the predicted class's probability, or of the value, on which steps
   are kept. Its coefficients are the scores.

The package leaves out all occurrences of a word together, and may leave out all words. Here steps
are left out one by one, as in every other measure, and at least one is kept.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from pipeline.core.sequences import Sequences
from pipeline.explanation.erasure import Predict, keep, of_predicted
from pipeline.explanation.threads import side_by_side

WIDTH = 25.0  # of the kernel, where the largest distance is 100


def explain(
    sequences: Sequences, predict: Predict, *, samples: int, seed: int
) -> NDArray[np.float64]:
    """<float64>[total]: LIME's coefficients; 0 in rows of one step.

    Args:
        sequences: the rows.
        predict: the outputs for sequences.
        samples: of each row, the whole one among them.
        seed: of the samples; those of a row depend on its place among the rows alone.
    """
    scores = np.zeros(len(sequences.values))

    def fit(row: int) -> None:
        length = int(sequences.lengths[row])
        kept = draw(length, samples, np.random.default_rng([seed, row]))
        repeated = sequences.take(np.full(samples, row))
        outputs = predict(keep(repeated, kept.ravel()))
        full = np.repeat(outputs[:1], samples, axis=0)
        steps = slice(sequences.starts[row], sequences.starts[row + 1])
        scores[steps] = coefficients(kept, of_predicted(full, outputs))

    side_by_side(fit, np.flatnonzero(sequences.lengths > 1).tolist())
    return scores


def draw(length: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """<bool>[samples, length]: which steps are kept; in the first sample all, in none no step."""
    left_out = rng.integers(1, length, samples)
    left_out[0] = 0
    places = rng.random((samples, length)).argsort(axis=1).argsort(axis=1)
    return np.asarray(places >= left_out[:, None])


def coefficients(kept: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """<float64>[length]: how much each step adds, of samples <bool>[samples, length] and values."""
    distances = 100 * (1 - np.sqrt(kept.mean(axis=1)))
    nearness = np.sqrt(np.exp(-(distances**2) / WIDTH**2))
    fitted = Ridge(alpha=1.0).fit(kept.astype(np.float64), values, sample_weight=nearness)
    return np.asarray(fitted.coef_, np.float64)
