"""Runs whose true accuracies are known, and what the comparison says of them.

Whether run r of model m is right on row i is decided by a sum of normal variables: the run's
luck, the row's difficulty, how the row suits the model, and noise. So a model's expected
accuracy has a closed form, and the truth about a difference is known.
"""

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from pipeline import progress
from pipeline.core.schema import Rows, Section, Seed
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.parameters import read_study

FAR = 0.001  # about what Holm's correction asks of the smallest p-value of fifty pairs
ROW, SUITS = 6.0, 1.5  # variances of difficulty and of suiting, where the noise has 1


class Case(Section):
    """What is simulated.

    Attributes:
        rows: of the test split.
        runs: of the two models; 1 for a baseline.
        seed_sd: standard deviation of a model's accuracy over seeds.
        group: rows that belong together; 1: none do.
        alike: share of a row's difficulty and suiting that its group has in common.
    """

    rows: Rows
    runs: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]]
    seed_sd: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    group: Rows = 1
    alike: Annotated[float, Field(ge=0, le=1)] = 0.0


class Study(Section):
    """The cases, and how each is simulated.

    Attributes:
        accuracy: of the second model.
        gain: of the first over the second, where there is one.
        confidence: of the intervals.
        draws: simulated comparisons of each case, with and without a gain.
        resamples: of each bootstrap.
        seed: of all draws.
        cases: what is simulated.
    """

    accuracy: Annotated[float, Field(gt=0.5, lt=1)]
    gain: Annotated[float, Field(gt=0, lt=0.5)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    draws: Annotated[int, Field(ge=1, le=1_000_000)]
    resamples: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Seed
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


def load_study(path: Path) -> Study:
    """Read and validate `params.yaml`.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    return read_study(Study, path)


def run_study(study: Study) -> list[dict[str, Any]]:
    """A row for each case: how often the intervals held the truth, and alarms were false.

    `far_alarms` are those that were sure of it, with a p-value below `FAR`.
    """
    found = []
    for case in study.cases:
        bootstrap = Bootstrap(study.confidence, study.resamples, study.seed)
        if case.group > 1:
            bootstrap = replace(bootstrap, groups=np.arange(case.rows) // case.group)
        random = np.random.default_rng(study.seed)
        held, alarms, far = 0, 0, 0
        for number in progress.bar(range(study.draws), what=f"{case.rows:,} rows"):
            bootstrap = replace(bootstrap, seed=number)
            first, second = simulate(case, study.accuracy, study.gain, random)
            interval = paired_difference(first, second, bootstrap)
            held += interval.low <= study.gain <= interval.high
            first, second = simulate(case, study.accuracy, 0.0, random)
            p_value = paired_difference(first, second, bootstrap).p_value
            alarms += p_value < 1 - study.confidence
            far += p_value < FAR
        found.append(
            {
                **case.model_dump(exclude={"runs"}),
                "first_runs": case.runs[0],
                "second_runs": case.runs[1],
                "draws": study.draws,
                "confidence": study.confidence,
                "coverage": held / study.draws,
                "false_alarms": alarms / study.draws,
                "far_alarms": far / study.draws,
            }
        )
    return found


def simulate(
    case: Case, accuracy: float, gain: float, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """<float64>[runs, rows] of each model: 1 where a run is right.

    Args:
        case: the rows, the runs and their spread.
        accuracy: of the second model, expected over rows and seeds.
        gain: by which the first is more accurate.
        random: draws everything.
    """
    difficulty = _of_rows(case, ROW, random)
    first, second = (
        _right(case, runs, expected, difficulty, random)
        for runs, expected in zip(case.runs, (accuracy + gain, accuracy), strict=True)
    )
    return first, second


def _right(
    case: Case,
    runs: int,
    accuracy: float,
    difficulty: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    variance = ROW + SUITS + 1
    quantile = norm.ppf(accuracy)
    # A run's luck moves the mean, and the accuracy by its density there (delta method). A single
    # run is a deterministic model, which has no luck.
    luck = case.seed_sd * variance**0.5 / norm.pdf(quantile) if runs > 1 else 0.0
    mean = quantile * (variance + luck**2) ** 0.5
    lucks = luck * random.standard_normal((runs, 1))
    suits = _of_rows(case, SUITS, random)
    noise = random.standard_normal((runs, case.rows))
    return np.asarray(mean + lucks + difficulty + suits + noise > 0, np.float64)


def _of_rows(case: Case, variance: float, random: np.random.Generator) -> NDArray[np.float64]:
    """<float64>[rows], normal, in part the same for the rows of a group."""
    own = random.standard_normal(case.rows)
    if case.group > 1:
        groups = random.standard_normal(ceil(case.rows / case.group))
        shared = groups.repeat(case.group)[: case.rows]
        own = case.alike**0.5 * shared + (1 - case.alike) ** 0.5 * own
    return np.asarray(variance**0.5 * own)
