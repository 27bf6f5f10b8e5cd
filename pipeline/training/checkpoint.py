"""Saved state from which an interrupted process resumes, if its inputs are unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core.files import new_file


@dataclass(frozen=True)
class Checkpoint:
    """A file with saved state, and the inputs for which it is valid.

    Attributes:
        path: the file.
        fingerprint: of data, parameters and code.
    """

    path: Path
    fingerprint: str

    def save(self, arrays: Mapping[str, Any]) -> None:
        """Save arrays, replacing earlier ones."""
        with new_file(self.path) as file:
            np.savez(file, fingerprint=self.fingerprint, **arrays)

    def restore(self) -> dict[str, NDArray[Any]] | None:
        """The saved arrays; None if there are none, or only for other inputs.

        A file that can't be read is set aside, so that it stops nobody.
        """
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
        except FileNotFoundError:
            return None
        except Exception as error:  # of the file system, zip, zlib or NumPy: no list is complete
            aside = self.path.with_name(f"{self.path.name}.damaged")
            self.path.replace(aside)
            progress.say(
                f"The checkpoint {self.path.name} can't be read ({str(error)[:100]}): it is set "
                f"aside as {aside}, and training starts over."
            )
            return None
        return arrays if str(arrays.pop("fingerprint", "")) == self.fingerprint else None

    def remove(self) -> None:
        """Delete the file, if it exists."""
        self.path.unlink(missing_ok=True)
