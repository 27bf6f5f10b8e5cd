"""What a comparison could have found, and whether two models are equal for practical purposes."""

from dataclasses import replace

from scipy.special import stdtr, stdtrit  # scipy.stats takes half a second to import

from pipeline.evaluation.significance import Difference

POWER = 0.8
MOST_SEEDS = 100


def smallest_found(difference: Difference, *, confidence: float) -> float:
    """The smallest true difference that these rows and seeds find with 80 % power.

    That is (t of 1 - α/2, plus t of 0.8) standard errors, two-sided (Cohen 1988, chapter 2), with
    Satterthwaite's degrees of freedom for rows and seeds together. No correction for the number
    of pairs.

    Args:
        difference: the observed one, for its standard errors.
        confidence: 1 - α.
    """
    error, freedom = _total(difference)
    quantiles = stdtrit(freedom, [(1 + confidence) / 2, POWER])
    return float(quantiles.sum() * error)


def seeds_to_find(difference: Difference, *, seeds: int, confidence: float) -> int | None:
    """How many seeds of each model would find a difference as large as the observed one.

    Args:
        difference: the observed one.
        seeds: of each model, from which it comes.
        confidence: 1 - α.

    Returns:
        None if no number up to 100 would on these rows.
    """
    for count in range(2, MOST_SEEDS + 1):
        more = replace(
            difference,
            seed_error=difference.seed_error * (seeds / count) ** 0.5,
            freedom=difference.freedom * (count - 1) / max(1, seeds - 1),
        )
        if smallest_found(more, confidence=confidence) <= abs(difference.estimate):
            return count
    return None


def equality_p_value(difference: Difference, margin: float) -> float:
    """The larger p-value of two one-sided tests (Schuirmann 1987).

    A small one says that the true difference is within ±margin.
    """
    error, freedom = _total(difference)
    if error == 0:
        return float(abs(difference.estimate) >= margin)
    return float(stdtr(freedom, (abs(difference.estimate) - margin) / error))


def _total(difference: Difference) -> tuple[float, float]:
    """Standard error of rows and seeds together, and its degrees of freedom."""
    variance = difference.row_error**2 + difference.seed_error**2
    if difference.seed_error == 0:
        return variance**0.5, float("inf")
    return variance**0.5, variance**2 / (difference.seed_error**4 / difference.freedom)
