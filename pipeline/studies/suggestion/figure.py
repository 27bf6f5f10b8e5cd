"""Accuracy against the number of texts to train on, one line a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.figure_style import ModelStyles, percent, png, titled_figure


def draw(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The figure of a study's rows as PNG."""
    return png(lambda: _figure(rows))


def _figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure = titled_figure(
        "Test accuracy against the number of texts",
        "lines: means over seeds; points: runs",
        size=(7.2, 4.4),
    )
    axes = figure.subplots()
    models = list(dict.fromkeys(row["model"] for row in rows))
    styles = ModelStyles(models)
    for model in models:
        of_size: dict[int, list[float]] = {}
        for row in rows:
            if row["model"] == model:
                of_size.setdefault(int(row["rows"]), []).append(float(row["test"]))
        sizes = sorted(of_size)
        axes.plot(
            sizes, [np.mean(of_size[size]) for size in sizes], label=model, **styles.marked(model)
        )
        for size in sizes:
            points = of_size[size]
            color = styles.line(model)["color"]
            axes.scatter([size] * len(points), points, s=9, color=color, alpha=0.6, linewidths=0)
    axes.set_xscale("log")
    axes.set_xticks(sorted({int(row["rows"]) for row in rows}))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.set_xlabel("texts to train on")
    axes.set_ylabel("accuracy")
    percent(axes.yaxis)
    figure.legend(loc="outside lower center", ncols=3)
    return figure
