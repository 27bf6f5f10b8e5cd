"""The simulated runs have the accuracies, spreads and groups that they are said to have."""

import numpy as np
import pytest

from pipeline.evaluation.significance import Difference
from pipeline.studies.intervals import simulation
from pipeline.studies.intervals.simulation import Case, Study, load_study, run_study, simulate
from tests.support.paths import PROJECT


def test_expected_accuracy_and_spread_are_those_asked_for():
    """Over many runs; with the gain between the models."""
    case = Case(rows=4000, runs=(100, 100), seed_sd=0.02)
    random = np.random.default_rng(0)
    pairs = [simulate(case, 0.9, 0.03, random) for _ in range(10)]
    first, second = (np.stack([pair[model].mean(axis=1) for pair in pairs]) for model in (0, 1))
    assert first.mean() == pytest.approx(0.93, abs=0.004)
    assert second.mean() == pytest.approx(0.90, abs=0.004)
    assert second.std(axis=1).mean() == pytest.approx(0.02, rel=0.15)


def test_rows_of_a_group_are_alike():
    """The mean of a group varies more than that of as many rows of different ones."""
    case = Case(rows=20_000, runs=(1, 1), group=20, alike=0.5)
    _, right = simulate(case, 0.8, 0.1, np.random.default_rng(1))
    means = right[0].reshape(-1, 20).mean(axis=1)
    assert means.var() > 2 * 0.8 * 0.2 / 20


def test_a_study_counts_what_holds_and_what_alarms():
    """At a confidence of one half, about half of the intervals hold and half of the alarms ring."""
    study = Study(
        accuracy=0.8,
        gain=0.05,
        confidence=0.51,
        draws=100,
        resamples=200,
        seed=0,
        cases=(Case(rows=200, runs=(1, 1)), Case(rows=200, runs=(3, 1), group=5, alike=0.2)),
    )
    for row in run_study(study):
        assert 0.3 < row["coverage"] < 0.75
        assert 0.25 < row["false_alarms"] < 0.7
        assert row["far_alarms"] < 0.2


def test_equal_models_that_are_always_told_apart_are_counted(monkeypatch):
    """At a p-value of 0 every alarm is a far one, too."""
    sure = Difference(0.05, 0.04, 0.06, p_value=0.0)
    monkeypatch.setattr(simulation, "paired_difference", lambda *_: sure)
    given = {"accuracy": 0.8, "gain": 0.05, "confidence": 0.95, "draws": 3, "resamples": 9}
    (row,) = run_study(Study(**given, seed=0, cases=(Case(rows=9, runs=(1, 1)),)))
    assert (row["coverage"], row["false_alarms"], row["far_alarms"]) == (1, 1, 1)


def test_the_committed_study_is_valid():
    """And simulates two thousand draws, for a standard error of half a point."""
    assert load_study(PROJECT / "studies/intervals/params.yaml").draws == 2000
