"""Accuracy against length, one line a model, a panel for each place of the neutral sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.figure_style import ModelStyles, percent, png, titled_panels
from pipeline.studies.suggestion.settings import PLACES

_TITLES = {
    "before": "sentences before the review",
    "around": "around it",
    "after": "after it",
}


def draw(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The figure of `intervals.csv` as PNG; its bytes depend on the rows alone."""
    return png(lambda: _figure(rows))


def _figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure, panels = titled_panels(
        "Test accuracy of short reviews among neutral sentences",
        "means over seeds; bars: intervals over reviews and seeds",
        panels=len(PLACES),
        size=(3.6, 3.8),
    )
    styles = ModelStyles(dict.fromkeys(row["model"] for row in rows))
    for place, axes in zip(PLACES, panels, strict=True):
        _panel(axes, [row for row in rows if row["place"] == place], styles)
        axes.set_title(_TITLES[place])
        axes.set_xlabel("tokens")
        axes.sharey(panels[0])
    panels[0].set_ylabel("accuracy")
    percent(panels[0].yaxis)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], styles: ModelStyles) -> None:
    for number, model in enumerate(styles.models):
        found = [row for row in rows if row["model"] == model]
        lengths, middle, low, high = (
            np.array([float(row[key]) for row in found])
            for key in ("length", "accuracy", "accuracy_low", "accuracy_high")
        )
        axes.errorbar(
            lengths * (1 + 0.02 * (number - (len(styles.models) - 1) / 2)),  # beside each other
            middle,
            yerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
            label=model,
            elinewidth=1,
            **styles.marked(model),
        )
    ticks = sorted({int(row["length"]) for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
