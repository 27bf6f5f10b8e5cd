import numpy as np
import pytest
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from pipeline.evaluation.power import equality_p_value, seeds_to_find, smallest_found
from pipeline.evaluation.significance import Bootstrap, Difference, paired_difference


def difference(estimate=0.01, *, row_error=0.0, seed_error=0.0, freedom=float("inf")):
    """An observed difference with these standard errors."""
    return Difference(estimate, -1.0, 1.0, 0.5, row_error, seed_error, freedom)


def test_the_smallest_difference_found_by_hand():
    """Of rows alone: 1.96 and 0.84 standard errors."""
    found = smallest_found(difference(row_error=0.01), confidence=0.95)
    assert found == pytest.approx((1.959964 + 0.841621) * 0.01, rel=1e-5)


def test_the_smallest_difference_of_seeds_has_the_power_of_a_t_test():
    """Ten seeds of one model against a fixed value, without noise of rows.

    The formula is an approximation, which is good to a few points of power from ten seeds on.
    """
    seeds, sd = 10, 0.02
    error = sd / seeds**0.5
    found = smallest_found(difference(seed_error=error, freedom=seeds - 1), confidence=0.95)
    power = TTestPower().power(effect_size=found / sd, nobs=seeds, alpha=0.05)
    assert power == pytest.approx(0.8, abs=0.02)


def test_rows_and_seeds_add_up():
    """With both, more than with either; noisy rows bring degrees of freedom."""
    rows, seeds = difference(row_error=0.01), difference(seed_error=0.01, freedom=4)
    both = difference(row_error=0.01, seed_error=0.01, freedom=4)
    least = [smallest_found(one, confidence=0.95) for one in (rows, seeds, both)]
    assert least[0] < least[2]
    assert least[2] < (least[0] ** 2 + least[1] ** 2) ** 0.5


def test_seeds_to_find_the_observed_difference():
    """More seeds make it certain where seeds are the reason; where rows are, none would do."""
    needed = seeds_to_find(difference(seed_error=0.01, freedom=4), seeds=3, confidence=0.95)
    assert needed is not None
    more = difference(seed_error=0.01 * (3 / needed) ** 0.5, freedom=4 * (needed - 1) / 2)
    assert smallest_found(more, confidence=0.95) <= 0.01
    assert needed > 3
    assert seeds_to_find(difference(row_error=0.01), seeds=3, confidence=0.95) is None
    assert seeds_to_find(difference(0.0, row_error=0.01), seeds=3, confidence=0.95) is None


def test_equality_is_the_paired_test_of_two_sides():
    """Against statsmodels, for runs that all rows agree about."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.001, 0.004, size=30)
    error = values.std(ddof=1) / 30**0.5
    ours = equality_p_value(difference(values.mean(), seed_error=error, freedom=29), margin=0.005)
    theirs, _, _ = ttost_paired(values, np.zeros(30), -0.005, 0.005)
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_without_noise_equality_is_certain():
    """Within the margin or not."""
    assert equality_p_value(difference(0.004), margin=0.005) == 0
    assert equality_p_value(difference(0.005), margin=0.005) == 1


@pytest.mark.parametrize(("shift", "low", "high"), [(0.02, 0.0, 0.08), (0.0, 0.5, 1.0)])
def test_equality_is_claimed_at_its_rate(shift, low, high):
    """Where the true difference is the margin, in at most 5 % of experiments; at 0, in most."""
    rng = np.random.default_rng(3)
    claimed = 0
    for trial in range(300):
        hard = rng.random(4000)
        first, second = (
            (hard + rng.normal(0, 0.01, (3, 1)) * 0.2 < share).astype(float)
            for share in (0.85 + shift, 0.85)
        )
        noise = rng.random(4000) < 0.1
        second = np.where(noise, rng.random((3, 4000)) < 0.85, second).astype(float)
        first = np.where(noise, rng.random((3, 4000)) < 0.85 + shift, first).astype(float)
        found = paired_difference(first, second, Bootstrap(0.95, 400, trial))
        claimed += equality_p_value(found, margin=0.02) < 0.05
    assert low <= claimed / 300 <= high
