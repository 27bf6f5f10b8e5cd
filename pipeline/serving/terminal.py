"""Answers on a terminal: a row in a line or a block, and its text with the weights in color."""

import math
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import progress
from pipeline.explanation.page import FULL_COLOR, heaviest, heaviest_steps, pieces, shade
from pipeline.progress import printable
from pipeline.serving.answers import Answer, Answered, Sink, as_json, record

# Backgrounds of the 256 colors, from pale to deep, below black letters: readable on any terminal.
_RAMP = (230, 229, 222, 221, 220, 214)
_BARS = " ▁▂▃▄▅▆▇█"
_NO_WEIGHTS = "This model has no attention weights."
_SHOWN = 200  # characters of a passage that was not read


# ── where the answers go ─────────────────────────────────────────────────────────────────


def json_lines(explain: bool) -> Sink:
    """Print a line of JSON for each row."""

    def show(answered: Sequence[Answered]) -> None:
        for row in answered:
            progress.say(as_json(record(row, explain=explain)))

    return show


def lines(titles: Mapping[str, str], *, explain: bool, colored: bool, series: bool = False) -> Sink:
    """Print a line for each row, or its text or the bars of its series with the weights."""
    progress.say("   ".join(f"{title} ({address})" for address, title in titles.items()))
    if explain:
        progress.write(legend(colored=colored, series=series))

    def show(answered: Sequence[Answered]) -> None:
        for row in answered:
            progress.say(line(row, explain=explain))
            _show_weights(row, titles, colored=colored, wanted=explain)

    return show


def blocks(titles: Mapping[str, str], *, explain: bool, colored: bool) -> Sink:
    """Print every class for each row, and its text with the weights."""

    def show(answered: Sequence[Answered]) -> None:
        for row in answered:
            progress.say(block(row, titles))
            _show_weights(row, titles, colored=colored, wanted=explain)
        if explain:
            progress.write(legend(colored=colored))

    return show


def _show_weights(row: Answered, titles: Mapping[str, str], *, colored: bool, wanted: bool) -> None:
    for address, answer in row.answers.items() if wanted else ():
        of = f"{printable(titles[address])}:\n" if len(titles) > 1 else ""
        progress.write(f"\n{of}{explained(answer, colored=colored)}\n")


# ── what they look like ──────────────────────────────────────────────────────────────────


def line(row: Answered, *, explain: bool = False) -> str:
    """One row in one line, with the beginning of its text unless all of it follows."""
    said = "   ".join(f"{_outcome(answer):<14}" for answer in row.answers.values())
    start = f"{row.number:>6,}  {said}  "
    if explain:
        return start.rstrip()
    content = row.question.content
    whole = content if isinstance(content, str) else row.question.where
    flat = printable(" ".join(whole.split()))
    room = max(shutil.get_terminal_size().columns - len(start) - 1, 20)
    return f"{start}{flat if len(flat) <= room else f'{flat[: room - 1]}…'}"


def block(row: Answered, titles: Mapping[str, str]) -> str:
    """One row's probabilities: a line per class, and a column per model."""
    first = next(iter(row.answers.values()))
    table = [
        ["", *titles.values()],
        *(
            [printable(name), *(_cell(one, name) for one in row.answers.values())]
            for name in list(first.probabilities) or ["value"]
        ),
        *([["", *titles]] if len(titles) > 1 else []),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    )


def explained(answer: Answer, *, colored: bool) -> str:
    """A row's text with each word's weight, and the heaviest words; or a window's bars."""
    sample = answer.sample
    if "weights" in sample:
        return _steps(sample)
    if sample["tokens"][0]["weight"] is None:
        return _NO_WEIGHTS
    text = "".join(_piece(piece, colored=colored) for piece in pieces(sample))
    words = " · ".join(f"{printable(word)} {weight:.3f}" for word, weight in heaviest(sample))
    return f"{text}\n\nheaviest: {words}"


def legend(*, colored: bool, series: bool = False) -> str:
    """What the marks of `explained` mean."""
    full = f"{FULL_COLOR:g} times that or more (logarithmic)"
    marks = "[word weight]: more than an even share of the weight"
    if series:
        marks = f"bar: none up to an even share of the weight, full for {full}"
    elif colored:
        ramp = "".join(_colored("  ", color) for color in _RAMP)
        marks = f"color: none up to an even share of the weight, {ramp} {full}"
    return f"{marks}. Attention shows where the model looks, not why it decides."


def _outcome(answer: Answer) -> str:
    """What a model says, in a few characters."""
    if answer.value is not None:
        return f"{answer.value:.6g}"
    return f"{printable(answer.label or '')} {_percent(answer.probabilities[answer.label or ''])}"


def _cell(answer: Answer, name: str) -> str:
    if answer.value is not None:
        return f"{answer.value:.6g}"
    return f"{_percent(answer.probabilities[name]):>7}{' ◂' if name == answer.label else ''}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _piece(piece: Any, *, colored: bool) -> str:
    text = printable(piece.text.replace("\r\n", "\n"))
    if piece.unread:
        if len(text) > _SHOWN:
            text = f" … {len(piece.text):,} characters that the model did not read … "
        return f"\x1b[2;3m{text}\x1b[0m" if colored else text
    if not piece.shade:
        return text
    if colored:
        return _colored(text, _RAMP[math.ceil(piece.shade * len(_RAMP)) - 1])
    return f"[{text} {piece.weight:.3f}]"


def _colored(text: str, background: int) -> str:
    return f"\x1b[38;5;16;48;5;{background}m{text}\x1b[0m"


def _steps(sample: Mapping[str, Any]) -> str:
    weights: Sequence[float | None] = sample["weights"]
    if weights[0] is None:
        return _NO_WEIGHTS
    bars = "".join(
        _BARS[math.ceil(shade((weight or 0.0) * len(weights)) * (len(_BARS) - 1))]
        for weight in weights
    )
    steps = " · ".join(f"step {step} {weight:.3f}" for step, weight in heaviest_steps(sample))
    return f"step 1 |{bars}| step {len(weights)}\n\nheaviest: {steps}"
