"""The share of the weight that falls on each sentence of a text."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_SENTENCE = re.compile(r"[^.!?…。！？\n]+(?:[.!?…。！？]+|\n|$)")
_LONGEST = 160  # characters that are quoted


class Sentence(NamedTuple):
    """A sentence.

    Attributes:
        text: its characters, shortened.
        share: of the weight.
        even: of the tokens, which is what equal weights would give it.
    """

    text: str
    share: float
    even: float


def heaviest_sentence(sample: Mapping[str, Any]) -> Sentence | None:
    """The sentence with the largest share of the weight; None where there is only one."""
    text, tokens = sample["text"], sample["tokens"]
    found = []
    for match in _SENTENCE.finditer(text):
        own = [one for one in tokens if match.start() <= one["start"] < match.end()]
        if own:
            said = " ".join(match.group().split())
            if len(said) > _LONGEST:
                said = f"{said[: _LONGEST - 1]}…"
            share = sum(one["weight"] for one in own)
            found.append(Sentence(said, share, len(own) / len(tokens)))
    return max(found, key=lambda one: one.share) if len(found) > 1 else None
