"""Accuracy against length, one line a model; below it, by where the evidence stands."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.core.predictions import TFIDF
from pipeline.evaluation.figure_style import SOFT, ModelStyles, percent, png, titled_figure
from pipeline.studies.length.settings import POSITIONS, words

_TITLES = {
    "anywhere": "evidence anywhere, as in training",
    "start": "evidence at the start",
    "middle": "in the middle",
    "end": "at the end",
}


def draw(document: Mapping[str, Any]) -> bytes:
    """The figure as PNG; its bytes depend on the document alone."""
    return png(lambda: _figure(document))


def _figure(document: Mapping[str, Any]) -> Figure:
    method = document["method"]
    figure = titled_figure(
        "Test accuracy against the length of the review",
        f"{method['rows']['test']:,} reviews each, mean of {len(method['seeds'])} seeds; bars: "
        f"{100 * method['confidence']:g} % interval over reviews and seeds",
        size=(7.2, 5.6),
    )
    small: list[Any] = [position for position in POSITIONS if position != "anywhere"]
    mosaic: list[Any] = [["anywhere"] * len(small), small]
    axes: dict[str, Axes] = figure.subplot_mosaic(
        mosaic, height_ratios=[1.5, 1], sharex=True, sharey=True
    )
    best = 1 - method["label_noise"]
    for position, panel in axes.items():
        _panel(panel, document["accuracy"][position])
        panel.set_title(_TITLES[position])
        for share in (0.5, best):
            panel.axhline(share, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
    top = axes["anywhere"]
    top.tick_params(labelbottom=True)
    place: dict[str, Any] = {
        "x": 1,
        "ha": "right",
        "size": 8,
        "color": SOFT,
        "transform": top.get_yaxis_transform(),
    }
    top.text(y=best + 0.004, s="all but the labels that were flipped", va="bottom", **place)
    top.text(y=0.504, s="chance", va="bottom", **place)
    for panel in (top, axes[small[0]]):
        panel.set_ylabel("accuracy")
    for position in small:
        axes[position].set_xlabel("words")
    percent(top.yaxis)
    top.yaxis.set_major_locator(MaxNLocator(nbins=6))
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _panel(axes: Axes, accuracy: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Every model's line.

    Args:
        axes: to draw on.
        accuracy: length → model → accuracy, low, high.
    """
    places = np.array([np.mean(words(length)) for length in accuracy])
    models = list(next(iter(accuracy.values())))
    styles = ModelStyles([TFIDF, *models])  # the styles that these models have in the other plots
    # Beside each other, so that no bar hides another.
    step = 0.012 * float(np.ptp(places))
    for number, model in enumerate(models):
        found = [by_model[model] for by_model in accuracy.values()]
        middle, low, high = (_values(found, key) for key in ("accuracy", "low", "high"))
        axes.errorbar(
            places + step * (number - (len(models) - 1) / 2),
            middle,
            yerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
            label=model,
            elinewidth=1,
            **styles.marked(model),
        )
    axes.set_xticks(places, [length.replace("-", "\N{EN DASH}") for length in accuracy])


def _values(found: Sequence[Mapping[str, float]], key: str) -> np.ndarray[Any, np.dtype[Any]]:
    return np.array([one[key] for one in found])
