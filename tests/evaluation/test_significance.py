from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from pipeline.evaluation import significance
from pipeline.evaluation.significance import (
    Bootstrap,
    holm,
    mcnemar,
    paired_difference,
    paired_differences,
    unpaired_difference,
    wilson,
)

BOOTSTRAP = Bootstrap(confidence=0.95, resamples=2000, seed=0)


def runs(rng, difficulty, *, seeds, accuracy_shift=0.0, seed_sd=0.0, noise=0.5):
    """<float64>[seeds, n] of right and wrong: shared difficulty, a seed's luck, its own noise.

    All is normal and scaled to one variance, so that models with the same shift are equally
    accurate in expectation, however much their seeds vary.
    """
    total = (1 + seed_sd**2 + noise**2) ** 0.5
    luck = seed_sd * rng.normal(size=(seeds, 1))
    own = noise * rng.normal(size=(seeds, len(difficulty)))
    return ((difficulty + luck + own) / total + accuracy_shift > -1.1).astype(float)


def coverage(*, seeds, seed_sd, trials=400):
    """Share of simulated experiments, without a true difference, whose interval holds zero."""
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(trials):
        difficulty = rng.normal(size=300)
        first = runs(rng, difficulty, seeds=seeds[0], seed_sd=seed_sd)
        # A model without seeds has no luck either.
        second = runs(rng, difficulty, seeds=seeds[1], seed_sd=seed_sd if seeds[1] > 1 else 0)
        found = paired_difference(
            first, second, Bootstrap(confidence=0.95, resamples=400, seed=trial)
        )
        held += found.low <= 0 <= found.high
    return held / trials


@pytest.mark.parametrize("seed_sd", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seeds", [(3, 3), (5, 5), (3, 1)])
def test_interval_covers_at_its_rate(seeds, seed_sd):
    """With seeds that don't matter, matter some, or matter most: 95 %, give or take 4 points.

    400 trials have a standard error of 1.1 points. Drawing the seeds with replacement, as the
    rows are, gives 99.7 % at one end and 85 % at the other.
    """
    assert 0.915 <= coverage(seeds=seeds, seed_sd=seed_sd) <= 0.99


def test_many_distinct_values_give_the_interval_of_resampling(monkeypatch):
    """Drawn from the limit or row by row, within what 2000 draws leave open; even if skewed."""
    scores = np.random.default_rng(0).exponential(size=(1, 3000))
    worse = np.zeros_like(scores) + 1
    by_row = paired_difference(scores, worse, BOOTSTRAP)
    monkeypatch.setattr(significance, "MANY", 2000)
    limit = paired_difference(scores, worse, BOOTSTRAP)
    assert limit.estimate == by_row.estimate
    assert limit.row_error == pytest.approx(by_row.row_error, rel=0.06)
    for end in ("low", "high"):
        assert getattr(limit, end) == pytest.approx(
            getattr(by_row, end), abs=0.2 * by_row.row_error
        )


@pytest.mark.parametrize("block", [1, 3])
def test_many_pairs_at_once_give_the_interval_of_each(block):
    """Within what 2000 draws leave open; a pair does not depend on the others."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.1, 1, (3, 90)), rng.normal(0, 1, (1, 90))
    bootstrap = replace(BOOTSTRAP, block=block)
    alone = paired_difference(first, second, bootstrap)
    _, found = paired_differences([(second, first), (first, second)], bootstrap)
    assert [found] == paired_differences([(first, second)], bootstrap)
    assert (found.estimate, found.seed_error) == (alone.estimate, alone.seed_error)
    assert found.row_error == pytest.approx(alone.row_error, rel=0.06)
    for end in ("low", "high"):
        assert getattr(found, end) == pytest.approx(getattr(alone, end), abs=0.2 * alone.row_error)


def test_a_true_difference_is_found_and_measured():
    """Over simulations with models six points apart, most intervals exclude 0, and few the truth.

    Accuracies: P(z > -1.1) = .864 against P(z > -1.4) = .919.
    """
    rng = np.random.default_rng(2)
    found, held = 0, 0
    for trial in range(100):
        difficulty = rng.normal(size=1000)
        better = runs(rng, difficulty, seeds=3, accuracy_shift=0.3)
        worse = runs(rng, difficulty, seeds=3)
        difference = paired_difference(
            better, worse, Bootstrap(confidence=0.95, resamples=400, seed=trial)
        )
        found += difference.low > 0 and difference.p_value < 0.05
        held += difference.low <= 0.9192 - 0.8643 <= difference.high
    assert found >= 95
    assert held >= 88


def test_interval_by_hand():
    """Without seeds: the mean of paired differences ± 1.96 of its standard errors.

    Of 400 rows the first alone is right on 60, the second alone on 40.
    """
    first = np.concatenate([np.ones(60), np.zeros(40), np.ones(300)])[None]
    second = np.concatenate([np.zeros(60), np.ones(40), np.ones(300)])[None]
    found = paired_difference(first, second, Bootstrap(0.95, 20_000, 0))
    assert found.estimate == pytest.approx(20 / 400)
    error = ((100 / 400 - 0.05**2) / 400) ** 0.5
    assert found.low == pytest.approx(0.05 - 1.96 * error, abs=0.003)
    assert found.high == pytest.approx(0.05 + 1.96 * error, abs=0.003)
    # z = .05 / error = 2.01: two-sided p = .044.
    assert found.p_value == pytest.approx(0.044, abs=0.01)


def test_interval_over_different_rows_by_hand():
    """Two proportions on rows of their own: √(p q / n + p' q' / n') instead of paired errors."""
    first, second = np.repeat([1.0, 0.0], [90, 10])[None], np.repeat([1.0, 0.0], [320, 80])[None]
    found = unpaired_difference(first, second, Bootstrap(0.95, 20_000, 0))
    half = 1.96 * (0.9 * 0.1 / 100 + 0.8 * 0.2 / 400) ** 0.5
    assert found.estimate == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.006)


def test_each_side_of_different_rows_has_its_own_groups():
    """Rows in pairs of equals carry half the information: the error is that of half the rows."""
    first, second = np.repeat([1.0, 0.0], [90, 10])[None], np.repeat([1.0, 0.0], [320, 80])[None]
    settings = Bootstrap(0.95, 20_000, 0, groups=np.arange(100) // 2)
    found = unpaired_difference(first, second, settings, np.arange(400) // 2)
    half = 1.96 * (0.9 * 0.1 / 50 + 0.8 * 0.2 / 200) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.01)


def test_seeds_that_decide_alone_give_students_interval():
    """Runs that are wrong on all rows alike: a two-sample t interval with 2 + 2 degrees."""
    first = np.array([[0.7], [0.8], [0.9]]) * np.ones((3, 50))
    second = np.array([[0.5], [0.6], [0.7]]) * np.ones((3, 50))
    found = paired_difference(first, second, Bootstrap(0.95, 40_000, 0))
    half = 2.776 * (0.01 / 3 + 0.01 / 3) ** 0.5
    assert found.estimate == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), abs=0.01)


def test_equal_models_are_never_told_apart():
    """The same predictions: no difference, no width, p = 1."""
    right = np.random.default_rng(0).random((3, 100)) > 0.2
    found = paired_difference(right.astype(float), right.astype(float)[::-1], BOOTSTRAP)
    assert (found.estimate, found.p_value) == (0, 1)
    assert found.low <= 0 <= found.high


@given(st.integers(0, 2**32 - 1))
@example(44414252)  # the seeds' variance is that of the rows, up to rounding
def test_interval_depends_on_neither_the_order_of_rows_nor_that_of_seeds(seed):
    """Rows and runs are exchangeable; and the same seed of the bootstrap gives the same bytes."""
    rng = np.random.default_rng(seed)
    first, second = (rng.random((3, 40)) > 0.3).astype(float), (rng.random((1, 40)) > 0.4) * 1.0
    quick = Bootstrap(confidence=0.9, resamples=100, seed=5)
    found = paired_difference(first, second, quick)
    assert paired_difference(first, second, quick) == found
    rows = rng.permutation(40)
    again = paired_difference(first[::-1, rows], second[:, rows], quick)
    assert vars(again) == pytest.approx(vars(found), abs=1e-9)


def test_rows_that_hang_together_count_less():
    """Ten copies of each row are no more evidence than one: blocks see that, single rows don't."""
    rng = np.random.default_rng(3)
    first, second = (rng.random((1, 60)) > 0.3) * 1.0, (rng.random((1, 60)) > 0.4) * 1.0
    alone = paired_difference(first, second, BOOTSTRAP)
    copies = [np.repeat(one, 10, axis=1) for one in (first, second)]
    naive = paired_difference(*copies, BOOTSTRAP)
    blocked = paired_difference(*copies, Bootstrap(0.95, 2000, 0, block=10))
    assert blocked == alone
    assert naive.high - naive.low < 0.5 * (alone.high - alone.low)


def test_groups_count_as_one_each_by_their_size():
    """Of four groups, the interval is that of their sums; equal groups are as blocks."""
    rng = np.random.default_rng(0)
    scores = np.repeat(rng.random((1, 4)) < 0.5, 50, axis=1).astype(float)
    scores[0, :50], scores[0, 50:] = 1.0, np.repeat([0.0, 1.0, 0.0], 50)
    settings = Bootstrap(0.95, 2000, 0)
    other = np.zeros((1, 200))
    blocks = paired_difference(scores, other, replace(settings, block=50))
    grouped = paired_difference(scores, other, replace(settings, groups=np.arange(200) // 50))
    assert (grouped.low, grouped.high) == (blocks.low, blocks.high)
    shuffled = rng.permutation(200)
    moved = replace(settings, groups=(np.arange(200) // 50)[shuffled])
    again = paired_difference(scores[:, shuffled], other, moved)
    assert again.row_error == pytest.approx(grouped.row_error)
    assert again.row_error > 4 * paired_difference(scores, other, settings).row_error


def test_unequal_groups_have_the_ratio_estimators_error():
    """The simulated standard deviation of a mean over groups of 1 to 40 rows."""
    rng = np.random.default_rng(1)

    def drawn():
        sizes = rng.integers(1, 41, size=150)
        levels = np.repeat(rng.random(150) < 0.6, sizes).astype(float)
        return levels[None], np.repeat(np.arange(150), sizes)

    means = [drawn()[0].mean() for _ in range(2000)]
    errors = [
        paired_difference(
            values, np.zeros_like(values), Bootstrap(0.95, 500, 0, groups=groups)
        ).row_error
        for values, groups in (drawn() for _ in range(40))
    ]
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_mcnemar_by_hand():
    """Alone right 1 and 5 times: 2 · (C(6,0) + C(6,1)) / 2⁶ = 14 / 64."""
    first = np.array([True] * 1 + [False] * 5 + [True] * 4 + [False] * 2)
    second = np.array([False] * 1 + [True] * 5 + [True] * 4 + [False] * 2)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (1, 5)
    assert found.p_value == pytest.approx(14 / 64)
    assert mcnemar(first, first).p_value == 1


@given(*[st.integers(0, 60)] * 4)
def test_mcnemar_agrees_with_statsmodels(both, only_first, only_second, neither):
    """For any table of two runs."""
    counts = [both, only_first, only_second, neither]
    first = np.repeat([True, True, False, False], counts)
    second = np.repeat([True, False, True, False], counts)
    expected = statsmodels_mcnemar([[both, only_first], [only_second, neither]], exact=True)
    assert mcnemar(first, second).p_value == pytest.approx(min(1, expected.pvalue))


def test_holm_by_hand():
    """.01 · 3; then .03 · 2; then the larger of .04 · 1 and what came before."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_is_that_of_statsmodels(monkeypatch):
    """To the last bit, with ties."""
    monkeypatch.setattr("gc.collect", lambda: 0)  # which it calls, and which is slow here
    rng = np.random.default_rng(0)
    for count in range(1, 13):
        drawn = np.round(rng.random(count) ** 3, 1 + count % 4)
        assert holm(drawn.tolist()) == multipletests(drawn, method="holm")[1].tolist()


def test_wilson_by_hand():
    """8 of 10: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)."""
    z2 = 1.959964**2
    middle = 0.8 + z2 / 20
    half = 1.959964 * (0.8 * 0.2 / 10 + z2 / 400) ** 0.5
    expected = ((middle - half) / (1 + z2 / 10), (middle + half) / (1 + z2 / 10))
    assert wilson(0.8, 10, 0.95) == pytest.approx(expected)
