"""State that a killed process goes on from: whole, and for the same inputs, or not used."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import write_bytes


@dataclass(frozen=True)
class Checkpoint:
    """Where state is kept, and for which inputs it is valid.

    Attributes:
        path: of the file.
        fingerprint: of data, parameters and code.
    """

    path: Path
    fingerprint: str

    def save(self, arrays: Mapping[str, Any]) -> None:
        """Replace what was kept before."""
        buffer = io.BytesIO()
        np.savez(buffer, fingerprint=self.fingerprint, **arrays)
        write_bytes(self.path, buffer.getvalue())

    def restore(self) -> dict[str, NDArray[Any]] | None:
        """What `save` was given; None where there is nothing, or nothing that fits."""
        try:
            with np.load(io.BytesIO(self.path.read_bytes())) as kept:
                arrays = {name: kept[name] for name in kept.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return arrays if str(arrays.pop("fingerprint", "")) == self.fingerprint else None

    def remove(self) -> None:
        """Forget it: what it was for is done."""
        self.path.unlink(missing_ok=True)
