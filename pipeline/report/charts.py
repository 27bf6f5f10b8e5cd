"""Line charts as inline SVG: here their geometry, in `templates/chart.html` the drawing.

Drawn by hand rather than by matplotlib, so that text stays selectable, colors follow light and
dark mode, and pointing at a line names it. The page needs no other file, and its bytes don't
depend on matplotlib's version.

Every model has one style (color, dash, marker) in all charts, so color is never the only cue.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from pipeline.evaluation.wording import real_minus

Point = tuple[float, float]

WIDTH, HEIGHT = 460, 280  # in CSS pixels where the chart has the room
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 44
STYLES = 8  # more models start over
BESIDE = STYLES  # one more style, for what is compared with the models
_SPREAD = 0.6  # of a category's width, for the points that its lines have there


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the table, and when pointed at.
        points: in data coordinates; with categories, x counts them from 0.
        style: number of the color, dash and marker: of a model, or `BESIDE`.
        intervals: low and high of each point.
        markers: whether points are marked.
        faint: for many lines, such as one per seed.
    """

    name: str
    points: Sequence[Point]
    style: int = 0
    intervals: Sequence[Point] | None = None
    markers: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart with its scales.

    Attributes:
        categories: names along x; none where x is a number.
        x_ticks: places of the labels along x.
        diagonal: whether to draw the line x = y.
        table: whether its numbers are listed below it.
    """

    title: str
    x_title: str
    y_title: str
    lines: Sequence[Line]
    x_range: Point
    y_range: Point
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    categories: Sequence[str] = ()
    diagonal: bool = False
    table: bool = True

    def x(self, value: float) -> float:
        """Data → pixels."""
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Data → pixels, upwards."""
        low, high = self.y_range
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def x_label(self, value: float) -> str:
        return self.categories[round(value)] if self.categories else number(value)

    def y_label(self, value: float) -> str:
        return number(value)

    def offset(self, index: int) -> float:
        """How far a line steps aside, so that intervals in a category don't overlap."""
        beside = (index + 0.5) / len(self.lines) - 0.5
        return min(_SPREAD, 0.1 * len(self.lines)) * beside if self.lines[index].intervals else 0.0

    def path(self, index: int) -> str:
        """A line as the `d` of an SVG path."""
        aside = self.offset(index)
        points = (f"{self.x(x + aside)} {self.y(y)}" for x, y in self.lines[index].points)
        return "M" + "L".join(points)

    def rows(self) -> list[tuple[str, list[str]]]:
        """The chart as a table: each x, and every line's value there ("" for none)."""
        known = sorted({x for line in self.lines for x, _ in line.points})
        return [(self.x_label(x), [_cell(line, x) for line in self.lines]) for x in known]


def number(value: float) -> str:
    """A number for reading: three digits, a real minus sign."""
    return real_minus(f"{round(value, 10):.3g}")


def _cell(line: Line, at: float) -> str:
    for index, (x, y) in enumerate(line.points):
        if x == at:
            low, high = line.intervals[index] if line.intervals else (None, None)
            if low is None or high is None:
                return number(y)
            return f"{number(y)} ({number(low)} to {number(high)})"
    return ""


def chart(
    title: str,
    x_title: str,
    y_title: str,
    lines: Sequence[Line],
    *,
    categories: Sequence[str] = (),
    square: bool = False,
    diagonal: bool = False,
    corner: float = 0.0,
    whole_x: bool = False,
    include_zero: bool = False,
    table: bool = True,
) -> Chart:
    """Choose the scales of a chart.

    Args:
        square: both axes equal, up to 1.
        diagonal: whether to draw the line x = y.
        corner: the lowest value in a square chart; below 0.3, the axes start at 0.
        whole_x: ticks at whole numbers only.
        include_zero: whether y = 0 must be visible.
    """
    ys = [y for line in lines for _, y in line.points]
    ys += [bound for line in lines for interval in line.intervals or () for bound in interval]
    xs = [x for line in lines for x, _ in line.points]
    if square:
        tenths = math.floor(10 * corner)
        y_ticks = x_ticks = [
            tenth / 10 for tenth in (range(0, 11, 2) if tenths < 3 else range(tenths, 11))
        ]
    else:
        low, high = min(ys + [0.0] * include_zero), max(ys + [0.0] * include_zero)
        if low == high:
            low, high = low - 0.5, high + 0.5
        y_ticks = [*MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
        locator = MaxNLocator(nbins=8, integer=whole_x)
        x_low, x_high = min(xs), max(xs)
        x_ticks = [x for x in locator.tick_values(x_low, x_high) if x_low <= x <= x_high]
    x_range = (x_ticks[0], x_ticks[-1]) if square else (min(xs), max(xs))
    if categories:
        x_ticks, x_range = [float(x) for x in range(len(categories))], (-0.5, len(categories) - 0.5)
    elif x_range[0] == x_range[1]:
        x_range = (x_range[0] - 0.5, x_range[1] + 0.5)
    return Chart(
        title=title,
        x_title=x_title,
        y_title=y_title,
        lines=lines,
        x_range=x_range,
        y_range=(y_ticks[0], y_ticks[-1]),
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        categories=categories,
        diagonal=diagonal,
        table=table,
    )
