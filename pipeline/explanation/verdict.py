"""How far to trust a model's weights, in words."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from pipeline.explanation.estimates import Document, above, below

CLEARLY_ON_EVIDENCE = 2.0  # times an even share
CLEAR_AGREEMENT = 0.5  # Spearman's rho
# Weights are even if, by their entropy, they are spread over more than this share of the steps.
# They then have at least 77 % of their mass in common with equal weights (Pinsker's inequality).
EVEN_ABOVE = 0.9
# Weights make no difference if equal ones in their place change the predictions by less than a
# point of probability, or for regression by less than 1 % of the predictions' standard deviation.
NO_CHANGE = 0.01

LEVELS = UNSUPPORTED, PARTLY, SUPPORTED = "not supported", "partly supported", "supported"
EVEN = "the weights say nothing: they are even"


def verdict(
    runs: Sequence[Document],
    agreed: Document | None,
    compared: Document | None = None,
    others: Sequence[Document] = (),
) -> tuple[str, list[str]]:
    """How far to trust a model's weights, and a sentence for each test that was made.

    Supported: every test that could be made passed clearly, for every seed. Not supported:
    none did for any seed. Partly supported: anything in between. Weights that are even for every
    seed say nothing. Those that are even for some are at best partly supported, and so are those
    that make no difference: neither equal ones in their place nor a random order of them would
    change the predictions. To differ is no merit by itself, since random weights do. And the level
    is no higher than the comparison with controls allows (`controls.summarize`), since weights that
    know little pass these tests too.
    """
    tests = (_say_deletion(runs), _say_evidence(runs), _say_agreement(agreed))
    made = [test for test in tests if test is not None]
    passed = [share for share, _ in made]
    even = _even(runs)
    if all(even):
        level = EVEN
    elif not passed or max(passed) == 0:
        level = UNSUPPORTED
    elif min(passed) == 1 and not any(even) and min([_change(runs), *_moved(others)]) >= NO_CHANGE:
        level = SUPPORTED
    else:
        level = PARTLY
    if compared is not None and level != EVEN:
        level = min(level, compared["level"], key=LEVELS.index)
    said = [] if compared is None else compared["sentences"]
    return level, [
        _say_evenness(runs),
        *(sentence for _, sentence in made),
        *(_say_others(others, unit=_unit(runs)) if others else ()),
        *said,
    ]


def _even(runs: Sequence[Document]) -> list[bool]:
    return [run["evenness"]["effective"]["mean"] > EVEN_ABOVE for run in runs]


def _change(runs: Sequence[Document]) -> float:
    return fmean(run["evenness"]["change"]["mean"] for run in runs)


def _say_evenness(runs: Sequence[Document]) -> str:
    even, change = _even(runs), _change(runs)
    effective, heaviest = (
        fmean(run["evenness"][of]["mean"] for run in runs) for of in ("effective", "heaviest")
    )
    return (
        f"The weights are{'' if any(even) else ' not'} even{f' {_for_seeds(even)}' * any(even)}: "
        f"they are spread over {100 * effective:.0f} % of the steps, the heaviest has "
        f"{heaviest:.1f} times an even share, and equal weights would change the prediction by "
        f"{change:.3f}{_unit(runs)}{'' if change >= NO_CHANGE else ', which is no difference'}."
    )


def _unit(runs: Sequence[Document]) -> str:
    return " of its standard deviation" if runs[0]["evenness"]["relative"] else ""


def _moved(others: Sequence[Document]) -> list[float]:
    """The mean change by permuted weights, if it was measured."""
    return [fmean(other["permuted"]["mean"] for other in others)] if others else []


def _say_others(others: Sequence[Document], *, unit: str) -> list[str]:
    (permuted,) = _moved(others)
    none = "" if permuted >= NO_CHANGE else ", which is no difference"
    said = [
        f"In a random order, the weights would change the prediction by {permuted:.3f}{unit}{none}."
    ]
    if all("other_seed" in other for other in others):
        moved = fmean(other["other_seed"]["mean"] for other in others)
        said.append(f"Another seed’s weights would change it by {moved:.3f}{unit}.")
    return said


def _say_deletion(runs: Sequence[Document]) -> tuple[float, str] | None:
    deletions = [run["deletion"] for run in runs if run["deletion"]]
    if not deletions:
        return None
    clear = [
        above(deletion["comprehensiveness"]["gain"], 0.0)
        and below(deletion["sufficiency"]["gain"], 0.0)
        for deletion in deletions
    ]
    attention, random = (
        np.mean([deletion["comprehensiveness"][of]["mean"] for deletion in deletions])
        for of in ("attention", "random")
    )
    return float(np.mean(clear)), (
        f"Taking away the steps with the most attention changes the prediction by {attention:.3f}, "
        f"taking away as many random ones by {random:.3f}; that the attended steps matter more, "
        f"and suffice better alone, is clear {_for_seeds(clear)}."
    )


def _say_evidence(runs: Sequence[Document]) -> tuple[float, str] | None:
    found = [run["evidence"] for run in runs if run["evidence"]]
    if not found:
        return None
    clear = [
        above(on["excess"], 0.0)
        and on["mass"]["mean"] >= CLEARLY_ON_EVIDENCE * on["expected"]["mean"]
        for on in found
    ]
    mass, even = (np.mean([on[of]["mean"] for on in found]) for of in ("mass", "expected"))
    return float(np.mean(clear)), (
        f"{100 * mass:.0f} % of the attention falls on the evidence, {mass / even:.1f} times an "
        f"even share; it is at least twice an even share {_for_seeds(clear)}."
    )


def _say_agreement(agreed: Document | None) -> tuple[float, str] | None:
    if agreed is None:
        return None
    if agreed["spearman"] is None:
        return 0.0, "The weights of a row are all alike: there is no order to agree on."
    if above(agreed["spearman"], CLEAR_AGREEMENT):
        passed, text = 1.0, "Runs that differ in their seed alone weigh the same rows alike"
    elif above(agreed["spearman"], 0.0):
        passed, text = 0.5, "Runs that differ in their seed alone agree on the weights only loosely"
    else:
        passed, text = 0.0, "Runs that differ in their seed alone do not agree on the weights"
    return passed, f"{text} (Spearman’s ρ = {agreed['spearman']['mean']:.2f})."


def _for_seeds(clear: Sequence[bool]) -> str:
    if not any(clear):
        return "for no seed"
    return "for every seed" if all(clear) else f"for {sum(clear)} of {len(clear)} seeds"
