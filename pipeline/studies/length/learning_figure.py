"""Can't learn, or can't remember: when runs learn, what helps them to, and their gradients."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.core.predictions import TFIDF
from pipeline.evaluation.figure_style import SOFT, ModelStyles, percent, png, titled_figure
from pipeline.studies.length.settings import ATTENTION, BASELINE

_LINES = (":", "--", "-")  # before training, during it, after it
_RAISED = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)


def draw(document: Mapping[str, Any]) -> bytes:
    """The figure as PNG; its bytes depend on the document alone."""
    return png(lambda: _figure(document))


def _figure(document: Mapping[str, Any]) -> Figure:
    method, accuracy = document["method"], document["accuracy"]["anywhere"]
    longest = list(accuracy)[-1]
    figure = titled_figure(
        "Can't learn, or can't remember?",
        f"Each point is a run; {len(method['seeds'])} seeds. {_words(longest)} words, if nothing "
        "else is said.",
        size=(9.6, 7.2),
    )
    axes: dict[str, Axes] = figure.subplot_mosaic([["learned", "remedies"], ["flow", "flow"]])
    styles = ModelStyles([TFIDF, *accuracy[longest]])
    _learned(axes["learned"], document["learning"], list(accuracy), method["epochs"], styles)
    _remedies(axes["remedies"], document["learning"], longest, document["remedies"], styles)
    _flow(axes["flow"], document["flow"], styles)
    for panel in ("learned", "flow"):
        axes[panel].legend(fontsize=8)
    return figure


def _learned(
    axes: Axes,
    learning: Mapping[str, Any],
    lengths: Sequence[str],
    epochs: int,
    styles: ModelStyles,
) -> None:
    """The epoch after which each run was better than chance on validation."""
    axes.set_title("epochs until validation is better than chance")
    never = 1.6 * epochs
    models = list(learning[lengths[0]])
    for number, model in enumerate(models):
        places, after = [], []
        for place, length in enumerate(lengths):
            known = learning[length][model]["learned_after"]
            places += [place + 0.14 * (number - (len(models) - 1) / 2)] * len(known)
            after += [never if epoch is None else epoch for epoch in known]
        axes.plot(places, after, alpha=0.8, label=model, **_points(styles, model))
    axes.set_yscale("log")
    ticks = [1, 2, 5, 10, 20, epochs]
    axes.set_yticks([*ticks, never], [*map(str, ticks), "never"])
    axes.minorticks_off()
    axes.set_xticks(range(len(lengths)), [_words(length) for length in lengths])
    axes.set_xlabel("words")


def _remedies(
    axes: Axes,
    learning: Mapping[str, Any],
    longest: str,
    remedies: Sequence[Mapping[str, Any]],
    styles: ModelStyles,
) -> None:
    """Every run's accuracy, of the last state and of attention, by what was done for both."""
    axes.set_title("test accuracy, by what helps both to learn")
    tried = [(longest, ""), *((one["length"], _suffix(one["model"])) for one in remedies)]
    for place, (length, suffix) in enumerate(tried):
        for shift, model in ((-0.12, BASELINE), (0.12, ATTENTION)):
            found = learning[length][model + suffix]["accuracy"]
            axes.plot([place + shift] * len(found), found, alpha=0.8, **_points(styles, model))
    names = ["as it is", *(suffix[1:].replace("_", " ") for _, suffix in tried[1:])]
    axes.set_xticks(range(len(names)), names)
    axes.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
    percent(axes.yaxis)


def _flow(axes: Axes, flow: Mapping[str, Any], styles: ModelStyles) -> None:
    """The gradient's norm against the distance of the state from the evidence."""
    axes.set_title("norm of the loss's gradient by a hidden state (median over reviews)")
    for model, curves in flow.items():
        for (epoch, curve), line in zip(curves.items(), _LINES, strict=False):
            when = "before training" if epoch == "0" else f"after {epoch} epochs"
            style = {**styles.line(model), "linestyle": line}
            axes.plot(curve["distance"], curve["norm"], label=f"{model}, {when}", **style)
    axes.set_yscale("log")
    # our style parses no mathematics
    axes.yaxis.set_major_formatter(
        lambda norm, _: f"10{f'{math.log10(norm):.0f}'.translate(_RAISED)}"
    )
    axes.axvline(0, color=SOFT, linewidth=0.8, zorder=0)
    axes.set_xlabel("steps after the end of the evidence, in the order of reading")


def _points(styles: ModelStyles, model: str) -> dict[str, Any]:
    return {**styles.marked(model), "linestyle": "none"}


def _suffix(model: str) -> str:
    return model.removeprefix(BASELINE)


def _words(length: str) -> str:
    return length.replace("-", "\N{EN DASH}")
