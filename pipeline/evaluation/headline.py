"""What to use, in words: the best network against the baselines, then attention against the rest.

The terminal, the report and MLflow all quote these sentences.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.core.predictions import NAIVE_BAYES, TFIDF
from pipeline.evaluation.pairwise import (
    BETTER,
    EQUAL,
    MINIMUM_SEEDS,
    NOT_TOLD_APART,
    TOO_FEW_SEEDS,
    WORSE,
)
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.wording import listed, points, real_minus, signed_difference

Document = Mapping[str, Any]

_BASELINE_TITLES = {
    TFIDF: "TF-IDF with logistic regression",
    NAIVE_BAYES: "naive Bayes weights with logistic regression",
    "ridge": "ridge regression",
    "mean": "the mean of train",
    "last_value": "the last value",
    "seasonal": "the seasonal naive forecast",
    "class_frequencies": "the class frequencies of train",
}
_OPPOSITE = {BETTER: WORSE, WORSE: BETTER}
_ANSWERS = {
    BETTER: "Yes, on this data.",
    WORSE: "No: on this data it is worse.",
    EQUAL: "No: on this data they are practically equal.",
    NOT_TOLD_APART: "Undecided on this data.",
    TOO_FEW_SEEDS: "Too few seeds to tell.",
}
_STANDINGS = {
    BETTER: "better than {}",
    WORSE: "worse than {}",
    EQUAL: "practically equal to {}",
    NOT_TOLD_APART: "not told apart from {}",
    TOO_FEW_SEEDS: "compared with {} on too few seeds for a claim",
}


class View(NamedTuple):
    """A pair as one of its models sees it.

    Attributes:
        other: the other model.
        verdict: what this one is against it.
        difference, low, high: this one's score minus the other's, with its interval.
    """

    other: str
    verdict: str
    difference: float
    low: float
    high: float

    def turned(self, model: str) -> "View":
        """The same as the other model sees it, which then has `model` opposite."""
        verdict = _OPPOSITE.get(self.verdict, self.verdict)
        return View(model, verdict, -self.difference, -self.high, -self.low)


class Unit(NamedTuple):
    """Whether differences are of squared errors or accuracies, and the intervals' confidence."""

    regression: bool
    confidence: float

    def signed(self, view: View) -> str:
        """As in "+0.4 points of test accuracy (95 % interval −0.3 to +1.1)"."""
        values = (view.difference, view.low, view.high)
        return self._sized(*(signed_difference(v, regression=self.regression) for v in values))

    def lead(self, view: View) -> str:
        """The same without a sign, where the words say which model is better."""
        sign = -1 if view.difference < 0 else 1
        values = (sign * view.difference, *sorted([sign * view.low, sign * view.high]))
        return self._sized(
            *(real_minus(f"{v:.4g}") if self.regression else points(v) for v in values)
        )

    def _sized(self, difference: str, low: str, high: str) -> str:
        metric = "test MSE" if self.regression else "points of test accuracy"
        return f"{difference} {metric} ({100 * self.confidence:g} % interval {low} to {high})"


def model_title(name: str) -> str:
    """A baseline in words; a network has only its name."""
    return _BASELINE_TITLES.get(name, name)


def conclude(
    results: Sequence[ModelResult], champion: Document, pairs: Sequence[Document], unit: Unit
) -> dict[str, Any]:
    """What the comparison says to use, and whether attention helps.

    Args:
        results: what is compared.
        champion: what `choose_champion` returned.
        pairs: what `compare_pairs` returned.
        unit: of their differences.

    Returns:
        `use`, the model to use; `reason`, why; `attention`, the best network with attention
        against the best without, by validation, None unless there are both; `others`, how the
        champion compares with the remaining networks, if any; `headline`, all of it in a few
        sentences.
    """
    use, reason = _advise(champion, pairs, unit)
    attention = _attention(results, champion["candidates"], pairs)
    told = {
        *champion["baselines"],
        *((attention["model"], attention["rival"]) if attention else ()),
    }
    rest = [view for view in _views(champion["model"], pairs) if view.other not in told]
    others = f"On test, {champion['model']} is {_standing(rest)}." if rest else None
    sentences = [
        f"Use {model_title(use)}: {reason}",
        attention["sentence"] if attention else None,
        others,
    ]
    return {
        "use": use,
        "reason": reason,
        "attention": attention,
        "others": others,
        "headline": " ".join(filter(None, sentences)),
    }


def _advise(champion: Document, pairs: Sequence[Document], unit: Unit) -> tuple[str, str]:
    """The model to use, and why.

    That is the champion, unless a baseline is better on test, or is better on validation and
    the test rows do not contradict it.
    """
    model, losses = champion["model"], champion["baselines"]
    against = [view for view in _views(model, pairs) if view.other in losses]
    if not against:
        return model, "it is the best on validation."
    order = (WORSE, EQUAL, NOT_TOLD_APART, TOO_FEW_SEEDS, BETTER)  # the hardest to beat decides
    view = min(against, key=lambda one: (order.index(one.verdict), losses[one.other]["mean"]))
    baseline = model_title(view.other)
    if view.verdict == WORSE:
        return view.other, (
            f"it is better than {_beaten(view.other, model, pairs)} by {unit.lead(view)}."
        )
    if view.verdict == BETTER:
        than = _best_of("baseline", baseline) if len(against) > 1 else baseline
        return model, f"it is better than {than} by {unit.lead(view)}."
    use, other = model, baseline
    if losses[view.other]["mean"] <= champion["validation"]["mean"]:
        use, other, view = view.other, model, view.turned(model)
    but = "on test it is not told apart from it"
    if view.verdict == EQUAL:
        but = "on test they are practically equal"
    if view.verdict == TOO_FEW_SEEDS:
        but = f"it takes {MINIMUM_SEEDS} seeds to tell them apart on test"
    return use, f"it is better than {other} on validation, but {but}: {unit.signed(view)}."


def _beaten(baseline: str, champion: str, pairs: Sequence[Document]) -> str:
    """The networks that a baseline beats, in words; the champion is among them."""
    verdicts = [view.verdict for view in _views(baseline, pairs)]
    if len(verdicts) == 1:
        return champion
    if set(verdicts) == {BETTER}:
        return _best_of("network", champion)
    return f"{champion}, the best network on validation,"


def _best_of(kind: str, best: str) -> str:
    return f"every {kind} here; it leads the best of them on validation, {best},"


# ── attention, and the other networks ────────────────────────────────────────────────────


def _attention(
    results: Sequence[ModelResult], losses: Document, pairs: Sequence[Document]
) -> dict[str, Any] | None:
    """The best network with attention against the best without, and the answer in words."""
    attends = {result.name: result.attention for result in results}
    ranked = sorted(losses, key=lambda name: losses[name]["mean"])
    model = next((name for name in ranked if attends[name]), None)
    rival = next((name for name in ranked if not attends[name]), None)
    for pair in pairs:
        if {pair["first"], pair["second"]} == {model, rival}:
            [view] = _views(str(model), [pair])
            return {
                "model": model,
                "rival": rival,
                "answer": _ANSWERS[view.verdict],
                "sentence": " ".join(filter(None, [pair["sentence"], pair["power"]])),
            }
    return None


def _views(model: str, pairs: Iterable[Document]) -> Iterator[View]:
    """Every pair with that model, as it sees it."""
    for pair in pairs:
        first, second = pair["first"], pair["second"]
        view = View(second, pair["verdict"], pair["difference"], pair["low"], pair["high"])
        if model == first:
            yield view
        elif model == second:
            yield view.turned(first)


def _standing(views: Sequence[View]) -> str:
    """As in "better than a and b and not told apart from c"."""
    against = {
        verdict: [view.other for view in views if view.verdict == verdict] for verdict in _STANDINGS
    }
    return listed(
        [
            _STANDINGS[verdict].format(listed(others))
            for verdict, others in against.items()
            if others
        ]
    )
