"""Pairs of models, compared on the same test reviews."""

from collections.abc import Sequence
from typing import Any

from pipeline.evaluation.pairwise import Claim
from pipeline.evaluation.results import ModelResult, scores
from pipeline.evaluation.significance import Bootstrap, Difference, holm, paired_difference


def claims(
    pairs: Sequence[tuple[ModelResult, ModelResult]], bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """The first model's accuracy less the second's, of each pair; Holm's correction over them."""
    differences = [
        paired_difference(scores(first.test, "binary"), scores(second.test, "binary"), bootstrap)
        for first, second in pairs
    ]
    adjusted = holm([difference.p_value for difference in differences])
    found = [
        Claim(*pair, difference, p_value, len(pairs), bootstrap.confidence, "binary")
        for pair, difference, p_value in zip(pairs, differences, adjusted, strict=True)
    ]
    return [
        {
            **interval(claim.difference),
            "p_value_holm": claim.p_value,
            "verdict": claim.verdict,
            "sentence": claim.sentence,
        }
        for claim in found
    ]


def interval(difference: Difference) -> dict[str, float]:
    """A difference with its interval and its p-value."""
    return {
        "difference": difference.estimate,
        "low": difference.low,
        "high": difference.high,
        "p_value": difference.p_value,
    }


def named(models: Sequence[ModelResult], name: str) -> ModelResult:
    """The model of that name."""
    return next(result for result in models if result.name == name)
