"""Results as Markdown tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pipeline.documentation.kept import Kept
from pipeline.evaluation.pairwise import BETTER, EQUAL, WORSE
from pipeline.evaluation.wording import (
    METRIC_TITLES,
    metric_and_sd,
    signed_difference,
    table_rows,
)
from pipeline.explanation.names import LIME, METHODS
from pipeline.explanation.trust import two_decimals

Document = Mapping[str, Any]

STATES = "bilstm"  # whose last state the others are compared with


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# ── one dataset ──────────────────────────────────────────────────────────────────────────


def models(metrics: Document, comparison: Document) -> str:
    """Every model's metrics on test, mean ± standard deviation over its seeds; its ensemble's."""
    described = metrics["models"]
    fixed = {name for name, one in comparison["models"].items() if one["deterministic"]}
    names = list(next(iter(described.values()))["test"])
    return markdown(
        ["model", "seeds", "parameters", *(METRIC_TITLES.get(name, name) for name in names)],
        [
            [
                f"`{model}`",
                "–" if model in fixed else str(about["seeds"]),
                f"{about['parameters']:,}",
                *(metric_and_sd(about["test"][name], name) for name in names),
            ]
            for model, about in table_rows(described)
        ],
    )


def pairs(comparison: Document) -> str:
    """Every pair's difference on test with its interval and verdict."""
    regression = comparison["task"] == "regression"
    confidence = f"{100 * comparison['method']['confidence']:g} % interval"
    table = markdown(
        [
            "compared",
            "difference in MSE" if regression else "difference, points of accuracy",
            confidence,
            "p (Holm)",
            "verdict",
        ],
        [
            [
                f"`{pair['first']}` against `{pair['second']}`",
                signed_difference(pair["difference"], regression=regression),
                _interval(pair, regression=regression),
                _p_value(pair["p_value_holm"]),
                pair["verdict"],
            ]
            for pair in comparison["pairs"]
        ],
    )
    power = "\n".join(
        f"- `{pair['first']}` and `{pair['second']}`: {pair['power']}"
        for pair in comparison["pairs"]
        if pair.get("power")
    )
    if not power:
        return table
    return f"{table}\n\n{_folded('What these rows and seeds could have told apart', power)}"


def by_length(comparison: Document) -> str:
    """Every model's accuracy in each bin of lengths, and what that says; empty without bins."""
    found = comparison.get("by_length")
    if found is None:
        return ""
    ends = [f"{part['low']:,}–{part['high']:,}" for part in found["bins"]]
    table = markdown(
        ["model", *ends],
        [
            ["rows", *(f"{part['rows']:,}" for part in found["bins"])],
            *(
                [f"`{model}`", *(f"{100 * point['accuracy']:.1f}" for point in points)]
                for model, points in found["models"].items()
            ),
        ],
    )
    # Results from before this was measured have no sentences.
    return "\n\n".join([table, *map(_quoted, found.get("sentences", []))])


def mcnemar(comparison: Document) -> str:
    """McNemar's tests of each pair, over the seeds: the range of what they found.

    Empty for a regression.
    """
    rows = []
    for pair in comparison["pairs"]:
        if tests := pair["mcnemar"]:
            found = [
                sorted(test[key] for test in tests)
                for key in ("only_first_right", "only_second_right", "p_value_holm")
            ]
            rows.append(
                [
                    f"`{pair['first']}` against `{pair['second']}`",
                    *(_from_to(counts, "{:,}".format) for counts in found[:2]),
                    _from_to(found[2], _p_value),
                ]
            )
    titles = ["compared", "only the first right", "only the second right", "p (Holm)"]
    return markdown(titles, rows) if rows else ""


def _from_to(values: Sequence[Any], shown: Callable[[Any], str]) -> str:
    """Sorted values as "7" or "7–1,200"."""
    return "–".join(dict.fromkeys([shown(values[0]), shown(values[-1])]))


# ── all datasets ─────────────────────────────────────────────────────────────────────────


def overview(kept: Sequence[Kept]) -> str:
    """Every network beside the best baseline, a line for each dataset, and what the marks mean."""
    networks = list(
        dict.fromkeys(
            name
            for one in kept
            for name, about in one.comparison["models"].items()
            if not about["deterministic"]
        )
    )
    rows = []
    for one in kept:
        metric = one.comparison["metric"]
        marks = {
            pair["first"]: _MARKS.get(pair["verdict"], "")
            for pair in one.comparison["pairs"]
            if pair["second"] == STATES
        }
        measured = one.metrics["models"]
        rows.append(
            [
                f"[{one.dataset}](#{one.dataset})",
                str(METRIC_TITLES.get(metric, metric)),
                _baseline(one),
                *(
                    f"{metric_and_sd(measured[name]['test'][metric], metric)}{marks.get(name, '')}"
                    if name in measured
                    else "–"
                    for name in networks
                ),
            ]
        )
    titles = ["dataset", "on test", "best baseline", *(f"`{name}`" for name in networks)]
    legend = ", ".join(f"{mark.strip()} {verdict}" for verdict, mark in _MARKS.items())
    told = (
        f"Against `{STATES}`, the last state: {legend}; no mark: not told apart, or too few seeds."
    )
    return f"{markdown(titles, rows)}\n\n{told}"


_MARKS = {BETTER: " ▲", WORSE: " ▼", EQUAL: " ≈"}


def datasets(kept: Sequence[Kept]) -> str:
    """Every dataset's section: where it comes from, its models, its pairs."""
    return "\n\n".join(_section(one) for one in kept)


def explanations(kept: Sequence[Kept]) -> str:
    """How far every model's weights can be trusted, a line for each."""
    rows = []
    for one in kept:
        for model, about in one.faithfulness["models"].items():
            seeds = list(about["seeds"].values())
            deletions = [
                seed["deletion"]["comprehensiveness"] for seed in seeds if seed["deletion"]
            ]
            evidence = [seed["evidence"] for seed in seeds if seed["evidence"]]
            agreed = (about["agreement"] or {}).get("spearman")
            rows.append(
                [
                    one.dataset,
                    f"`{model}`",
                    _mean(deletions, "attention"),
                    _mean(deletions, "random"),
                    f"{_mean(evidence, 'mass', percent=True)} "
                    f"({_mean(evidence, 'expected', percent=True)})"
                    if evidence
                    else "–",
                    f"{agreed['mean']:.2f}" if agreed else "–",
                    _unbeaten(one.faithfulness.get("candidates", {}).get(model)),
                    about["level"],
                ]
            )
    return markdown(
        [
            "dataset",
            "model",
            "change when the heaviest tokens are deleted",
            "when as many random ones are",
            "weight on the known evidence (an even share)",
            "agreement between seeds, Spearman's ρ",
            "not better than these controls",
            "verdict",
        ],
        rows,
    )


def candidates(kept: Sequence[Kept], model: str = "bilstm_attention") -> str:
    """Each method's and control's scores for one model, a line for each."""
    rows = []
    for one in kept:
        methods = one.faithfulness.get("candidates", {}).get(model, {}).get("methods", {})
        for name, method in methods.items():
            scores = map(method.get, ("comprehensiveness", "sufficiency", "auprc"))
            rows.append(
                [
                    one.dataset,
                    method["title"],
                    *(with_ends(score, "mean", two_decimals) for score in scores),
                    "a control" if method["control"] else _not_beaten_by(methods, name),
                ]
            )
    return markdown(
        [
            "dataset",
            "explanation",
            "comprehensiveness ↑",
            "sufficiency ↓",
            "evidence, AUPRC ↑",
            "not better than these controls",
        ],
        rows,
    )


def orders(kept: Sequence[Kept]) -> str:
    """Kendall's τ between the methods of each model, a line for each."""
    pairs = [
        ("attention", "gradient_input"),
        ("attention", "leave_one_out"),
        ("gradient_input", "leave_one_out"),
    ]
    rows = []
    for one in kept:
        for model, found in one.faithfulness.get("candidates", {}).items():
            taus = {tuple(each["methods"]): f"{each['tau']:.2f}" for each in found["orders"]}
            rows.append([one.dataset, f"`{model}`", *(taus.get(pair, "–") for pair in pairs)])
    titles = [", ".join(METHODS[name] for name in pair) for pair in pairs]
    return markdown(["dataset", "model", *titles], rows)


def lime(kept: Sequence[Kept]) -> str:
    """LIME's comprehensiveness and that of the methods on its rows, a line for each model."""
    rows = []
    for one in kept:
        for model, found in one.faithfulness.get("candidates", {}).items():
            if beside := found.get("lime"):  # results from before LIME have none
                means = {
                    name: f"{method['comprehensiveness']['mean']:.2f}"
                    for name, method in beside["methods"].items()
                }
                rows.append(
                    [
                        one.dataset,
                        f"`{model}`",
                        str(beside["rows"]),
                        *(means.get(name, "–") for name in ("lime", *METHODS)),
                    ]
                )
    return markdown(["dataset", "model", "rows", LIME, *METHODS.values()], rows)


def with_ends(found: Document | None, middle: str, write: Callable[[float], str]) -> str:
    """A figure with the ends of its interval."""
    if not found:
        return "–"
    values = [write(found[key]) for key in (middle, "low", "high")]
    return "{} ({} to {})".format(*values)


def _unbeaten(candidates: Document | None) -> str:
    """The controls that attention doesn't beat; a dash for results that are older than these."""
    return _not_beaten_by(candidates["methods"], "attention") if candidates else "–"


def _not_beaten_by(methods: Mapping[str, Document], name: str) -> str:
    """The controls that a method doesn't beat."""
    return ", ".join(methods[control]["title"] for control in methods[name]["unbeaten"]) or "none"


def _section(one: Kept) -> str:
    rows, method = one.comparison["rows"], one.comparison["method"]
    parts = [
        f"### {one.dataset}",
        one.provenance,
        f"Mean ± standard deviation over the seeds, on {rows['test']:,} test rows:",
        models(one.metrics, one.comparison),
        _quoted(one.comparison["headline"]),
        f"From {method['resamples']:,} bootstrap samples over test rows, Student's t over seeds:",
        pairs(one.comparison),
    ]
    if lengths := by_length(one.comparison):
        parts += ["Accuracy on test, %, by length in tokens before truncation:", lengths]
    if tests := mcnemar(one.comparison):
        parts.append(_folded("McNemar's exact test, run against run, over all seeds", tests))
    return "\n\n".join(parts)


def _baseline(one: Kept) -> str:
    """The deterministic model with the best score on test."""
    comparison = one.comparison
    metric = comparison["metric"]
    values = {
        name: one.metrics["models"][name]["test"][metric]
        for name, about in comparison["models"].items()
        if about["deterministic"]
    }
    if not values:
        return "–"
    best = (max if comparison["higher_is_better"] else min)(
        values, key=lambda name: values[name]["mean"]
    )
    return f"{metric_and_sd(values[best], metric)} (`{best}`)"


# ── cells ────────────────────────────────────────────────────────────────────────────────


def _interval(pair: Document, *, regression: bool) -> str:
    low, high = (signed_difference(pair[end], regression=regression) for end in ("low", "high"))
    return f"{low} to {high}"


def _p_value(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def _mean(found: Sequence[Document], key: str, *, percent: bool = False) -> str:
    if not found:
        return "–"
    mean = sum(one[key]["mean"] for one in found) / len(found)
    return f"{100 * mean:.0f} %" if percent else f"{mean:.2f}"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def _quoted(sentence: str) -> str:
    return f"> {sentence}"
