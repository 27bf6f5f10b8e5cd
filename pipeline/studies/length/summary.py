"""Predictions at every length and position → accuracies, advantages, and an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.schema import Position
from pipeline.evaluation import pairwise
from pipeline.evaluation.metrics import rounded
from pipeline.evaluation.pairwise import Claim
from pipeline.evaluation.results import ModelResult, check_same_rows, scores
from pipeline.evaluation.significance import Bootstrap, Difference, holm, paired_difference
from pipeline.evaluation.wording import signed_points
from pipeline.studies.length.settings import ATTENTION, BASELINE, POSITIONS, Study, words

Results = Mapping[tuple[str, Position], Sequence[ModelResult]]  # (length, position) → the models

CLAIM = (
    "Attention holds up on long sequences where the decisive words may stand anywhere: there it "
    "is better than a Bi-LSTM's last state, and its advantage grows with length."
)


def summary_document(results: Results, study: Study) -> dict[str, Any]:
    """The content of `results/summary.json`.

    Args:
        results: (length, position) → the models, with their predictions there as `test`.
        study: the study's parameters.

    Raises:
        ArtifactError: models predicted different rows.
    """
    for models in results.values():
        check_same_rows(models)
    bootstrap = Bootstrap(**study.evaluate.model_dump())
    advantages = [
        advantage
        for rival in study.rivals
        for position in POSITIONS
        for advantage in _advantages(results, rival, position, study, bootstrap)
    ]
    changes = _changes(results, study, bootstrap)
    verdict, answer = _answer(advantages, changes, study)
    document: dict[str, Any] = rounded(
        {
            "claim": CLAIM,
            "verdict": verdict,
            "answer": answer,
            "method": {
                **asdict(bootstrap),
                "minimum_seeds": pairwise.MINIMUM_SEEDS,
                "seeds": study.seeds,
                "rows": {
                    "train": study.corpus.train,
                    "validation": study.corpus.validation,
                    "test": study.corpus.test,
                },
                "label_noise": study.corpus.noise,
            },
            "accuracy": {
                position: {
                    length: {
                        result.name: _accuracy(result, bootstrap)
                        for result in results[length, position]
                    }
                    for length in study.lengths
                }
                for position in POSITIONS
            },
            "advantages": advantages,
            "changes": changes,
        }
    )
    return document


def accuracy_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy by length, evidence anywhere: a row per length, a column per model."""
    return pd.DataFrame(
        [
            {
                "words": np.mean(words(length)),
                **{model: found["accuracy"] for model, found in models.items()},
            }
            for length, models in document["accuracy"]["anywhere"].items()
        ]
    )


def _right(result: ModelResult) -> NDArray[np.float64]:
    """<float64>[seeds, n]: 1 where a prediction is right."""
    return scores(result.test, "binary")


def _named(models: Sequence[ModelResult], name: str) -> ModelResult:
    return next(result for result in models if result.name == name)


def _from_zero(values: NDArray[np.float64], bootstrap: Bootstrap) -> Difference:
    """The mean over seeds and rows with its interval: a difference from constant 0."""
    return paired_difference(values, np.zeros((1, values.shape[1])), bootstrap)


def _accuracy(result: ModelResult, bootstrap: Bootstrap) -> dict[str, float]:
    found = _from_zero(_right(result), bootstrap)
    return {
        "accuracy": found.estimate,
        "low": max(0.0, found.low),
        "high": min(1.0, found.high),
    }


def _advantages(
    results: Results, rival: str, position: Position, study: Study, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Attention's accuracy less a rival's at each length; Holm's correction over the lengths."""
    compared = [
        (_named(results[length, position], ATTENTION), _named(results[length, position], rival))
        for length in study.lengths
    ]
    differences = [
        paired_difference(_right(first), _right(second), bootstrap) for first, second in compared
    ]
    adjusted = holm([difference.p_value for difference in differences])
    described = []
    for length, (first, second), difference, p_value in zip(
        study.lengths, compared, differences, adjusted, strict=True
    ):
        claim = Claim(
            first, second, difference, p_value, len(compared), bootstrap.confidence, "binary"
        )
        described.append(
            {
                "against": rival,
                "position": position,
                "length": length,
                **_described(difference),
                "p_value_holm": p_value,
                "verdict": claim.verdict,
                "sentence": claim.sentence,
            }
        )
    return described


def _changes(results: Results, study: Study, bootstrap: Bootstrap) -> dict[str, Any]:
    """By how much accuracy changes from the shortest to the longest, evidence anywhere.

    Review i is the same at both lengths but for its plot, so the change is one of each row.
    """
    shortest, longest = study.lengths[0], study.lengths[-1]
    change = {
        result.name: _right(_named(results[longest, "anywhere"], result.name)) - _right(result)
        for result in results[shortest, "anywhere"]
    }
    advantages = []
    for rival in study.rivals:
        growth = paired_difference(change[ATTENTION], change[rival], bootstrap)
        first, second = (_named(results[shortest, "anywhere"], name) for name in (ATTENTION, rival))
        claim = Claim(first, second, growth, growth.p_value, 1, bootstrap.confidence, "binary")
        advantages.append({"against": rival, **_described(growth), "verdict": claim.verdict})
    return {
        "from": shortest,
        "to": longest,
        "models": {
            model: {"change": found.estimate, "low": found.low, "high": found.high}
            for model, values in change.items()
            for found in [_from_zero(values, bootstrap)]
        },
        "advantages": advantages,
    }


def _described(difference: Difference) -> dict[str, float]:
    return {
        "difference": difference.estimate,
        "low": difference.low,
        "high": difference.high,
        "p_value": difference.p_value,
    }


# ── the answer in words ──────────────────────────────────────────────────────────────────


LIMIT = (
    "The study compares accuracies within one budget of epochs. It cannot tell a model that has "
    "not learned yet from one that forgets."
)


def _answer(
    advantages: Sequence[Mapping[str, Any]], changes: Mapping[str, Any], study: Study
) -> tuple[str, str]:
    """The verdict on the claim, and the findings in words."""
    longest = {
        (one["against"], one["position"]): one
        for one in advantages
        if one["length"] == changes["to"]
    }
    growth = changes["advantages"][0]
    verdict, head = _verdict(longest[BASELINE, "anywhere"]["verdict"], growth["verdict"])
    by_position = [
        f"{signed_points(longest[BASELINE, position]['difference'])} {where}"
        for position, where in (
            ("start", "with the evidence at the start"),
            ("middle", "in the middle"),
            ("end", "at the end"),
        )
    ]
    model = changes["models"]
    change = (
        f"From {_range(changes['from'])} to {_range(changes['to'])} words the accuracy of "
        f"{BASELINE} changes by {signed_points(model[BASELINE]['change'])} points and that of "
        f"{ATTENTION} by {signed_points(model[ATTENTION]['change'])}; the advantage changes by "
        f"{signed_points(growth['difference'])} ({100 * study.evaluate.confidence:g} % interval "
        f"{signed_points(growth['low'])} to {signed_points(growth['high'])})."
    )
    sentences = [
        head,
        f"At {_range(changes['to'])} words:",
        longest[BASELINE, "anywhere"]["sentence"],
        f"That is {', '.join(by_position)}.",
        change,
        *(longest[rival, "anywhere"]["sentence"] for rival in study.rivals[1:]),
        LIMIT,
    ]
    return verdict, " ".join(sentences)


def _verdict(longest: str, growth: str) -> tuple[str, str]:
    """The verdict on the claim, from those on the longest reviews and on the growth."""
    match longest, growth:
        case (pairwise.TOO_FEW_SEEDS, _):
            return pairwise.TOO_FEW_SEEDS, (
                f"Too few seeds for a claim: it takes {pairwise.MINIMUM_SEEDS} of each model."
            )
        case (pairwise.BETTER, pairwise.BETTER):
            return "holds", (
                "Within this budget of epochs: on the longest reviews attention is better than the "
                "last state, and its advantage grows with length."
            )
        case (pairwise.BETTER, pairwise.WORSE):
            return "holds in part", (
                "Within this budget of epochs: on the longest reviews attention is better than the "
                "last state, but by less than on the shortest."
            )
        case (pairwise.BETTER, _):
            return "holds in part", (
                "Within this budget of epochs: on the longest reviews attention is better than the "
                "last state, but not measurably more so than on the shortest."
            )
        case (pairwise.WORSE, _):
            return "contradicted", (
                "The claim is contradicted: on the longest reviews attention is worse than the "
                "last state."
            )
    return "not shown", (
        "The claim is not borne out: on the longest reviews attention and the last state are not "
        "told apart by this data."
    )


def _range(length: str) -> str:
    return length.replace("-", "\N{EN DASH}")
