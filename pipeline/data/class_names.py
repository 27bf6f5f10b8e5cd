"""From labels as they are written to the names of classes."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipeline import progress

# An integer in any spelling, but without leading zeros, which codes have.
WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.0*)?")
# Half stars, too; 1,000 is a thousand.
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]*|,[0-9]{1,2})?")
_HALF = re.compile(r"[+-]?[0-9]+,[05]0?")  # with a decimal comma, not the labels 4 and 5
_LIST = re.compile(r"""\[.*['", ].*\]""")


def several_labels(labels: Sequence[str]) -> Iterator[str]:
    """The labels that seem to be several: `a|b`, `["a", "b"]`, or `a, b` where `a` is one too."""
    yield from filter(_LIST.fullmatch, labels)
    halves = all(map(_HALF.fullmatch, (label for label in labels if "," in label)))
    for mark in "|;/" if halves else "|;,/":
        parts = {label: [part.strip() for part in label.split(mark)] for label in labels}
        counts = Counter(part for split in parts.values() for part in set(split))
        for label, split in parts.items():
            joined = len(split) > 1 and all(split)
            # A name may contain a comma; that its parts are labels elsewhere too is no accident.
            known = all(counts[part] > 1 for part in split) and any(p in parts for p in split)
            if joined and (mark == "|" or known):
                yield label


def number_classes(labels: Sequence[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """label → number of its class, and the classes' names, sorted.

    Numbers are sorted as such. Integers written in several ways, as 1 and 1.0, are one class; 1.1
    and 1.10 are two, since they may be versions.
    """
    if not all(map(_NUMBER.fullmatch, labels)):
        names = tuple(sorted(labels))
        return {label: number for number, label in enumerate(names)}, names
    keys = {label: _key(label) for label in labels}
    spellings: dict[tuple[Decimal, str], list[str]] = {}
    for label, key in keys.items():
        spellings.setdefault(key, []).append(label)
    order = sorted(spellings)
    whole = all(map(WHOLE.fullmatch, labels))
    names = tuple(_name(spellings[key], whole=whole) for key in order)
    for name, key in zip(names, order, strict=True):
        if len(spellings[key]) > 1:
            written = " and ".join(map(repr, spellings[key]))
            progress.say(f"The labels {written} are one class, {name!r}.")
    return {label: order.index(key) for label, key in keys.items()}, names


def _key(label: str) -> tuple[Decimal, str]:
    """What sorts a number, and is the same for those of one class."""
    value = Decimal(label.replace(",", "."))
    return value, "" if value == value.to_integral_value() else label


def _name(spellings: Sequence[str], *, whole: bool) -> str:
    """The shortest; of whole numbers 5.0 is named 5. A plus sign is kept if every row has it."""
    return min((one.partition(".")[0] if whole else one for one in spellings), key=len)
