"""Accuracy against length, one line a model, a panel for each place of the neutral sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipeline.evaluation.figure_style import ModelStyles, percent, png, titled_panels
from pipeline.studies.suggestion.figure import lines_with_intervals
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
    for axes in panels[1:]:
        axes.sharey(panels[0])  # before anything is drawn, so that the scale holds all of it
    for place, axes in zip(PLACES, panels, strict=True):
        of_place = [row for row in rows if row["place"] == place]
        lines_with_intervals(axes, of_place, styles, over="length")
        axes.set_title(_TITLES[place])
        axes.set_xlabel("tokens")
    panels[0].set_ylabel("accuracy")
    percent(panels[0].yaxis)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
