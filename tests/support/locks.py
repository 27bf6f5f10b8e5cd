"""Reading the locks."""

import re
from dataclasses import dataclass
from functools import cache

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import PROJECT

LOCKS = PROJECT / "locks"


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    @property
    def applies(self) -> bool:
        """Whether this machine's Python installs it."""
        return self.marker is None or self.marker.evaluate()


@cache
def read_lock(name: str) -> tuple[Pin, ...]:
    """The pins of locks/NAME.txt; any line that is none, and no comment, is an error."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    pins = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.strip().startswith("#"):
            written, *hashes = re.split(r"\s+--hash=", line.strip())
            requirement = Requirement(written)
            (version,) = requirement.specifier
            assert version.operator == "==", line
            pins.append(
                Pin(
                    canonicalize_name(requirement.name),
                    version.version,
                    requirement.marker,
                    tuple(hashes),
                )
            )
    return tuple(pins)
