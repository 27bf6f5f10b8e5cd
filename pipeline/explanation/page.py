"""The attention page: the samples of one run in one HTML file, and a picture of a few of them."""

import io
import itertools
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from pipeline.core.texts import LINE_BREAK, shortened
from pipeline.evaluation.fonts import drawable, families, missing
from pipeline.explanation.sentences import heaviest_sentence

# A token is in full color when it has at least this many times an even share of the weight, and
# has no color up to an even share, in every text: so even weights show no contrast.
FULL_COLOR = 16.0


class Piece(NamedTuple):
    """A stretch of a text whose characters are all drawn the same way.

    Attributes:
        weight: of the token that the stretch belongs to; None between tokens.
        shade: 0 to 1, how strongly to color it.
    """

    text: str
    weight: float | None
    shade: float
    evidence: bool
    unread: bool


def environment(package: str) -> jinja2.Environment:
    """The templates of `package` and the shared ones of this package; escaping is on."""
    loaders = [jinja2.PackageLoader(name) for name in dict.fromkeys([package, __package__ or ""])]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        pieces=pieces,
        heaviest=heaviest,
        heaviest_sentence=heaviest_sentence,
        heaviest_steps=heaviest_steps,
        window=window,
        full_color=FULL_COLOR,
    )
    made.filters["percent"] = percent
    return made


def render(document: Mapping[str, Any]) -> str:
    """One self-contained HTML page of a `samples.json`."""
    return environment(__package__ or "").get_template("attention.html").render(document=document)


def percent(share: float) -> str:
    """0.873 → '87.3 %', with a narrow no-break space."""
    return f"{100 * share:.1f}\u202f%"


def shade(shares: float) -> float:
    """How strongly to color a weight of that many even shares.

    Not at all up to 1, fully from `FULL_COLOR` on, and by the logarithm between.
    """
    return round(min(math.log(shares) / math.log(FULL_COLOR), 1.0), 2) if shares > 1 else 0.0


def pieces(sample: Mapping[str, Any]) -> list[Piece]:
    """Cut a sample's text where a token, a passage of evidence or the unread part begins or ends.

    Joined, the pieces are the text, except that an HTML line break has become a line feed.
    Tokens that share a character (bytes of one emoji) are merged: their weights are added.
    """
    text, tokens = sample["text"], sample["tokens"]
    owner: list[int | None] = [None] * len(text)  # of each character, the token
    weights: list[float | None] = []
    merged = [1] * len(tokens)  # tokens in each
    for number, token in enumerate(tokens):
        start, end, weight = token["start"], token["end"], token["weight"]
        shared = owner[start] if start < end else None
        weights.append(weight)
        if shared is not None and weight is not None:
            weights[shared], weights[number] = (weights[shared] or 0.0) + weight, 0.0
            merged[shared] += 1
        for character in range(start, end):
            if owner[character] is None:
                owner[character] = number
    evidence, unread = (_mask(len(text), sample[name]) for name in ("evidence", "unread"))
    cut = []
    position = 0
    for (token_number, is_evidence, is_unread), run in itertools.groupby(
        zip(owner, evidence, unread, strict=True)
    ):
        length = len(list(run))
        stretch = text[position : position + length]
        position += length
        if token_number is None:
            cut.append(Piece(re.sub(LINE_BREAK, "\n", stretch), None, 0.0, is_evidence, is_unread))
        else:
            weight = weights[token_number]
            shares = (weight or 0.0) * len(tokens) / merged[token_number]
            cut.append(Piece(stretch, weight, shade(shares), is_evidence, is_unread))
    return cut


def _mask(length: int, spans: Sequence[Sequence[int]]) -> list[bool]:
    mask = [False] * length
    for start, end in spans:
        mask[start:end] = [True] * len(mask[start:end])
    return mask


def heaviest(sample: Mapping[str, Any], count: int = 5) -> list[tuple[str, float]]:
    """The heaviest of the tokens above an even share, as text and weight, heaviest first."""
    tokens = sorted(sample["tokens"], key=lambda token: -token["weight"])[:count]
    return [
        (sample["text"][token["start"] : token["end"]], token["weight"])
        for token in tokens
        if shade(token["weight"] * len(sample["tokens"]))
    ]


def heaviest_steps(sample: Mapping[str, Any], count: int = 3) -> list[tuple[int, float]]:
    """The heaviest of a series' time steps above an even share, counted from 1, heaviest first."""
    steps = sorted(enumerate(sample["weights"], start=1), key=lambda step: -step[1])[:count]
    return [(step, weight) for step, weight in steps if shade(weight * len(sample["weights"]))]


# ── series ───────────────────────────────────────────────────────────────────────────────

WIDTH, BAND, GAP = 720, 56, 18  # of a window's drawing, in CSS pixels


def window(sample: Mapping[str, Any], features: Sequence[str]) -> dict[str, Any]:
    """The geometry of a window of a series: bars of weight, and below them each feature's line.

    Every band is `BAND` high and scaled to its own range.
    """
    values = np.array(sample["values"], float)  # <float>[time_steps, features]
    steps = len(values)
    width = WIDTH / steps
    bars = [
        {
            "x": round(step * width, 2),
            "height": round(shade(weight * steps) * BAND, 2),
            "weight": weight,
        }
        for step, weight in enumerate(sample["weights"])
        if weight is not None
    ]
    lines = []
    for column, name in enumerate(features):
        line = values[:, column]
        low, high = float(line.min()), float(line.max())
        heights = (line - low) / (high - low) if high > low else np.full(steps, 0.5)
        points = " ".join(
            f"{(step + 0.5) * width:.1f},{BAND * (1 - height):.1f}"
            for step, height in enumerate(heights)
        )
        lines.append({"name": name, "points": points, "low": low, "high": high})
    return {"steps": steps, "bar_width": round(max(width - 0.5, 0.5), 2), "bars": bars,
            "lines": lines, "width": WIDTH, "band": BAND, "gap": GAP}  # fmt: skip


# ── the picture ──────────────────────────────────────────────────────────────────────────


def draw(document: Mapping[str, Any], *, count: int = 4) -> bytes:
    """A PNG of the first `count` samples; its bytes depend only on the document and the fonts.

    Texts are cut after a few lines: the picture is for comparing runs side by side, the page
    for reading.
    """
    samples = document["samples"][:count]
    picture = _draw_series if document["kind"] == "series" else _draw_texts
    file = io.BytesIO()
    # A class or a feature may be named $, which begins a formula for matplotlib.
    with mpl.rc_context({"text.parse_math": False}):
        figure = picture(document, samples)
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def undrawable(document: Mapping[str, Any]) -> str:
    """The letters of a `samples.json` that no installed font has."""
    names = [*document["classes"], *document.get("features", ())]
    return missing("".join([*names, *(one.get("text", "") for one in document["samples"])]))


def how_to_read(document: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands above the picture: how to read it, and whether letters are missing."""
    mark = "bars" if document["kind"] == "series" else "color"
    scale = f"{mark}: none up to an even share of the weight, full from {FULL_COLOR:g} times that"
    notes = [f"{scale} (logarithmic)"] if document["has_weights"] else []
    if any(sample.get("evidence") for sample in samples):
        notes.append("underlined: the evidence, which decides the label")
    if undrawable({**document, "samples": samples}):
        notes.append("a box is a letter that no installed font has: see attention.html")
    return notes


def _right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is written from right to left (as dir="auto")."""
    directions = map(unicodedata.bidirectional, text)
    return next((d for d in directions if d in {"L", "R", "AL"}), "L") != "L"


def _title(document: Mapping[str, Any], sample: Mapping[str, Any]) -> str:
    if not document["classes"]:
        return f"row {sample['row']}: {sample['label']:.3f}, predicted {sample['predicted']:.3f}"
    label, predicted = (
        shortened(document["classes"][sample[key]]) for key in ("label", "predicted")
    )
    probability = sample["probabilities"][sample["predicted"]]
    verdict = "right" if sample["correct"] else "wrong"
    return f"row {sample['row']}: {label}, predicted {predicted} ({probability:.2f}), {verdict}"


def _draw_texts(document: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Figure:
    width, line_height, margin, most_lines = 1000, 22, 20, 6
    font = FontProperties(family=families(), size=10)
    renderer = FigureCanvasAgg(Figure(dpi=100)).get_renderer()

    y = 0.0
    words: list[tuple[float, float, str, dict[str, Any]]] = []  # x, y, text, style
    underlines: list[tuple[float, float, float]] = []  # x of both ends, y
    for note in how_to_read(document, samples):
        y += line_height
        words.append((margin, y, note, {"color": "#888888"}))
    for sample in samples:
        y += line_height
        words.append((margin, y, drawable(_title(document, sample)), {"color": "#555555"}))
        leftwards = _right_to_left(sample["text"])
        x, last = float(margin), y + most_lines * line_height
        y += line_height
        for piece in pieces(sample):
            word = drawable(" ".join(piece.text.split()))
            taken = renderer.get_text_width_height_descent(word, font, False)[0] if word else 3
            if word and x + taken > width - margin:
                x, y = float(margin), y + line_height
            if y > last:
                words.append((width / 2, last + line_height, "…", {"color": "#999999"}))
                break
            box = {"facecolor": (1.0, 0.69, 0.0, piece.shade), "edgecolor": "none", "pad": 1.5}
            style: dict[str, Any] = {"color": "#aaaaaa" if piece.unread else "#111111", "bbox": box}
            left = width - x - taken if leftwards else x
            if word:
                words.append((left, y, word, style))
            if piece.evidence:
                underlines.append((left - 1, left + taken + 1, y + 9))
            x += taken + 1
        y = min(y, last) + line_height

    height = y + margin
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    for x, y, word, style in words:
        place = (x / width, 1 - y / height)
        figure.text(*place, word, font=font, va="center", **style)
    for start, end, y in underlines:
        ends, heights = (start / width, end / width), (1 - y / height,) * 2
        figure.add_artist(Line2D(ends, heights, color="#0b7a6f", linewidth=1.2, zorder=4))
    return figure


def _draw_series(document: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Figure:
    bands = 1 + len(document["features"])
    figure = Figure(figsize=(10, 0.7 * bands * len(samples) + 0.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        "\n".join(how_to_read(document, samples)), x=0.01, ha="left", size=8, color="#888888"
    )
    axes = figure.subplots(bands * len(samples), 1, squeeze=False)[:, 0]
    for number, sample in enumerate(samples):
        weight_axis, *feature_axes = axes[number * bands : (number + 1) * bands]
        values = np.array(sample["values"], float)
        heights = [shade((weight or 0.0) * len(values)) for weight in sample["weights"]]
        weight_axis.bar(range(len(values)), heights, width=1.0, color="#d98200")
        weight_axis.set_ylim(0, 1)
        weight_axis.set_title(drawable(_title(document, sample)), fontsize=9, loc="left")
        weight_axis.set_ylabel("weight", fontsize=8, rotation=0, ha="right")
        for column, axis in enumerate(feature_axes):
            axis.plot(values[:, column], color="#3b6ea5", linewidth=1)
            name = drawable(document["features"][column])
            axis.set_ylabel(name, fontsize=8, rotation=0, ha="right")
        for axis in (weight_axis, *feature_axes):
            axis.set_xlim(-0.5, len(values) - 0.5)
            axis.set_yticks([])
            axis.tick_params(labelsize=7, labelbottom=axis is axes[-1])
    return figure
