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
from pipeline.evaluation.significance import Bootstrap, Difference, paired_difference
from pipeline.evaluation.wording import signed_points
from pipeline.studies.length import learning
from pipeline.studies.length.claims import claims, interval, named
from pipeline.studies.length.learning import Histories
from pipeline.studies.length.settings import ATTENTION, BASELINE, POSITIONS, Study, words

Results = Mapping[tuple[str, Position], Sequence[ModelResult]]  # (length, position) → the models

CLAIM = (
    "Attention holds up on long sequences where the decisive words may stand anywhere: there it "
    "is better than a Bi-LSTM's last state, and its advantage grows with length."
)


def summary_document(
    results: Results, histories: Histories, flow: Mapping[str, Any], study: Study
) -> dict[str, Any]:
    """The content of `results/summary.json`.

    Args:
        results: (corpus, position) → the models, with their predictions there as `test`.
        histories: (corpus, model) → `history.csv` of each seed.
        flow: model → its curves of `flow.by_distance`.
        study: the study's parameters.

    Raises:
        ArtifactError: models predicted different rows.
    """
    for position in POSITIONS:
        check_same_rows([one for length in study.trained for one in results[length, position]])
    bootstrap = Bootstrap(**study.evaluate.model_dump())
    advantages = [
        advantage
        for rival in study.rivals
        for position in POSITIONS
        for advantage in _advantages(results, rival, position, study, bootstrap)
    ]
    changes = _changes(results, study, bootstrap)
    anywhere = {length: results[length, "anywhere"] for length in study.trained}
    learned = learning.learning(anywhere, histories, study)
    remedies = learning.remedies(anywhere, histories, study, bootstrap)
    verdict, short, answer = _answer(advantages, changes, study)
    causes = [
        learning.learned_sentence(learned[study.lengths[-1]], study.recipe(BASELINE).epochs),
        learning.remedies_sentence(remedies),
    ]
    document: dict[str, Any] = rounded(
        {
            "claim": CLAIM,
            "verdict": verdict,
            "answer": " ".join([*answer, *causes, learning.flow_sentence(flow)]),
            "short": " ".join([*short, *causes]),
            "method": {
                **asdict(bootstrap),
                "minimum_seeds": pairwise.MINIMUM_SEEDS,
                "seeds": study.seeds,
                "epochs": study.recipe(BASELINE).epochs,
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
                        if result.name in study.models
                    }
                    for length in study.lengths
                }
                for position in POSITIONS
            },
            "advantages": advantages,
            "changes": changes,
            "learning": learned,
            "remedies": remedies,
            "flow": flow,
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
    pairs = [
        (named(results[length, position], ATTENTION), named(results[length, position], rival))
        for length in study.lengths
    ]
    return [
        {"against": rival, "position": position, "length": length, **claim}
        for length, claim in zip(study.lengths, claims(pairs, bootstrap), strict=True)
    ]


def _changes(results: Results, study: Study, bootstrap: Bootstrap) -> dict[str, Any]:
    """By how much accuracy changes from the shortest to the longest, evidence anywhere.

    Review i is the same at both lengths but for its plot, so the change is one of each row.
    """
    shortest, longest = study.lengths[0], study.lengths[-1]
    change = {
        result.name: _right(named(results[longest, "anywhere"], result.name)) - _right(result)
        for result in results[shortest, "anywhere"]
    }
    advantages = []
    for rival in study.rivals:
        growth = paired_difference(change[ATTENTION], change[rival], bootstrap)
        first, second = (named(results[shortest, "anywhere"], name) for name in (ATTENTION, rival))
        claim = Claim(first, second, growth, growth.p_value, 1, bootstrap.confidence, "binary")
        advantages.append({"against": rival, **interval(growth), "verdict": claim.verdict})
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


# ── the answer in words ──────────────────────────────────────────────────────────────────


def _answer(
    advantages: Sequence[Mapping[str, Any]], changes: Mapping[str, Any], study: Study
) -> tuple[str, list[str], list[str]]:
    """The verdict on the claim; then the findings in sentences, in short and in full."""
    longest = {
        (one["against"], one["position"]): one
        for one in advantages
        if one["length"] == changes["to"]
    }
    shorter = [
        f"At {_range(one['length'])}: {one['sentence']}"
        for one in advantages
        if (one["against"], one["position"]) == (BASELINE, "anywhere")
        and one["length"] in study.lengths[1:-1]
    ]
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
    first, *others = (longest[rival, "anywhere"]["sentence"] for rival in study.rivals)
    full = [
        head,
        f"At {_range(changes['to'])} words:",
        first,
        f"That is {', '.join(by_position)}.",
        *shorter,
        change,
        *others,
    ]
    return verdict, [first, *shorter], full


def _verdict(longest: str, growth: str) -> tuple[str, str]:
    """The verdict on the claim, from those on the longest reviews and on the growth."""
    match longest, growth:
        case (pairwise.TOO_FEW_SEEDS, _):
            return pairwise.TOO_FEW_SEEDS, (
                f"Too few seeds for a claim: it takes {pairwise.MINIMUM_SEEDS} of each model."
            )
        case (pairwise.BETTER, pairwise.BETTER):
            return "holds", (
                "On the longest reviews attention is better than the last state, and its advantage "
                "grows with length."
            )
        case (pairwise.BETTER, pairwise.WORSE):
            return "holds in part", (
                "On the longest reviews attention is better than the last state, but by less than "
                "on the shortest."
            )
        case (pairwise.BETTER, _):
            return "holds in part", (
                "On the longest reviews attention is better than the last state, but not "
                "measurably more so than on the shortest."
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
