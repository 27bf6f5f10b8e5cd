"""Which runs learned, after how many epochs, and what helps a model to.

A run that never does better than chance on validation can't say what its model remembers. So that
is counted first; then the last state is given what may help it to learn, and attention the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import entropy

from pipeline.core.predictions import Predictions
from pipeline.evaluation.pairwise import BETTER
from pipeline.evaluation.results import ModelResult, scores
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.wording import listed, signed_points
from pipeline.studies.length.claims import claims, named
from pipeline.studies.length.settings import ATTENTION, BASELINE, Study, times

Histories = Mapping[tuple[str, str], Sequence[pd.DataFrame]]  # (length, model) → of each seed
NEAR = 5.0  # steps after the evidence, where its gradient is compared


def learning(
    results: Mapping[str, Sequence[ModelResult]], histories: Histories, study: Study
) -> dict[str, Any]:
    """After how many epochs each run had learned, and its test accuracy.

    Args:
        results: corpus → its models, with the predictions where evidence is anywhere as `test`.
        histories: (corpus, model) → `history.csv` of each seed.
        study: the study's parameters.

    Returns:
        Corpus → model → `learned_after`, epochs until validation loss was below a constant
        prediction's by the share `plateau`, None if it never was; and `accuracy`, both of each
        seed. An epoch of ten times the data counts as ten.
    """
    return {
        length: {
            result.name: {
                "learned_after": [
                    _learned_after(history, seen, study.recipe(result.name).plateau, times(length))
                    for history, seen in zip(
                        histories[length, result.name], result.validation, strict=True
                    )
                ],
                "accuracy": scores(result.test, "binary").mean(axis=1),
            }
            for result in models
        }
        for length, models in results.items()
    }


def _learned_after(
    history: pd.DataFrame, validation: Predictions, plateau: float, factor: int
) -> int | None:
    constant = float(entropy(np.bincount(validation.targets)))
    below = history.loc[history["val_loss"] <= (1 - plateau) * constant, "epoch"]
    return None if below.empty else factor * int(below.iloc[0])


def remedies(
    results: Mapping[str, Sequence[ModelResult]],
    histories: Histories,
    study: Study,
    bootstrap: Bootstrap,
) -> list[dict[str, Any]]:
    """What each remedy gives the last state, and how far attention with the same is ahead of it.

    Holm's correction is over the remedies, for either question.

    Args:
        results: as in `learning`.
        histories: as in `learning`.
        study: the study's parameters.
        bootstrap: how certainty is measured.

    Returns:
        A document for each remedy, by the last state's mean validation loss, the least first.
    """
    plain = named(results[study.remedies.length], BASELINE)
    tried = [
        (group.length, named(results[group.length], model), named(results[group.length], rival))
        for group in (study.remedies, study.more_data)
        for model in group.models
        for rival in [ATTENTION + model.removeprefix(BASELINE)]
        if rival in group.models
    ]
    gains = claims([(helped, plain) for _, helped, _ in tried], bootstrap)
    leads = claims([(rival, helped) for _, helped, rival in tried], bootstrap)
    found = [
        {
            "model": helped.name,
            "length": length,
            "validation_loss": float(
                np.mean([one["val_loss"].min() for one in histories[length, helped.name]])
            ),
            "gain": gain,
            "lead": lead,
        }
        for (length, helped, _), gain, lead in zip(tried, gains, leads, strict=True)
    ]
    return sorted(found, key=lambda remedy: remedy["validation_loss"])


# ── in words ─────────────────────────────────────────────────────────────────────────────


def learned_sentence(learned: Mapping[str, Mapping[str, Any]], epochs: int) -> str:
    """How many runs of the last state and of attention learned, how soon, and from what to what."""
    parts, ranges = [], []
    for model in (BASELINE, ATTENTION):
        after, accuracy = learned[model]["learned_after"], learned[model]["accuracy"]
        known = [epoch for epoch in after if epoch is not None]
        when = f" (after {listed([str(epoch) for epoch in known])})" if known else ""
        parts.append(f"{len(known)} of {len(after)} runs of {model}{when}")
        ranges.append(f"{100 * min(accuracy):.1f} to {100 * max(accuracy):.1f} %")
    return (
        f"Within {epochs} epochs, {listed(parts)} learned. On test these runs reach "
        f"{' and '.join(ranges)}."
    )


def remedies_sentence(found: Sequence[Mapping[str, Any]]) -> str:
    """What the remedy of least validation loss does, and what follows from it."""
    if not found:
        return ""
    best = found[0]
    gain, lead = best["gain"], best["lead"]
    low, high = signed_points(gain["low"]), signed_points(gain["high"])
    follows = (
        "So attention stays ahead."
        if lead["verdict"] == BETTER
        else "So a last state that learns can remember over this length, at most "
        f"{signed_points(lead['high']).lstrip('+')} points worse than attention."
    )
    return (
        f"Of {len(found)} remedies, the one of least validation loss is that of {best['model']}: "
        f"{signed_points(gain['difference'])} points for the last state ({low} to {high}). With "
        f"the same for both, {lead['sentence']} {follows}"
    )


def flow_sentence(flow: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> str:
    """How much weaker the last state's gradient at the evidence is than attention's, untrained."""
    norms = {}
    for model in (BASELINE, ATTENTION):
        curve = min(flow[model].items(), key=lambda pair: int(pair[0]))[1]
        nearest = int(np.argmin(np.abs(np.array(curve["distance"]) - NEAR)))
        norms[model] = curve["norm"][nearest]
    orders = round(float(np.log10(norms[ATTENTION] / norms[BASELINE])))
    return (
        f"Before training, the loss's gradient by a state that has just read the evidence is "
        f"about {10**orders:,} times as strong with {ATTENTION} as with {BASELINE}."
    )
