"""Accuracy against the share of masked words, one line a method."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.figure_style import ModelStyles, percent, png, titled_figure


def draw(summary: Mapping[str, Any]) -> bytes:
    """The figure of `summary.json` as PNG; its bytes depend on the summary alone."""
    return png(lambda: _figure(summary))


def _figure(summary: Mapping[str, Any]) -> Figure:
    figure = titled_figure(
        f"{summary['model']} on {summary['dataset']}, retrained without what ranks highest",
        "test accuracy; lines: means over seeds; points: runs",
        size=(7.2, 4.4),
    )
    axes = figure.subplots()
    ratios = np.array(summary["ratios"])
    styles = ModelStyles(summary["methods"])
    for name, found in summary["methods"].items():
        runs = np.array(found["accuracy"])  # [ratios, seeds]
        axes.plot(ratios, runs.mean(axis=1), label=found["title"], **styles.marked(name))
        color = styles.line(name)["color"]
        places = np.repeat(ratios, runs.shape[1])
        axes.scatter(places, runs.ravel(), s=9, color=color, alpha=0.6, linewidths=0)
    axes.set_xticks(ratios)
    axes.set_xlabel("words masked")
    axes.set_ylabel("accuracy")
    percent(axes.xaxis)
    percent(axes.yaxis)
    figure.legend(loc="outside lower center", ncols=4)
    return figure
