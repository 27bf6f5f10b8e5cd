"""The stages' results → the report. It holds no time, path or revision: its bytes are stable."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.evaluation.headline import model_title
from pipeline.evaluation.wording import (
    METRIC_TITLES,
    metric_and_sd,
    real_minus,
    signed_difference,
    table_rows,
)
from pipeline.explanation.names import DETAILS
from pipeline.explanation.page import environment
from pipeline.explanation.samples import disputed
from pipeline.explanation.trust import two_decimals
from pipeline.explanation.verdict import EVEN, PARTLY, SUPPORTED, UNSUPPORTED
from pipeline.report import charts
from pipeline.report.charts import Chart, Line

Document = Mapping[str, Any]
Curves = Mapping[str, Sequence[tuple[float, float]]]

WORDS = 15  # of a class, in each list
_PAIRS_AT_ONCE = 6
_TRUST = {
    SUPPORTED: "Yes, on average: supported by every test.",
    PARTLY: "In part: partly supported by the tests.",
    UNSUPPORTED: "No: not supported by any test.",
    EVEN: "No: they are even, and say nothing.",
}


class Run(NamedTuple):
    """One run: its `model.json`, and its `history.csv` as one mapping per epoch."""

    card: Document
    history: Sequence[Mapping[str, float]]


class Dispute(NamedTuple):
    """A test row on which two models disagree: the comparison's entry, and what to show of it.

    Attributes:
        shown: the samples to draw, with the name of the model whose attention each has; a
            single one without a name where neither model has weights.
    """

    first: str
    second: str
    entry: Document
    shown: Sequence[tuple[str | None, Document]]

    @property
    def versus(self) -> tuple[str, str]:
        return self.first, self.second

    @property
    def attended(self) -> bool:
        return self.shown[0][0] is not None

    @property
    def evidence(self) -> bool:
        return bool(self.shown[0][1].get("evidence"))


def build_report(
    *,
    comparison: Document,
    card: Document,
    encoding: Document,
    runs: Sequence[Run],
    samples: Sequence[Document] = (),
    roc: Curves | None = None,
    precision_recall: Curves | None = None,
    faithfulness: Document | None = None,
    words: Mapping[str, Sequence[Document]] | None = None,
) -> str:
    """The report as one HTML file that needs nothing else.

    Args:
        comparison: `comparison.json`.
        card: the data's `card.json`.
        encoding: `encoding.json`.
        runs: every run.
        samples: every run's `samples.json`, with the rows that `samples.disputed` names.
        roc: for each model its points (false positive rate, true positive rate).
        precision_recall: for each model its points (recall, precision).
        faithfulness: `faithfulness.json`; earlier ones lack `candidates`.
        words: the baseline's `words.json`, if it reads words.
    """
    style = {name: number % charts.STYLES for number, name in enumerate(comparison["models"])}
    templates = environment(__package__ or "")
    templates.filters.update(
        zip=zip,
        title=model_title,
        signed=partial(signed_difference, regression=comparison["task"] == "regression"),
        spread=metric_and_sd,
        table_rows=table_rows,
        fixed=_fixed,
        two_decimals=two_decimals,
        p=_p_value,
        p_statement=_p_statement,
        unbroken=_unbroken,
    )
    templates.globals.update(
        charts=charts,
        number=charts.number,
        detail_titles=_detail_titles,
        randomized_levels=_randomized_levels,
    )
    candidates = (faithfulness or {}).get("candidates", {})
    return templates.get_template("report.html").render(
        comparison=comparison,
        card=card,
        encoding=encoding,
        runs=runs,
        faithfulness=faithfulness,
        words=words,
        style=style,
        metric_names=METRIC_TITLES,
        word_count=WORDS,
        attention_pair=_attention_pair(comparison),
        pair_tables=_pair_tables(comparison),
        scale=_scale(comparison["pairs"]),
        curve_style={
            name: number
            for name, number in style.items()
            if roc or any(run.card["model"] == name for run in runs)
        },
        curves=[
            *_learning(runs, style),
            *_roc(roc, style),
            *_precision_recall(precision_recall, style),
        ],
        by_length=_by_bin(comparison, "by_length", style),
        by_position=_by_bin(comparison, "by_position", style),
        reliability=_reliability(comparison, style),
        deletion=_deletion(faithfulness, style),
        attention_style=_attention_style(faithfulness, style),
        knows_evidence=_top_of_evidence(faithfulness),
        candidates=candidates,
        ranked_evidence=any(
            "auprc" in method
            for found in candidates.values()
            for method in found["methods"].values()
        ),
        attended=_attended_words(faithfulness),
        trust=_TRUST,
        recipes={run.card["model"]: run.card["recipe"] for run in runs},
        disputes=_disputes(comparison, samples),
    )


# ── the verdict ──────────────────────────────────────────────────────────────────────────


def _attention_pair(comparison: Document) -> Document | None:
    """The pair of models that tells whether attention helps; None if there is none."""
    found = comparison["attention"]
    names = {found["model"], found["rival"]} if found else set()
    pairs = (pair for pair in comparison["pairs"] if {pair["first"], pair["second"]} == names)
    return next(pairs, None)


def _pair_tables(comparison: Document) -> list[tuple[str, Sequence[Document]]]:
    """The pairs to show, and if there are many, those to fold away: (title, pairs)."""
    pairs, champion = comparison["pairs"], comparison["champion"]["model"]
    if len(pairs) <= _PAIRS_AT_ONCE:
        return [("", pairs)] if pairs else []
    with_champion = [pair for pair in pairs if champion in (pair["first"], pair["second"])]
    others = [pair for pair in pairs if pair not in with_champion]
    return [("", with_champion), (f"The {len(others)} pairs without {champion}", others)]


# ── numbers ──────────────────────────────────────────────────────────────────────────────


def _fixed(value: float, factor: float = 1.0) -> str:
    """Three decimals, or, times 100, one, with a real minus sign."""
    return real_minus(f"{factor * value:.{1 if factor == 100 else 3}f}")


def _p_value(value: float) -> str:
    return "<\N{NO-BREAK SPACE}0.001" if value < 0.001 else f"{value:.3f}"


def _p_statement(value: float) -> str:
    """As in "p = 0.012" or "p < 0.001"."""
    relation = "" if value < 0.001 else "= "
    return f"p {relation}{_p_value(value)}".replace(" ", "\N{NO-BREAK SPACE}")


def _unbroken(sentence: str) -> str:
    """A number and its percent sign, or what it equals, stay on one line."""
    for sign in (" %", " = "):
        sentence = sentence.replace(sign, sign.replace(" ", "\N{NO-BREAK SPACE}"))
    return sentence


def _scale(pairs: Sequence[Document]) -> Callable[[float], float]:
    """Differences → pixels of the small interval drawings, 200 wide, with 0 in the middle."""
    bounds = [abs(pair[key]) for pair in pairs for key in ("low", "high", "difference")
              if pair[key] is not None]  # fmt: skip
    widest = max([*bounds, 1e-9])
    return lambda value: round(100 + 94 * value / widest, 1)


# ── the charts ───────────────────────────────────────────────────────────────────────────


def _learning(runs: Sequence[Run], style: Mapping[str, int]) -> list[Chart]:
    """Loss and metric per epoch on validation, one line per run."""
    titles = {
        "val_accuracy": ("Validation accuracy", "accuracy, %", 100),
        "val_mae": ("Validation error", "MAE", 1),
        "val_loss": ("Validation loss", "loss", 1),
    }
    drawn = []
    for column, (title, y_title, factor) in titles.items():
        lines = [
            Line(
                f"{run.card['model']}, seed {run.card['seed']}",
                [
                    (epoch["epoch"], factor * epoch[column])
                    for epoch in run.history
                    if math.isfinite(epoch[column])
                ],
                style[run.card["model"]],
                markers=True,
                faint=True,
            )
            for run in runs
            if run.history and column in run.history[0]
        ]
        if lines:
            drawn.append(charts.chart(title, "epoch", y_title, lines, whole_x=True))
    return drawn


def _roc(curves: Curves | None, style: Mapping[str, int]) -> list[Chart]:
    """Each model's curve; on the diagonal are guesses."""
    titles = ("ROC on test", "false positive rate", "true positive rate")
    lines = _curves(curves, style)
    return [charts.chart(*titles, lines, square=True, diagonal=True, table=False)] if lines else []


def _precision_recall(curves: Curves | None, style: Mapping[str, int]) -> list[Chart]:
    titles = ("Precision and recall on test", "recall", "precision")
    lines = _curves(curves, style)
    return [charts.chart(*titles, lines, square=True, table=False)] if lines else []


def _curves(curves: Curves | None, style: Mapping[str, int]) -> list[Line]:
    return [Line(name, points, style[name]) for name, points in (curves or {}).items()]


def _by_bin(comparison: Document, what: str, style: Mapping[str, int]) -> list[Chart]:
    """Each model's accuracy in each bin, and the champion's lead over the others."""
    found = comparison[what]
    if found is None:
        return []
    if what == "by_length":
        title, x_title = "by length", "length in tokens"
        names = [f"{part['low']}–{part['high']}" for part in found["bins"]]
    else:
        title, x_title = "by position of the evidence", "where in the text, %"
        names = [f"{100 * part['low']:.0f}–{100 * part['high']:.0f}" for part in found["bins"]]
    accuracy = [
        _interval_line(name, points, "accuracy", style[name])
        for name, points in found["models"].items()
    ]
    champion = comparison["champion"]["model"]
    lead = []
    for pair in found["differences"]:
        if champion in (pair["first"], pair["second"]):
            other = pair["second"] if pair["first"] == champion else pair["first"]
            sign = 1 if pair["first"] == champion else -1
            points = [_turned(part, sign) for part in pair["bins"]]
            lead.append(_interval_line(other, points, "difference", style[other]))
    drawn = [
        charts.chart(
            f"Accuracy {title}", x_title, "test accuracy, %", accuracy,
            categories=names,
        )
    ]  # fmt: skip
    if lead:
        drawn.append(
            charts.chart(
                f"Lead of {champion} {title}", x_title, "points of accuracy over the other", lead,
            categories=names, include_zero=True,
            )
        )  # fmt: skip
    return drawn


def _turned(difference: Document, sign: int) -> Document:
    """A difference and its interval, or, where `sign` is -1, the other way round."""
    low, high = sorted([sign * difference["low"], sign * difference["high"]])
    return {"difference": sign * difference["difference"], "low": low, "high": high}


def _interval_line(name: str, points: Sequence[Document], value: str, style: int) -> Line:
    """A share in each bin, in percent, with its interval."""
    return Line(
        name,
        [(float(number), 100 * point[value]) for number, point in enumerate(points)],
        style,
        intervals=[(100 * point["low"], 100 * point["high"]) for point in points],
        markers=True,
    )


def _reliability(comparison: Document, style: Mapping[str, int]) -> list[Chart]:
    """How often predictions are right by their confidence, before and after temperature scaling."""
    if comparison["calibration"] is None:
        return []
    seen = [
        (part["confidence"], part["accuracy"])
        for found in comparison["calibration"].values()
        for state in ("before", "after")
        for part in found["reliability"][state]
    ]
    return [
        charts.chart(
            f"{state.capitalize()} temperature scaling",
            "confidence",
            "share of correct predictions",
            [
                Line(
                    name,
                    [
                        (part["confidence"], part["accuracy"])
                        for part in found["reliability"][state]
                    ],
                    style[name],
                    markers=True,
                )
                for name, found in comparison["calibration"].items()
            ],
            square=True,
            diagonal=True,
            corner=min(map(min, seen)),
            table=False,
        )
        for state in ("before", "after")
    ]


def _deletion(faithfulness: Document | None, style: Mapping[str, int]) -> list[Chart]:
    """How much the prediction changes as more steps are removed, or kept by themselves.

    Random steps have the same style for every model.
    """
    runs = {
        model: [run["deletion"] for run in found["seeds"].values() if run["deletion"]]
        for model, found in (faithfulness["models"] if faithfulness else {}).items()
    }
    runs = {model: deletions for model, deletions in runs.items() if deletions}
    if not runs:
        return []
    titles = {
        "comprehensiveness": ("Without the heaviest steps", "steps removed, %"),
        "sufficiency": ("With only the heaviest steps", "steps kept, %"),
    }
    drawn = []
    for measure, (title, x_title) in titles.items():
        lines, shares = [], []
        for model, deletions in runs.items():
            shares = [f"{100 * share:g}" for share in deletions[0]["shares"]]
            for of in ("attention", "random"):
                means = np.mean([found[measure]["by_share"][of] for found in deletions], axis=0)
                points = list(enumerate(means.tolist()))
                name = f"{model}: {'heaviest' if of == 'attention' else 'random'}"
                number = style[model] if of == "attention" else charts.BESIDE
                lines.append(Line(name, points, number, markers=True))
        drawn.append(
            charts.chart(
                title, x_title, "change of the prediction", lines,
            categories=shares, include_zero=True,
            )
        )  # fmt: skip
    return drawn


def _attention_style(faithfulness: Document | None, style: Mapping[str, int]) -> dict[str, int]:
    models = faithfulness["models"] if faithfulness else ()
    return {**{name: style[name] for name in models}, "as many random steps": charts.BESIDE}


def _top_of_evidence(faithfulness: Document | None) -> int | None:
    """How many heaviest tokens were looked up in the evidence; None if it isn't known."""
    for model in (faithfulness["models"] if faithfulness else {}).values():
        for run in model["seeds"].values():
            if run["evidence"]:
                return int(run["evidence"]["top"])
    return None


def _detail_titles(compared: Document) -> dict[str, str]:
    """The further measures that some candidate has, with their titles."""
    methods = compared["methods"].values()
    return {
        of: title
        for of, title in DETAILS.items()
        if any(of in method.get("details", ()) for method in methods)
    }


def _randomized_levels(compared: Document) -> list[str]:
    """Which parts of the network got fresh weights."""
    methods = compared["methods"].values()
    return list(next((one["randomized"] for one in methods if one.get("randomized")), ()))


def _attended_words(faithfulness: Document | None) -> dict[str, Document]:
    """For each model with attention over words, its most attended ones by class."""
    models = faithfulness["models"] if faithfulness else {}
    return {name: found["words"] for name, found in models.items() if found["words"]}


# ── disagreements ────────────────────────────────────────────────────────────────────────


def _disputes(comparison: Document, samples: Sequence[Document]) -> list[Dispute]:
    """The disputed rows that were sampled, with the attention of each model's first run."""
    by_model: dict[str, dict[int, Document]] = {}
    weighted = set()
    for document in samples:
        if document["model"] not in by_model:
            by_model[document["model"]] = {
                sample["row"]: {
                    **sample,
                    "features": document.get("features"),
                    "features_in_all": document.get("features_in_all"),
                }
                for sample in document["samples"]
            }
            if document["has_weights"]:
                weighted.add(document["model"])
    found = []
    for first, second, entry in disputed(comparison):
        row = entry["row"]
        shown: list[tuple[str | None, Document]] = [
            (model, by_model[model][row])
            for model in (first, second)
            if model in weighted and row in by_model[model]
        ]
        plain = [(None, rows[row]) for rows in by_model.values() if row in rows][:1]
        if shown or plain:
            found.append(Dispute(first, second, entry, shown or plain))
    return found
