"""The plots as PNG, drawn from `evaluation.tables`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.core.texts import shortened
from pipeline.evaluation import fonts
from pipeline.evaluation.figure_style import (
    INK,
    LINE,
    SOFT,
    ModelStyles,
    percent,
    png,
    titled_panels,
)
from pipeline.evaluation.metrics import summarize
from pipeline.evaluation.results import ModelResult

_FEWEST = 10  # rows; the accuracy of a smaller bin is mostly chance
_MOST_CLASSES = 8  # with more, a confusion matrix has no room for numbers
_SHORT_NAME = 10  # letters of a class's name that fit below a cell


def plot_images(
    tables: Mapping[str, pd.DataFrame], comparison: Mapping[str, Any]
) -> dict[str, bytes]:
    """A PNG for each table, by the table's name.

    Args:
        tables: what `tables.plot_tables` returned.
        comparison: what `comparison_document` returned, for the numbers in legends.
    """
    draw: dict[str, Callable[[pd.DataFrame, Mapping[str, Any]], Figure]] = {
        "learning_curves": _learning_curves,
        "differences": _differences,
        "roc": _roc,
        "precision_recall": _precision_recall,
        "confusion": _confusion,
        "reliability": _reliability,
        "accuracy_by_length": _by_length,
        "accuracy_by_position": _by_position,
        "predicted": _predicted,
        "errors": _errors,
    }
    return {name: png(partial(draw[name], table, comparison)) for name, table in tables.items()}


def run_images(
    tables: Mapping[str, pd.DataFrame], run: ModelResult, comparison: Mapping[str, Any]
) -> dict[str, bytes]:
    """A PNG for each table of a single run, in its model's style.

    Args:
        tables: what `tables.run_tables` returned.
        run: the model with that run only.
        comparison: what `comparison_document` returned for all models.
    """
    # The others stay, so that styles match, but without seeds, so that no plot counts them.
    models = {name: {**model, "seeds": []} for name, model in comparison["models"].items()}
    models[run.name] |= {"seeds": run.seeds, "test": summarize(run.test, comparison["task"])}
    return plot_images(tables, {**comparison, "models": models})


# ── what all plots share ─────────────────────────────────────────────────────────────────


def _by_model(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(model), part) for model, part in table.groupby("model", sort=False)]


def _seeds(comparison: Mapping[str, Any]) -> str:
    counts = sorted({len(model["seeds"]) for model in comparison["models"].values()} - {0})
    if counts in ([], [1]):
        return "one fit"
    return f"mean of {' or '.join(map(str, counts))} seeds"


def short_class_names(classes: Sequence[str]) -> list[str]:
    """The classes' names, short enough for a plot.

    A class has its number where no font has a letter of its name, or short names are alike.
    """
    short = [shortened(name) for name in classes]
    counts = Counter(short)
    return [
        name if counts[name] == 1 and not fonts.missing(name) else f"class {number}"
        for number, name in enumerate(short)
    ]


# ── the plots ────────────────────────────────────────────────────────────────────────────


def _learning_curves(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    score = "val_mae" if "val_mae" in table else "val_accuracy"
    shown = {
        "loss": "training loss",
        "val_loss": "validation loss",
        score: "validation error (MAE)" if score == "val_mae" else "validation accuracy",
    }
    figure, panels = titled_panels(
        "Learning curves",
        f"{_seeds(comparison)} at each epoch that any of them reached; band: lowest to highest",
        panels=3,
        size=(3.5, 3.2),
    )
    styles = ModelStyles(comparison["models"])
    for axes, (column, name) in zip(panels, shown.items(), strict=True):
        for model, part in _by_model(table):
            by_epoch = part.groupby("epoch")[column].agg(["mean", "min", "max"])
            axes.plot(by_epoch.index, by_epoch["mean"], label=model, **styles.marked(model))
            _band(
                axes, by_epoch.index, by_epoch["min"], by_epoch["max"], styles.line(model)["color"]
            )
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    panels[-1].legend()
    return figure


def _band(axes: Axes, x: Any, low: Any, high: Any, color: str) -> None:
    axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def _differences(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    """One line per pair, with the interval as a bar."""
    regression = comparison["task"] == "regression"
    scale = 1 if regression else 100
    confidence = 100 * comparison["method"]["confidence"]
    figure, [axes] = titled_panels(
        f"Differences in test {'MSE (lower is better)' if regression else 'accuracy'}",
        f"{confidence:g} % interval over test rows and seeds; the verdict takes the number of "
        "pairs into account",
        size=(8.2, 0.9 + 0.42 * len(table)),
    )
    places = np.arange(len(table))[::-1]
    values = table[["difference", "low", "high"]].to_numpy() * scale
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.hlines(places, values[:, 1], values[:, 2], color=INK, linewidth=2)
    axes.plot(values[:, 0], places, "o", color=INK)
    names = table["first"] + " − " + table["second"]
    axes.set_yticks(places, names, color=INK)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("difference in MSE" if regression else "percentage points")
    verdicts = axes.secondary_yaxis("right")
    verdicts.set_yticks(places, table["verdict"])
    verdicts.tick_params(length=0)
    verdicts.spines["right"].set_visible(False)
    return figure


def _roc(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    return _curve(
        table,
        comparison,
        title="ROC on test",
        x=("fpr", "false positive rate"),
        y=("tpr", "true positive rate"),
        area="roc_auc",
    )


def _precision_recall(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    return _curve(
        table,
        comparison,
        title="Precision and recall on test",
        x=("recall", "recall"),
        y=("precision", "precision"),
    )


def _curve(
    table: pd.DataFrame,
    comparison: Mapping[str, Any],
    *,
    title: str,
    x: tuple[str, str],
    y: tuple[str, str],
    area: str | None = None,
) -> Figure:
    what = (
        f"of the class '{short_class_names(comparison['classes'])[1]}'"
        if comparison["task"] == "binary"
        else "mean of each class against the rest"
    )
    figure, [axes] = titled_panels(
        title, f"{what}; {_seeds(comparison)}, band: lowest to highest", size=(5.2, 4.4)
    )
    styles = ModelStyles(comparison["models"])
    for model, part in _by_model(table):
        measured = comparison["models"][model]["test"].get(area)
        label = model if measured is None else f"{model} (area {measured['mean']:.3f})"
        axes.plot(part[x[0]], part[y[0]], label=label, **styles.line(model))
        _band(axes, part[x[0]], part["low"], part["high"], styles.line(model)["color"])
    if area:
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1, zorder=0)
    axes.set(xlabel=x[1], ylabel=y[1], xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right" if area else "lower left")
    return figure


def _confusion(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    classes = short_class_names(comparison["classes"])
    count = len(classes)
    parts = _by_model(table)
    width, height = (2.9, 3.2) if count <= _MOST_CLASSES // 2 else (4.2, 4.6)
    longest = max(map(len, classes))
    room = max(0, longest - _SHORT_NAME) * 0.075  # inches; a letter's width
    figure, panels = titled_panels(
        "Which classes are taken for which, on test",
        f"share of each actual class, and rows; {_seeds(comparison)}",
        panels=len(parts),
        size=(width + room, height + room),
    )
    for axes, (model, part) in zip(panels, parts, strict=True):
        share = part["share"].to_numpy().reshape(count, count)
        rows = part["rows"].to_numpy().reshape(count, count)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axes.grid(visible=False)
        if count <= _MOST_CLASSES:
            for actual, predicted in np.ndindex(count, count):
                part_of_class = share[actual, predicted]
                axes.text(
                    predicted,
                    actual,
                    f"{part_of_class:.1%}\n{rows[actual, predicted]:,.0f}".replace("%", " %"),
                    ha="center",
                    va="center",
                    size=8 if count <= _MOST_CLASSES // 2 else 6,
                    color="white" if part_of_class > 0.55 else INK,
                )
        upright = count > 4 or longest > _SHORT_NAME
        axes.set_xticks(range(count), classes, rotation=90 if upright else 0)
        axes.set_yticks(range(count), classes)
        axes.tick_params(length=0)
        axes.set(title=model, xlabel="predicted", ylabel="actual")
    return figure


def _reliability(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    # Every diagram shows at least one bin, however few rows there are.
    fullest = table.groupby(["model", "state"])["rows"].max().min()
    fewest = min(_FEWEST, fullest)
    shown = table[table["rows"] >= fewest]
    figure, panels = titled_panels(
        "How often predictions of like confidence are right, on test",
        f"the diagonal is perfect; bins of {fewest} rows or more; ECE: expected calibration "
        "error, mean over seeds; temperature fitted on validation",
        panels=2,
        size=(4.4, 4.2),
    )
    styles = ModelStyles(comparison["models"])
    names = {"before": "as trained", "after": "after temperature scaling"}
    lowest = float(shown["low"].min())
    floor = min(lowest, float(shown["accuracy"].min()) - 0.02)
    for axes, (state, name) in zip(panels, names.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, zorder=1)
        for model, part in _by_model(shown[shown["state"] == state]):
            error = comparison["calibration"][model][state]["ece"]["mean"]
            axes.plot(
                part["confidence"],
                part["accuracy"],
                label=f"{model} (ECE {error:.3f})",
                **styles.marked(model),
            )
        axes.set(title=name, xlabel="confidence", xlim=(lowest, 1), ylim=(floor, 1.02))
        axes.legend(loc="best")
    panels[0].set_ylabel("accuracy")
    return figure


def _by_length(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    groups = [f"{low:.0f}–{high:.0f}" for low, high in _ends(table)]
    return _by_group(
        table,
        comparison,
        groups,
        "Test accuracy by length",
        "steps, of a text its tokens",
    )


def _by_position(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    groups = [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in _ends(table)]
    return _by_group(
        table,
        comparison,
        groups,
        "Test accuracy by place of the evidence",
        "middle of the evidence: start of the row = 0 %, end = 100 %",
    )


def _ends(table: pd.DataFrame) -> list[tuple[float, float]]:
    unique = table[["from", "to"]].drop_duplicates()
    return list(zip(unique["from"], unique["to"], strict=True))


def _by_group(
    table: pd.DataFrame,
    comparison: Mapping[str, Any],
    groups: Sequence[str],
    title: str,
    along: str,
) -> Figure:
    confidence = 100 * comparison["method"]["confidence"]
    figure, [axes] = titled_panels(
        title, f"{_seeds(comparison)}; bars: Wilson's {confidence:g} % interval over the rows"
    )
    styles = ModelStyles(comparison["models"])
    parts = _by_model(table)
    # Side by side, so that no bar hides another.
    offsets = np.linspace(-0.5, 0.5, len(parts)) * min(0.5, 0.12 * len(parts))
    for offset, (model, part) in zip(offsets, parts, strict=True):
        accuracy = part["accuracy"].to_numpy()
        axes.errorbar(
            np.arange(len(groups)) + offset,
            accuracy,
            # Rounding may put an end beyond the accuracy.
            yerr=np.maximum([accuracy - part["low"], part["high"] - accuracy], 0),
            label=model,
            elinewidth=1,
            **styles.marked(model),
        )
    rows = parts[0][1]["rows"]
    axes.set_xticks(
        range(len(groups)), [f"{group}\nn = {n:,}" for group, n in zip(groups, rows, strict=True)]
    )
    axes.set(xlabel=along, ylabel="accuracy", xlim=(-0.5, len(groups) - 0.5))
    percent(axes.yaxis)
    axes.grid(visible=False, axis="x")
    # Outside, where it hides no bar.
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _predicted(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    parts = _by_model(table)
    figure, panels = titled_panels(
        "Predicted and actual values on test",
        f"evenly spaced rows; {_seeds(comparison)}; the diagonal is perfect",
        panels=len(parts),
        size=(3.2, 3.8),
    )
    styles = ModelStyles(comparison["models"])
    values = table[["actual", "predicted"]]
    low, high = float(values.min().min()), float(values.max().max())
    margin = 0.03 * (high - low) or 1
    ends = [low - margin, high + margin]
    for axes, (model, part) in zip(panels, parts, strict=True):
        axes.plot(ends, ends, color=SOFT, linewidth=0.8)
        axes.scatter(
            part["actual"], part["predicted"], s=7, alpha=0.5, linewidth=0, **_dots(styles, model)
        )
        r2 = comparison["models"][model]["test"]["r2"]["mean"]
        axes.set(title=f"{model} (R² {r2:.3f})", xlabel="actual", xlim=ends, ylim=ends)
        axes.set_box_aspect(1)
    panels[0].set_ylabel("predicted")
    return figure


def _dots(styles: ModelStyles, model: str) -> dict[str, Any]:
    style = styles.marked(model)
    return {"color": style["color"], "marker": style["marker"]}


def _errors(table: pd.DataFrame, comparison: Mapping[str, Any]) -> Figure:
    figure, [axes] = titled_panels(
        "Errors on test",
        "predicted less actual, share of the rows, all seeds; the outermost points hold all "
        "that is beyond",
    )
    styles = ModelStyles(comparison["models"])
    for model, part in _by_model(table):
        axes.plot(part["error"], part["share"], label=model, **styles.line(model))
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set(xlabel="error", ylabel="share of rows", ylim=(0, None))
    percent(axes.yaxis)
    axes.legend()
    return figure
