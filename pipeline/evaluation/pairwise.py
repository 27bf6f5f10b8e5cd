"""Every pair of models: the difference, how certain it is, and a verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pipeline.core.predictions import Task
from pipeline.evaluation.power import equality_p_value, seeds_to_find, smallest_found
from pipeline.evaluation.results import ModelResult, scores
from pipeline.evaluation.significance import Bootstrap, Difference, holm, mcnemar, paired_difference
from pipeline.evaluation.wording import signed_difference

MINIMUM_SEEDS = 3
BETTER, WORSE = "better", "worse"
EQUAL = "practically equal"
NOT_TOLD_APART = "not told apart by this data"
TOO_FEW_SEEDS = "too few seeds for a claim"


def compared(results: Sequence[ModelResult]) -> list[tuple[ModelResult, ModelResult]]:
    """Every pair once, as (later, earlier): each model is compared with those before it.

    Baselines are not compared with one another: nobody needs that, and every further pair
    costs the others power in Holm's correction.
    """
    return [
        (later, earlier)
        for earlier, later in combinations(results, 2)
        if not (earlier.deterministic and later.deterministic)
    ]


@dataclass(frozen=True)
class Claim:
    """What the test rows show about two models.

    Attributes:
        first, second: the models.
        difference: the first's mean score minus the second's, with its own interval.
        p_value: its p-value, adjusted for the number of pairs (Holm); it decides the verdict.
        pairs: how many pairs were compared.
        confidence: of the interval.
        task: decides whether a higher score is better.
        margin: a smaller difference has no practical meaning; None where no margin is set.
        p_equal: for the difference being within the margin, adjusted in the same way.
    """

    first: ModelResult
    second: ModelResult
    difference: Difference
    p_value: float
    pairs: int
    confidence: float
    task: Task
    margin: float | None = None
    p_equal: float = 1.0

    @property
    def verdict(self) -> str:
        """Better, worse, practically equal, not told apart, or too few seeds to say."""
        trained = [result for result in (self.first, self.second) if not result.deterministic]
        if any(len(result.seeds) < MINIMUM_SEEDS for result in trained):
            return TOO_FEW_SEEDS
        if self.p_value >= 1 - self.confidence:
            return EQUAL if self.p_equal < 1 - self.confidence else NOT_TOLD_APART
        higher_is_better = self.task != "regression"
        return BETTER if (self.difference.estimate > 0) == higher_is_better else WORSE

    @property
    def sentence(self) -> str:
        """The verdict as a sentence: which models, by how much, how certain, on what basis."""
        first, second, verdict = self.first.name, self.second.name, self.verdict
        metric = "test MSE" if self.task == "regression" else "points of test accuracy"
        size = f"{self._signed(self.difference.estimate)} {metric} {self._basis()}"
        if verdict == TOO_FEW_SEEDS:
            return (
                f"Too few seeds for a claim about {first} against {second}: it takes "
                f"{MINIMUM_SEEDS} of each. On these the difference is {size}."
            )
        if verdict == NOT_TOLD_APART:
            text = f"{first} and {second} are not told apart by this data: {size}."
            if self.difference.p_value >= 1 - self.confidence:
                return text
            return f"{text} Holm's correction for {self.pairs} pairs leaves p = {self.p_value:.2g}."
        if verdict == EQUAL:
            within = self._signed(self.margin or 0.0).lstrip("+")
            return f"{first} and {second} are practically equal, within {within} points: {size}."
        return f"{first} is {verdict} than {second}: {size}."

    @property
    def power(self) -> str | None:
        """What it would take to tell the models apart; None unless that is the question."""
        if self.verdict != NOT_TOLD_APART:
            return None
        least = smallest_found(self.difference, confidence=self.confidence)
        unit = "of test MSE" if self.task == "regression" else "points"
        text = (
            f"These rows and seeds would show a true difference of "
            f"{self._signed(least).lstrip('+')} {unit} four times in five (80 % power)."
        )
        seeds = max(len(self.first.seeds), len(self.second.seeds))
        needed = seeds_to_find(self.difference, seeds=seeds, confidence=self.confidence)
        if needed is None:
            return f"{text} One as large as observed takes more test rows."
        if needed > seeds:
            return f"{text} One as large as observed takes {needed} seeds."
        return text

    def _basis(self) -> str:
        low, high = self._signed(self.difference.low), self._signed(self.difference.high)
        counts = [
            len(result.seeds) for result in (self.first, self.second) if not result.deterministic
        ]
        noun = "seed" if set(counts) == {1} else "seeds"
        if len(counts) == 2 and counts[0] == counts[1]:
            seeds = f", {counts[0]} {noun} each"
        else:
            seeds = f", {' and '.join(map(str, counts))} {noun}" if counts else ""
        return f"({100 * self.confidence:g} % interval {low} to {high}{seeds})"

    def _signed(self, value: float) -> str:
        return signed_difference(value, regression=self.task == "regression")


def compare_pairs(
    results: Sequence[ModelResult], task: Task, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Difference, interval, tests and verdict of every pair, on the same test rows."""
    margin = None if task == "regression" else bootstrap.margin
    score = {result.name: scores(result.test, task) for result in results}
    pairs = compared(results)
    differences = [
        paired_difference(score[first.name], score[second.name], bootstrap)
        for first, second in pairs
    ]
    adjusted = holm([difference.p_value for difference in differences])
    equal = [
        1.0 if margin is None else equality_p_value(difference, margin)
        for difference in differences
    ]
    tests = mcnemar_tests(pairs) if task != "regression" else [[] for _ in pairs]
    described = []
    for (first, second), difference, p_value, p_equal, of_seeds in zip(
        pairs, differences, adjusted, holm(equal), tests, strict=True
    ):
        claim = Claim(
            *(first, second, difference, p_value, len(pairs), bootstrap.confidence, task),
            margin=margin,
            p_equal=p_equal,
        )
        described.append(
            {
                "first": first.name,
                "second": second.name,
                "difference": difference.estimate,
                "low": difference.low,
                "high": difference.high,
                "p_value": difference.p_value,
                "p_value_holm": p_value,
                "mcnemar": of_seeds,
                "p_equal_holm": p_equal,
                "verdict": claim.verdict,
                "sentence": claim.sentence,
                "power": claim.power,
            }
        )
    return described


def mcnemar_tests(pairs: Sequence[tuple[ModelResult, ModelResult]]) -> list[list[dict[str, Any]]]:
    """McNemar's test of each pair, seed by seed; Holm's correction over the pairs of one seed."""
    tests = [
        [_mcnemar(first, second, seed) for seed in _common_seeds(first, second)]
        for first, second in pairs
    ]
    for seed in dict.fromkeys(test["seed"] for of_pair in tests for test in of_pair):
        family = [test for of_pair in tests for test in of_pair if test["seed"] == seed]
        adjusted = holm([test["p_value"] for test in family])
        for test, p_value in zip(family, adjusted, strict=True):
            test["p_value_holm"] = p_value
    return tests


def _common_seeds(first: ModelResult, second: ModelResult) -> list[int | None]:
    """The seeds that both were trained with; a deterministic model is compared with each."""
    if first.deterministic:
        return list(second.seed_names)
    return [seed for seed in first.seeds if second.deterministic or seed in second.seeds]


def _mcnemar(first: ModelResult, second: ModelResult, seed: int | None) -> dict[str, Any]:
    runs = [
        result.test[0 if result.deterministic or seed is None else result.seeds.index(seed)]
        for result in (first, second)
    ]
    result = mcnemar(*(run.labels == run.targets for run in runs))
    return {
        "seed": seed,
        "only_first_right": result.only_first,
        "only_second_right": result.only_second,
        "p_value": result.p_value,
    }
