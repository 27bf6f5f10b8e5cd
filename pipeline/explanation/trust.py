"""The trust card: how far a model's explanation can be trusted, figure by figure, in words."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from pipeline.explanation.estimates import Document
from pipeline.explanation.verdict import EVEN, LEVELS, PARTLY, SUPPORTED

NOT_REFUTED, REFUTED, UNTESTED = "not refuted", "no", "no: not tested"
NONE = "none is clearly better than random steps"


def trust_card(found: Document | None, compared: Document) -> Document:
    """One model's card.

    Args:
        found: the model in `faithfulness.json`'s `models`; None without attention.
        compared: the model in its `candidates`.

    Returns:
        `average`: the weights as a pointer to what matters on average, and `single`: as the reason
        for one prediction, each with `level` and `sentence`; None without attention. `best`: the
        title of the most faithful method, or that there is none. `figures`: each with its `name`,
        `value`, `meaning`, and `against`, what else scores, by name.
    """
    methods, best = compared["methods"], compared["best"]
    own = "attention" if found else best
    return {
        "average": None
        if found is None
        else {"level": found["level"], "sentence": _on_average(found["level"], methods)},
        "single": None if found is None else _single(found),
        "best": NONE if "random" in methods[best]["unbeaten"] else methods[best]["title"],
        "figures": [
            _measured(methods, own, "comprehensiveness", _COMPREHENSIVENESS),
            *([_measured(methods, own, "auprc", _AUPRC)] if "auprc" in methods[own] else []),
            *([_by_lime(compared["lime"])] if compared.get("lime") else []),
            *(_of_weights(found) if found else ()),
            *_randomized(methods, own),
        ],
    }


_OTHER_WEIGHTS = {"even": "equal weights", "other_seed": "another seed’s weights"}
_COMPREHENSIVENESS = (
    "How far the prediction moves, on average, when the highest 1 to 50 % of the steps are deleted."
)
_AUPRC = "How well the known evidence is ranked first; 1: all of it is."


def _measured(methods: Document, own: str, of: str, meaning: str) -> Document:
    """A measure of all candidates, as the own one's figure."""
    return _figure(
        f"{methods[own]['title']}: {'evidence, AUPRC' if of == 'auprc' else of}",
        methods[own][of]["mean"],
        meaning,
        {
            method["title"]: method[of]["mean"]
            for method in methods.values()
            if method["control"] and of in method
        },
    )


def _by_lime(found: Document) -> Document:
    """LIME's comprehensiveness, and that of the methods on the same rows."""
    of = {name: method["comprehensiveness"]["mean"] for name, method in found["methods"].items()}
    return _figure(
        f"LIME: comprehensiveness on {found['rows']} rows alone",
        of.pop("lime"),
        f"As above, on the few rows that LIME explains from {found['samples']:,} samples each; it "
        "decides nothing.",
        {found["methods"][name]["title"]: value for name, value in of.items()},
    )


def _of_weights(found: Document) -> list[Document]:
    """What other weights in the place of attention would do, and how alike the seeds' are."""
    figures, agreed = [], found["agreement"]
    if agreed and agreed["spearman"]:
        figures.append(
            _figure(
                "agreement between seeds, Spearman’s ρ",
                agreed["spearman"]["mean"],
                "How alike runs rank the same steps that differ in their seed alone.",
                {"weights in any order": 0.0},
            )
        )
    others = list(found["others"].values())
    if not others:
        return figures
    moved = {
        of: fmean(other[of]["mean"] for other in others)
        for of in ("permuted", "even", "other_seed", "most_different")
        if all(of in other for other in others)
    }
    figures.append(
        _figure(
            "change with permuted weights",
            moved["permuted"],
            "How far the prediction moves when the same weights stand in a random order; near 0, "
            "it doesn’t matter where they are.",
            {title: moved[of] for of, title in _OTHER_WEIGHTS.items() if of in moved},
        )
    )
    if all("conicity" in other for other in others):  # older results, which `docs` reads, have none
        figures.append(
            _figure(
                "conicity of the states",
                fmean(other["conicity"]["mean"] for other in others),
                "How alike a text’s states are, as a mean cosine; at 1, any weights would give the "
                "same prediction.",
                {},
            )
        )
    figures.append(
        _figure(
            f"most different weights, output within {others[0]['bound']:g}, bits",
            moved["most_different"],
            "How far from its own weights (Jensen–Shannon; 1: nothing in common) a text’s weights "
            "can be without a change of its prediction.",
            {"weights of two seeds": agreed["divergence"]["mean"]} if agreed else {},
        )
    )
    if others[0]["accuracy"]:
        shares = {
            name: fmean(other["accuracy"][name] for other in others)
            for name in others[0]["accuracy"]
        }
        figures.append(
            _figure(
                "accuracy on these rows",
                shares["own"],
                "With other weights frozen into the trained network, it gets as many right as "
                "stands beside it.",
                {title: shares[of] for of, title in _OTHER_WEIGHTS.items() if of in shares},
            )
        )
    if all("guided" in other for other in others):
        figures.append(
            _figure(
                "accuracy of words without context, guided by the weights",
                fmean(other["guided"]["own"] for other in others),
                "Each word counts alone, by its weight; more than with equal weights: they tell "
                "which words matter outside of the network, too.",
                {"equal weights": fmean(other["guided"]["even"] for other in others)},
            )
        )
    return figures


def _randomized(methods: Document, own: str) -> list[Document]:
    remaining = methods[own].get("randomized") or {}
    if not remaining:
        return []
    *_, last = remaining
    return [
        _figure(
            f"{methods[own]['title']}: rank correlation left after randomizing the network",
            remaining[last],
            "Near 0 if the order needs what was learned.",
            {
                f"{method['title']}": method["randomized"][last]
                for name, method in methods.items()
                if not method["control"] and name != own
            },
        )
    ]


def _figure(name: str, value: float, meaning: str, against: Mapping[str, float]) -> Document:
    return {"name": name, "value": value, "meaning": meaning, "against": dict(against)}


def _on_average(level: str, methods: Document) -> str:
    """The weights as a pointer to what matters on average, with what stands against them."""
    if level == SUPPORTED:
        return "Yes: the weights beat every control, another seed’s attention included."
    if level == EVEN:
        return "No: the weights are even."
    answer = "In part" if level == PARTLY else "No"
    if unbeaten := [methods[name]["title"] for name in methods["attention"]["unbeaten"]]:
        return f"{answer}: they are not clearly better than {' or '.join(unbeaten)}."
    if not methods["attention"]["learned"]:
        return f"{answer}: they need nothing that was learned."
    if level == PARTLY and "other_seed" not in methods:
        return f"{answer}: there is no other seed’s attention to compare them with."
    return f"{answer}: {'not every test' if level == PARTLY else 'no test'} came out clearly."


def _single(found: Document) -> Document:
    """The weights as the reason for one prediction.

    They are refuted if weights that differ from them by more than two seeds' do would have given
    the same prediction. That none would is no proof.
    """
    others, agreed = list(found["others"].values()), found["agreement"]
    if not others or not agreed:
        return {
            "level": UNTESTED,
            "sentence": "No: without a second seed, nothing says how far weights may differ.",
        }
    far = fmean(other["most_different"]["mean"] for other in others)
    near = agreed["divergence"]["mean"]
    figures = f"{far:.2f} bits away on average, where two seeds are {near:.2f} apart"
    if far > near or found["level"] != SUPPORTED:
        said = (
            f"No: quite other weights ({figures}) would have given the same prediction."
            if far > near
            else "No: for that, they would have to be supported on average."
        )
        return {"level": REFUTED, "sentence": said}
    return {
        "level": NOT_REFUTED,
        "sentence": f"Not refuted: weights that give the same prediction are much like them "
        f"({figures}). That is no proof.",
    }


def lines(card: Mapping[str, Any]) -> list[str]:
    """The card as plain lines: the verdicts, then each figure."""
    return [*verdicts(card), *map(_line, card["figures"])]


def verdicts(card: Mapping[str, Any]) -> list[str]:
    """The verdicts, a sentence each."""
    said = [f"Most faithful method for this model: {card['best']}."]
    if card["average"]:
        said = [
            f"As a pointer to what matters on average: {card['average']['sentence']}",
            f"As the reason for one prediction: {card['single']['sentence']}",
            *said,
        ]
    return said


def _line(figure: Mapping[str, Any]) -> str:
    value, against = two_decimals(figure["value"]), _against(figure)
    return f"{figure['name']}: {value}{f' ({against})' if against else ''}. {figure['meaning']}"


def _against(figure: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {two_decimals(value)}" for name, value in figure["against"].items())


def two_decimals(value: float) -> str:
    """Two decimals, with a real minus sign, and none before a zero."""
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")


def metrics(cards: Mapping[str, Document]) -> dict[str, float]:
    """The cards' main figures by their names in MLflow: the level (0 to 2), and two measures."""
    found: dict[str, float] = {}
    for model, card in cards.items():
        if card["average"]:
            level = card["average"]["level"]
            found[f"trust_level/{model}"] = float(LEVELS.index(level)) if level in LEVELS else 0.0
        for figure in card["figures"]:
            of = figure["name"].rpartition(": ")[2]
            if of == "comprehensiveness":
                found[f"trust_{of}/{model}"] = figure["value"]
            elif of == "change with permuted weights":
                found[f"trust_permuted/{model}"] = figure["value"]
    return found


def cards(document: Mapping[str, Any]) -> dict[str, Document]:
    """Each model's card in `faithfulness.json`; earlier ones have none."""
    return dict(document.get("trust", {}))


def markdown(cards: Mapping[str, Document]) -> str:
    """All cards as one Markdown page."""
    return "\n".join(
        line
        for model, card in cards.items()
        for line in (
            f"# Can the weights of {model} be trusted?"
            if card["average"]
            else f"# What points best in {model}?",
            "",
            *(f"- {said}" for said in verdicts(card)),
            "",
            *_table(card),
            "",
        )
    )


def _table(card: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {figure['name']} | {two_decimals(figure['value'])} | {_against(figure) or '–'} | "
        f"{figure['meaning']} |"
        for figure in card["figures"]
    ]
    return ["| figure | value | beside it | what it means |", "|---|---|---|---|", *rows]
