"""Plots of the measurements: tokens per second, memory against rows, time against length."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.figure_style import COLORS, SOFT, ModelStyles, percent, png, titled_panels
from pipeline.studies.benchmark import accuracy
from pipeline.studies.benchmark.settings import NAMES
from pipeline.studies.benchmark.table import MEMORY_LIMIT

_PANEL = (4.2, 3.4)


def draw(document: Mapping[str, Any]) -> bytes | None:
    """The figure as PNG; its bytes depend on the document alone. None if nothing was measured."""
    panels: dict[str, Callable[[Axes, Any], None]] = {
        "throughput": _throughput,
        "inference": _inference,
        "rows": _rows,
        "length": _length,
        "losses": _losses,
        "accuracy": _accuracy,
    }
    shown = {part: panel for part, panel in panels.items() if document.get(part)}
    return png(lambda: _figure(document, shown)) if shown else None


def _figure(
    document: Mapping[str, Any], shown: Mapping[str, Callable[[Axes, Any], None]]
) -> Figure:
    machine = document["machine"]
    figure, axes = titled_panels(
        "How fast, and in how much memory",
        f"{machine['processor']}, {machine['threads']} threads; {document['corpus']}",
        panels=len(shown),
        size=_PANEL,
    )
    for (part, panel), place in zip(shown.items(), axes, strict=True):
        panel(place, document[part])
    return figure


def _throughput(axes: Axes, found: Mapping[str, Any]) -> None:
    rates = {
        implementation: each["tokens_per_second"]
        for implementation, each in found["implementations"].items()
    }
    _bars(axes, rates)
    limit = found["limit_tokens_per_second"]
    axes.axvline(limit, color=SOFT, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.text(
        limit, 1.01, "matrix limit", ha="right", size=8, color=SOFT,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.set_title("training")
    axes.set_xlabel("real tokens per second")


def _inference(axes: Axes, found: Mapping[str, Any]) -> None:
    _bars(
        axes,
        {
            implementation: each["reviews_per_second"]
            for implementation, each in found["implementations"].items()
        },
    )
    axes.set_title("inference")
    axes.set_xlabel("reviews per second, in batches")


def _bars(axes: Axes, rates: Mapping[str, Sequence[float]]) -> None:
    """A bar per implementation, with its lowest and highest repeat."""
    middles = [median(values) for values in rates.values()]
    low = [middle - min(values) for middle, values in zip(middles, rates.values(), strict=True)]
    high = [max(values) - middle for middle, values in zip(middles, rates.values(), strict=True)]
    colors = [COLORS[1] if implementation == "spotlight" else COLORS[0] for implementation in rates]
    bars = axes.barh(
        [NAMES[implementation] for implementation in rates],
        middles,
        height=0.6,
        xerr=[low, high],
        color=colors,
        error_kw={"elinewidth": 1, "capsize": 2},
    )
    axes.bar_label(bars, [f" {middle:,.0f}" for middle in middles], padding=2, size=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.22)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=5)


def _rows(axes: Axes, found: Sequence[Mapping[str, Any]]) -> None:
    stages = [name for name, value in found[0].items() if isinstance(value, Mapping)]
    styles = ModelStyles(["", *stages])
    for stage in stages:
        of_stage = [each for each in found if stage in each]
        peaks = [each[stage]["peak_mb"] / 1024 for each in of_stage]
        rows = [each["rows"] for each in of_stage]
        axes.plot(rows, peaks, label=stage, **styles.marked(stage))
    axes.axhline(MEMORY_LIMIT / 1024, color=SOFT, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set_title("peak memory against rows")
    axes.set_xlabel("rows")
    axes.set_ylabel("GB")
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.94))


def _length(axes: Axes, found: Sequence[Mapping[str, Any]]) -> None:
    styles = ModelStyles(["", "spotlight"])
    lengths = [each["length"] for each in found]
    seconds = [1000 * each["seconds_per_step"] for each in found]
    axes.plot(lengths, seconds, **styles.marked("spotlight"))
    axes.set_title("a training step against length")
    axes.set_xlabel("tokens a row")
    axes.set_ylabel("ms")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def _losses(axes: Axes, found: Mapping[str, Any]) -> None:
    styles = ModelStyles(["keras", "spotlight"])
    for implementation, by_epoch in found["val_loss"].items():
        epochs = range(1, len(by_epoch) + 1)
        means = [each["mean"] for each in by_epoch]
        deviations = [each["deviation"] or 0.0 for each in by_epoch]
        axes.errorbar(
            epochs,
            means,
            deviations,
            label=NAMES[implementation],
            elinewidth=1,
            capsize=2,
            **styles.marked(implementation),
        )
    axes.set_title("validation loss, from the same weights")
    axes.set_xlabel("epoch")
    axes.set_xticks(epochs)
    axes.legend()


def _accuracy(axes: Axes, found: Mapping[str, Any]) -> None:
    styles = ModelStyles(["keras", "recipe", "example"])
    for implementation, runs in found["runs"].items():
        for number, epochs in enumerate(runs.values()):
            axes.plot(
                [epoch["seconds"] for epoch in epochs],
                [epoch["val_accuracy"] for epoch in epochs],
                label=None if number else accuracy.NAMES[implementation],
                **styles.marked(implementation),
            )
    for target in accuracy.TARGETS:
        axes.axhline(target, color=SOFT, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set_title("validation accuracy against training time")
    axes.set_xlabel("seconds")
    axes.set_xlim(left=0)
    axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    percent(axes.yaxis)
    axes.legend(loc="lower right")
