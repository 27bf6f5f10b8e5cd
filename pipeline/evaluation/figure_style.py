"""What all plots share: a title, styles, and bytes that depend only on what is drawn.

A model has the same color, dash and marker in every plot, so color is never the only cue. The
same drawing gives the same bytes: no date, no version, none of the user's settings.
"""

import io
from collections.abc import Callable, Iterable
from math import ceil
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter

from pipeline.evaluation.fonts import families

# In the order in which models are compared, baselines first; the report uses the same.
COLORS = ("#6a7178", "#1c69b0", "#c9660a", "#1f8a63", "#8d46a8", "#b53b45", "#7b7420")
DASHES = ((0, (4, 2)), "-", (0, (7, 1)), "-.", ":", (0, (5, 1, 1, 1)), (0, (2, 1)))
MARKERS = ("D", "o", "s", "^", "v", "P", "X")
INK, SOFT, LINE = "#1d2126", "#5b636d", "#dcdfe3"
_STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a class may be named $
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "legend.frameon": False,
}
_DOTS_PER_INCH = 130


def png(draw: Callable[[], Figure]) -> bytes:
    """A figure as PNG, drawn with our settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "font.family": families()})
        content, figure = io.BytesIO(), draw()
        figure.set_dpi(_DOTS_PER_INCH)
        # `savefig` draws a figure twice, once only to lay it out; the bytes are the same.
        FigureCanvasAgg(figure).print_png(content, metadata={"Software": None})
    return content.getvalue()


class ModelStyles:
    """How each model is drawn, by its place among those compared, baselines first."""

    def __init__(self, models: Iterable[str]) -> None:
        self.models = list(models)

    def line(self, model: str) -> dict[str, Any]:
        place = self.models.index(model) % len(COLORS)
        return {"color": COLORS[place], "linestyle": DASHES[place]}

    def marked(self, model: str) -> dict[str, Any]:
        return {**self.line(model), "marker": MARKERS[self.models.index(model) % len(MARKERS)]}


def titled_panels(
    title: str, note: str, *, panels: int = 1, size: tuple[float, float] = (6.2, 4.2)
) -> tuple[Figure, list[Axes]]:
    """A figure with a title, a note below it, and the axes of its panels.

    Args:
        title: what the figure shows.
        note: how it was made.
        panels: side by side, four to a row.
        size: of a panel, in inches.
    """
    columns = min(panels, 4)
    rows = ceil(panels / columns)
    figure = titled_figure(title, note, size=(columns * size[0], rows * size[1]))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[panels:]:
        unused.set_axis_off()
    return figure, axes[:panels]


def titled_figure(title: str, note: str, *, size: tuple[float, float]) -> Figure:
    """An empty figure with a title and a note; `size`, in inches, is the room below them."""
    head = 0.62
    width, height = size[0], size[1] + head
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - head / height))
    figure = Figure(figsize=(width, height), layout=layout)
    left = 0.12 / width
    figure.text(left, 1 - 0.12 / height, title, va="top", size=12, weight="bold")
    figure.text(left, 1 - 0.38 / height, note, va="top", color=SOFT)
    return figure


def percent(axis: Any) -> None:
    """Label an axis of shares in percent."""
    axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
