"""From labels as they are written to the names of classes."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipeline import progress

# An integer in any spelling, but without leading zeros, which codes have.
WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.0*)?")
_LIST = re.compile(r"""\[.*['", ].*\]""")


def several_labels(labels: Sequence[str]) -> Iterator[str]:
    """The labels that seem to be several: `a|b`, `["a", "b"]`, or `a, b` where `a` is one too."""
    yield from filter(_LIST.fullmatch, labels)
    for mark in "|;,/":
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

    Integers are sorted as numbers; those written in several ways, as 1 and 1.0, are one class.
    """
    if not all(map(WHOLE.fullmatch, labels)):
        names = tuple(sorted(labels))
        return {label: number for number, label in enumerate(names)}, names
    spellings: dict[Decimal, list[str]] = {}
    for label in labels:
        spellings.setdefault(Decimal(label), []).append(label)
    order = sorted(spellings)
    names = tuple(_name(spellings[value]) for value in order)
    for name, value in zip(names, order, strict=True):
        if len(spellings[value]) > 1:
            written = " and ".join(map(repr, spellings[value]))
            progress.say(f"The labels {written} are one class, {name!r}.")
    return {label: order.index(Decimal(label)) for label in labels}, names


def _name(spellings: Sequence[str]) -> str:
    """5.0 is named 5; a plus sign is kept if every row has it."""
    return min((written.partition(".")[0] for written in spellings), key=len)
