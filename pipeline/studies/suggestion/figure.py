"""Accuracy against the number of texts to train on, one line a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.figure_style import ModelStyles, percent, png, titled_figure


def draw(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The figure of a study's rows as PNG."""
    return png(lambda: _figure(rows))


def _figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure = titled_figure(
        "Test accuracy against the number of texts",
        "means over seeds; bars: intervals over texts and seeds",
        size=(7.2, 4.4),
    )
    axes = figure.subplots()
    lines_with_intervals(axes, rows, ModelStyles(dict.fromkeys(row["model"] for row in rows)))
    axes.set_xlabel("texts to train on")
    axes.set_ylabel("accuracy")
    percent(axes.yaxis)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def lines_with_intervals(
    axes: Axes, rows: Sequence[Mapping[str, Any]], styles: ModelStyles, *, over: str = "rows"
) -> None:
    """Every model's accuracies with their intervals, over a number on a logarithmic scale.

    Args:
        axes: to draw on.
        rows: of `intervals.csv`, of one place.
        styles: of all models.
        over: the column of that number.
    """
    for number, model in enumerate(styles.models):
        found = [row for row in rows if row["model"] == model]
        places, middle, low, high = (
            np.array([float(row[key]) for row in found])
            for key in (over, "accuracy", "accuracy_low", "accuracy_high")
        )
        axes.errorbar(
            places * (1 + 0.02 * (number - (len(styles.models) - 1) / 2)),  # beside each other
            middle,
            yerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
            label=model,
            elinewidth=1,
            **styles.marked(model),
        )
    ticks = sorted({int(row[over]) for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
