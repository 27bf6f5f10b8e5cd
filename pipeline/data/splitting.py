"""Identifying rows with the same content, and holding rows out of train."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def identities(texts: Mapping[str, pa.ChunkedArray]) -> dict[str, NDArray[np.int64]]:
    """Hash the texts of several splits, without copying them.

    Args:
        texts: split → <string>[n].

    Returns:
        split → <int64>[n]; equal texts have equal hashes, in any split and any version.
    """
    return {
        name: hash_rows(text.encode() for chunk in column.chunks for text in chunk.to_pylist())
        for name, column in texts.items()
    }


def hash_rows(rows: Iterable[bytes]) -> NDArray[np.int64]:
    """Hash each row to 64 bits: in a million rows, a collision has a probability of 3e-8.

    Returns:
        <int64>[n].
    """
    digests = b"".join(blake2b(row, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def indivisible(
    copies: NDArray[np.int64], groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Number the parts of a split that must not be divided.

    Rows with the same text belong together, and so do those of the same group; and rows that
    either connects through others.

    Args:
        copies: <int64>[n], the hash of each row's text.
        groups: <int64>[n], what each row belongs to, if that is known.

    Returns:
        <int64>[n], equal for rows of one part. Without groups, the hash of the text.
    """
    if groups is None:
        return copies
    named, of_group = np.unique(groups, return_inverse=True)
    texts, of_text = np.unique(copies, return_inverse=True)
    # a graph of groups and texts, in which each row is an edge
    edges = coo_array(
        (np.ones(len(copies), bool), (of_group, len(named) + of_text)),
        shape=(len(named) + len(texts),) * 2,
    )
    count, parts = connected_components(edges, directed=False)
    # a part's lowest group names it, so that other rows don't renumber it
    names = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(names, parts[: len(named)], named)
    return np.asarray(names[parts[of_group]], np.int64)


def hold_out(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, share: float, seed: int
) -> NDArray[np.bool_]:
    """Choose rows to hold out: stratified, seeded, and by whole groups.

    A group's rank depends only on its number and the seed. If the numbers are hashes of content,
    editing, adding or removing a row leaves the other rows on their side, except for the few
    that keep the share.

    Args:
        labels: <int64>[n].
        groups: <int64>[n]; rows of one group, such as copies of a text, stay together.
        share: of each class's groups to hold out; at least one, and never all.
        seed: of the choice.

    Returns:
        <bool>[n], True for rows that are held out.
    """
    distinct, first = np.unique(groups, return_index=True)
    ranks = _mixed(distinct, seed)
    chosen = []
    for label in np.unique(labels):
        of_class = labels[first] == label
        members = distinct[of_class][np.argsort(ranks[of_class], kind="stable")]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen.append(members[: max(count, 0)])
    return np.isin(groups, np.concatenate(chosen))


def _mixed(numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Pseudorandom numbers from numbers and a seed: SplitMix64 (Steele et al. 2014)."""
    mixed = numbers.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
