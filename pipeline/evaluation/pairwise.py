"""Each model against each other: by how much, how sure that is, and a verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pipeline.core.predictions import Task
from pipeline.evaluation.results import ModelResult, scores
from pipeline.evaluation.significance import Bootstrap, Difference, holm, mcnemar, paired_difference

MINIMUM_SEEDS = 3
BETTER, WORSE = "better", "worse"
NOT_TOLD_APART = "not told apart by this data"
TOO_FEW_SEEDS = "too few seeds for a claim"


def compared(results: Sequence[ModelResult]) -> list[tuple[ModelResult, ModelResult]]:
    """Every pair once, each result as the first of it against those before it.

    References are not compared with one another: nobody asks, and each further pair costs the
    others power in Holm's correction.
    """
    return [
        (later, earlier)
        for earlier, later in combinations(results, 2)
        if not (earlier.deterministic and later.deterministic)
    ]


@dataclass(frozen=True)
class Claim:
    """What the test rows say of two models.

    Attributes:
        first, second: the models.
        difference: of the first's mean score less the second's, with its own interval.
        p_value: its p-value, by Holm adjusted for the number of pairs; the verdict rests on it.
        pairs: how many were compared.
        confidence: of the interval.
        task: says whether a higher score is better.
    """

    first: ModelResult
    second: ModelResult
    difference: Difference
    p_value: float
    pairs: int
    confidence: float
    task: Task

    @property
    def verdict(self) -> str:
        """Better, worse, not told apart, or too few seeds to say."""
        trained = [result for result in (self.first, self.second) if not result.deterministic]
        if any(len(result.seeds) < MINIMUM_SEEDS for result in trained):
            return TOO_FEW_SEEDS
        if self.p_value >= 1 - self.confidence:
            return NOT_TOLD_APART
        higher_is_better = self.task != "regression"
        return BETTER if (self.difference.estimate > 0) == higher_is_better else WORSE

    @property
    def sentence(self) -> str:
        """The verdict as a reader wants it: who, by how much, how sure, on what it rests."""
        first, second, verdict = self.first.name, self.second.name, self.verdict
        metric = "test MSE" if self.task == "regression" else "points of test accuracy"
        size = f"{self._signed(self.difference.estimate)} {metric} {self._basis()}"
        if verdict == TOO_FEW_SEEDS:
            return (
                f"Too few seeds for a claim about {first} against {second}: it takes "
                f"{MINIMUM_SEEDS} of each. On these the difference is {size}."
            )
        if verdict == NOT_TOLD_APART:
            said = f"{first} and {second} are not told apart by this data: {size}."
            if self.difference.p_value >= 1 - self.confidence:
                return said
            return f"{said} Holm's correction for {self.pairs} pairs leaves p = {self.p_value:.2g}."
        return f"{first} is {verdict} than {second}: {size}."

    def _basis(self) -> str:
        low, high = self._signed(self.difference.low), self._signed(self.difference.high)
        counts = [
            len(result.seeds) for result in (self.first, self.second) if not result.deterministic
        ]
        if len(counts) == 2 and counts[0] == counts[1]:
            seeds = f", {counts[0]} seeds each"
        else:
            seeds = f", {' and '.join(map(str, counts))} seeds" if counts else ""
        return f"({100 * self.confidence:g} % interval {low} to {high}{seeds})"

    def _signed(self, value: float) -> str:
        """A difference with its sign: in percentage points, or in the target's unit squared."""
        text = f"{value:+.4g}" if self.task == "regression" else f"{100 * value:+.1f}"
        return text.replace("-", "\N{MINUS SIGN}")


def compare_pairs(
    results: Sequence[ModelResult], task: Task, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Difference, interval, tests and verdict of every pair, on the same test rows."""
    score = {result.name: scores(result.test, task) for result in results}
    pairs = compared(results)
    differences = [
        paired_difference(score[first.name], score[second.name], bootstrap)
        for first, second in pairs
    ]
    adjusted = holm([difference.p_value for difference in differences])
    tests = mcnemar_tests(pairs) if task != "regression" else [[] for _ in pairs]
    described = []
    for (first, second), difference, p_value, of_seeds in zip(
        pairs, differences, adjusted, tests, strict=True
    ):
        claim = Claim(first, second, difference, p_value, len(pairs), bootstrap.confidence, task)
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
                "verdict": claim.verdict,
                "sentence": claim.sentence,
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
    """The seeds that both were trained with; a deterministic model stands against each."""
    if first.deterministic:
        return list(second.seed_names)
    return [seed for seed in first.seeds if second.deterministic or seed in second.seeds]


def _mcnemar(first: ModelResult, second: ModelResult, seed: int | None) -> dict[str, Any]:
    fits = [
        result.test[0 if result.deterministic or seed is None else result.seeds.index(seed)]
        for result in (first, second)
    ]
    result = mcnemar(*(fit.labels == fit.targets for fit in fits))
    return {
        "seed": seed,
        "only_first_right": result.only_first,
        "only_second_right": result.only_second,
        "p_value": result.p_value,
    }


def headline(champion: str, pairs: Sequence[dict[str, Any]]) -> str:
    """The champion and how it stands against every other model, in one or two sentences."""
    opposite = {BETTER: WORSE, WORSE: BETTER}
    against: dict[str, list[str]] = {}
    for pair in pairs:
        if pair["first"] == champion:
            against.setdefault(pair["verdict"], []).append(pair["second"])
        elif pair["second"] == champion:
            verdict = opposite.get(pair["verdict"], pair["verdict"])
            against.setdefault(verdict, []).append(pair["first"])
    chosen = f"{champion} is the best trained model on validation."
    if not against:
        return chosen
    wording = {
        BETTER: "better than {}",
        WORSE: "worse than {}",
        NOT_TOLD_APART: "not told apart from {}",
        TOO_FEW_SEEDS: "compared with {} on too few seeds for a claim",
    }
    phrases = [
        phrase.format(_listed(against[verdict]))
        for verdict, phrase in wording.items()
        if verdict in against
    ]
    return f"{chosen} On the test rows it is {_listed(phrases)}."


def _listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0]
