import numpy as np
import pytest
from scipy.stats import ttest_ind

from pipeline.evaluation.reproduction import BASELINE_TOLERANCE, ERROR_RATE, gaps


def metrics(mean, sd, *, model="bilstm", seeds=3):
    """A metrics.json of one model with one metric."""
    return {"models": {model: {"seeds": seeds, "test": {"accuracy": {"mean": mean, "sd": sd}}}}}


def test_the_tolerance_is_where_welchs_test_turns():
    """Means as far apart as the tolerance have just the p-value of the error rate."""
    one, other = np.array([0.90, 0.91, 0.93]), np.array([0.92, 0.925, 0.945, 0.95])
    committed = metrics(one.mean(), one.std(ddof=1))
    (gap,) = gaps(committed, metrics(other.mean(), other.std(ddof=1), seeds=4), baselines=())
    shifted = other - other.mean() + one.mean() + gap.tolerance
    assert ttest_ind(one, shifted, equal_var=False).pvalue == pytest.approx(ERROR_RATE)
    assert gap.size == pytest.approx(other.mean() - one.mean())
    assert gap.within


def test_a_gap_beyond_what_the_seeds_spread_allows_is_seen():
    """Ten points, where seeds differ by one."""
    (gap,) = gaps(metrics(0.9, 0.01), metrics(0.8, 0.01), baselines=())
    assert not gap.within


def test_a_baseline_has_no_seeds_and_may_hardly_move():
    """Its tolerance is its solver's."""
    for moved, within in ((0.001, True), (0.01, False)):
        now = metrics(0.7 + moved, None, model="tfidf", seeds=1)
        (gap,) = gaps(metrics(0.7, None, model="tfidf", seeds=1), now, baselines=["tfidf"])
        assert gap.tolerance == BASELINE_TOLERANCE
        assert gap.within == within


def test_what_cannot_be_judged_is_left_out():
    """A single seed, an undefined metric, a model that is not committed."""
    assert gaps(metrics(0.9, None, seeds=1), metrics(0.5, 0.1), baselines=()) == []
    assert gaps(metrics(None, None), metrics(0.5, 0.1), baselines=()) == []
    assert gaps(metrics(0.9, 0.1, model="other"), metrics(0.5, 0.1), baselines=()) == []


def test_the_widest_gap_in_tolerances_comes_first():
    """A small one can be wider than a large one."""
    committed, now = metrics(0.9, 0.02), metrics(0.88, 0.02)
    committed["models"]["tfidf"] = metrics(0.7, None, seeds=1)["models"]["bilstm"]
    now["models"]["tfidf"] = metrics(0.69, None, seeds=1)["models"]["bilstm"]
    assert [gap.model for gap in gaps(committed, now, baselines=["tfidf"])] == ["tfidf", "bilstm"]
