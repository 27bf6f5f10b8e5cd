"""What all results say to the project's two questions, in short, as README shows it."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from pipeline.core.predictions import NAIVE_BAYES, TFIDF
from pipeline.documentation.kept import Kept
from pipeline.documentation.tables import STATES, markdown, with_ends
from pipeline.evaluation.headline import model_title
from pipeline.evaluation.wording import signed_points

Document = Mapping[str, Any]
ATTENTION, MAXIMUM = "bilstm_attention", "bilstm_max"


def table(
    kept: Sequence[Kept],
    lengths: Document,
    distracted: Sequence[Mapping[str, str]],
    sized: Sequence[Mapping[str, str]],
) -> str:
    """Attention beside the last state, the maximum and the best baseline, for each kind of texts.

    Args:
        kept: every dataset's results; those of a regression or without both models are left out.
        lengths: the length study's `summary.json`.
        distracted: the distractor study's intervals; none if it has not been run.
        sized: the size study's intervals, likewise.
    """
    rows = [*_of_datasets(kept)]
    if sized:
        fewest = min((one["rows"] for one in sized), key=int)
        texts = f"[imdb, {int(fewest):,} reviews to train on](docs/results.md#training-size)"
        rows.append(_of_study(texts, [one for one in sized if one["rows"] == fewest]))
    if distracted:
        longest = max((one["length"] for one in distracted), key=int)
        texts = f"short reviews among neutral sentences, {int(longest):,} tokens"
        texts = f"[{texts}](docs/results.md#distractor-study)"
        found = [one for one in distracted if (one["length"], one["place"]) == (longest, "any")]
        rows.append(_of_study(texts, found))
    titles = ["last state, %", "maximum, %", "attention, %", "best baseline, %"]
    return markdown(
        ["texts", *titles, "attention against the last state, points"],
        [*rows, *_of_lengths(lengths)],
    )


def _of_datasets(kept: Sequence[Kept]) -> Iterator[list[str]]:
    for one in kept:
        leads = {(pair["first"], pair["second"]): pair for pair in one.comparison["pairs"]}
        lead = leads.get((ATTENTION, STATES))
        if lead and one.comparison["task"] != "regression":
            accuracy = {
                name: about["test"]["accuracy"]["mean"]
                for name, about in one.metrics["models"].items()
            }
            texts = f"[{one.dataset}](docs/results.md#{one.dataset})"
            yield _row(texts, accuracy, lead)


def _of_study(texts: str, found: Sequence[Mapping[str, str]]) -> list[str]:
    (row,) = (one for one in found if one["model"] == ATTENTION)
    ends = {"difference": "difference", "low": "difference_low", "high": "difference_high"}
    lead = {end: float(row[key]) for end, key in ends.items()}
    return _row(texts, {one["model"]: float(one["accuracy"]) for one in found}, lead)


def _of_lengths(lengths: Document) -> Iterator[list[str]]:
    """The longest generated reviews, as they are and with the best remedy for both."""
    longest = lengths["changes"]["to"]
    texts = f"generated reviews of {longest.replace('-', '–')} words"
    texts = f"[{texts}](docs/results.md#length-study)"
    for lead in lengths["advantages"]:
        if (lead["against"], lead["position"], lead["length"]) == (STATES, "anywhere", longest):
            yield _row(texts, _means(lengths["learning"][longest]), lead)
    for remedy in lengths["remedies"][:1]:
        found = _means(lengths["learning"][remedy["length"]])
        name = remedy["model"].removeprefix(STATES)  # such as _chrono
        with_it = {STATES: found[remedy["model"]], ATTENTION: found[ATTENTION + name]}
        place = "docs/results.md#cant-learn-or-cant-remember"
        texts = f"the same, with the [best remedy]({place}), that of `{remedy['model']}`, for both"
        yield _row(texts, with_it, remedy["lead"])


def _means(learned: Mapping[str, Document]) -> dict[str, float]:
    """Model → mean accuracy of its runs."""
    return {model: fmean(found["accuracy"]) for model, found in learned.items()}


def _row(texts: str, accuracy: Mapping[str, float], lead: Document) -> list[str]:
    baselines = [accuracy[name] for name in (TFIDF, NAIVE_BAYES) if name in accuracy]
    networks = (accuracy.get(name) for name in (STATES, MAXIMUM, ATTENTION))
    reached = [*networks, max(baselines, default=None)]
    shown = ["–" if share is None else f"{100 * share:.1f}" for share in reached]
    return [texts, *shown, with_ends(lead, "difference", signed_points)]


def points(kept: Sequence[Kept], together: Mapping[str, str]) -> str:
    """Of each dataset whether attention helps, what to use, and what its weights are worth.

    Args:
        kept: every dataset's results.
        together: dataset → what its best network gains together with a baseline, if that is told.
    """
    said = [
        f"- **{one.dataset}**: {sentence}"
        for one in kept
        for sentence in _helps(one.comparison, together.get(one.dataset, ""))
    ]
    return "\n".join([*said, *(point for one in kept for point in _trust(one))])


def _helps(comparison: Document, together: str) -> list[str]:
    """Whether attention helps, on the last state too; and which model to use, and why."""
    attention = comparison.get("attention")
    if attention is None:
        return [f"{comparison['headline']}{together}"]
    told = [
        f"Does attention help? {attention['answer']}",
        attention["sentence"],
        *_against_last_state(comparison),
        *_with_length(comparison),
    ]
    use = f"Use {model_title(comparison['use'])}: {comparison['reason']}{together}"
    return [" ".join(told), use]


def _against_last_state(comparison: Document) -> list[str]:
    """How attention stands against the last state, where another network is its rival."""
    attention = comparison["attention"]
    if attention["rival"] == STATES:
        return []
    return [
        f"Against the last state: {pair['sentence']}"
        for pair in comparison["pairs"]
        if {pair["first"], pair["second"]} == {attention["model"], STATES}
    ]


def _with_length(comparison: Document) -> list[str]:
    """How attention's lead on the last state changes with the length, where the interval tells."""
    model = comparison["attention"]["model"]
    for pair in (comparison.get("by_length") or {}).get("differences", []):
        slope = pair.get("per_doubling")
        if slope and (pair["first"], pair["second"]) == (model, STATES):
            if slope["low"] <= 0 <= slope["high"]:
                return []
            grows = with_ends(slope, "difference", signed_points)
            told = f"With each doubling of the length, its difference from {STATES} changes by"
            return [f"{told} {grows} points."]
    return []


def _trust(one: Kept) -> list[str]:
    """What the trust cards say, a point for the models of the same verdicts."""
    alike: dict[tuple[str, str], list[str]] = {}
    cards = one.faithfulness.get("trust", {})
    for model, card in cards.items():
        if card["average"]:
            levels = card["average"]["level"], card["single"]["level"]
            alike.setdefault(levels, []).append(model)
    told = []
    for first, *others in alike.values():
        card = cards[first]
        named = ", ".join(f"`{name}`" for name in others)
        also = f" (the same verdicts for {named})" if others else ""
        told.append(
            f"- **Can the weights be trusted?** `{first}`, {one.dataset}{also}. As a pointer to "
            f"what matters on average: {card['average']['sentence']} As the reason for one "
            f"prediction: {card['single']['sentence']}"
        )
    return told
