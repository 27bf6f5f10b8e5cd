"""Which rows are the same text, and which rows are held out."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def identities(texts: Mapping[str, pa.ChunkedArray]) -> dict[str, NDArray[np.int64]]:
    """Number the distinct texts of several splits, without a copy of them.

    Args:
        texts: split → <string>[n].

    Returns:
        split → <int64>[n]; the same text has the same number, in whichever split it stands.
    """
    return numbered(
        {
            name: (text.encode() for chunk in column.chunks for text in chunk.to_pylist())
            for name, column in texts.items()
        }
    )


def numbered(rows: Mapping[str, Iterable[bytes]]) -> dict[str, NDArray[np.int64]]:
    """Number the distinct contents of several splits' rows; compared is a hash of 128 bits."""
    hashed = {
        name: np.frombuffer(
            b"".join(blake2b(row, digest_size=16).digest() for row in members), dtype="S16"
        )
        for name, members in rows.items()
    }
    _, numbers = np.unique(np.concatenate(list(hashed.values())), return_inverse=True)
    ends = np.cumsum([len(column) for column in hashed.values()])
    return dict(zip(hashed, np.split(numbers.astype(np.int64), ends[:-1]), strict=True))


def hold_out(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, share: float, seed: int
) -> NDArray[np.bool_]:
    """Choose rows to hold out: stratified, seeded, and whole groups at a time.

    Args:
        labels: <int64>[n].
        groups: <int64>[n]; rows of one group, such as copies of one text, stay together.
        share: of each class's groups, at least one and never all of them.
        seed: of the choice.

    Returns:
        <bool>[n], True where the row is held out.
    """
    generator = np.random.default_rng(seed)
    distinct, first = np.unique(groups, return_index=True)
    chosen = []
    for label in np.unique(labels):
        members = generator.permutation(distinct[labels[first] == label])
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen.append(members[: max(count, 0)])
    return np.isin(groups, np.concatenate(chosen))
