"""Data versions: listing those in the repository's history, and comparing two of them.

Git has every past `dvc.lock`, which contains the hash of `data/raw`. DVC finds the files with
that hash in its cache or on its remote.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.files import read_json, read_table
from pipeline.data import checks, splitting
from pipeline.data.card import is_grouped
from pipeline.errors import ArtifactError, DataError
from pipeline.repository import git, locked_hash

RAW = "data/raw"
WORKSPACE = "the workspace"
# Keys of a card that must be equal for two versions to be compared.
_COLUMNS = ("kind", "layout", "features", "target", "time_column", "series_column")


# ── listing ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Version:
    """A version of `data/raw`.

    Attributes:
        digest: DVC's hash of the folder.
        revision: the first commit that has it, abbreviated; None if only the workspace does.
        date: of that commit, as ISO 8601.
        card: its card; None if neither DVC's cache nor its remote still has it.
        current: whether it is the workspace's version.
    """

    digest: str
    revision: str | None
    date: str | None
    card: Mapping[str, Any] | None
    current: bool


def list_versions(root: Path) -> list[Version]:
    """All versions in the history of any branch, newest first, and the workspace's."""
    current = locked_hash((root / "dvc.lock").read_text("utf-8"), RAW) if _has_lock(root) else None
    first: dict[str, tuple[str, str]] = {}
    log = git(root, "log", "--all", "--format=%h %cI", "--", "dvc.lock") or ""
    for line in log.splitlines():
        revision, date = line.split()
        digest = locked_hash(git(root, "show", f"{revision}:./dvc.lock") or "", RAW)
        if digest:
            first[digest] = (revision, date)  # the log is newest first, so the earliest remains
    order = sorted(first, key=lambda digest: first[digest][1], reverse=True)
    if current is not None and current not in first:
        order.insert(0, current)
    return [
        Version(
            digest=digest,
            revision=first.get(digest, (None, None))[0],
            date=first.get(digest, (None, None))[1],
            card=_card(root, first.get(digest, (None, None))[0]),
            current=digest == current,
        )
        for digest in order
    ]


def render_versions(versions: list[Version], runs: Mapping[str, int] | None) -> str:
    """Format the versions as a table for a terminal.

    Args:
        versions: from `list_versions`.
        runs: DVC's hash → number of MLflow runs trained on it; None if MLflow is unavailable.
    """
    head = ["  version", "first commit", "date", "dataset", "train / test", "classes", "runs"]
    rows = [head]
    for version in versions:
        card = version.card or {}
        splits = card.get("splits", {})
        sizes = [f"{splits[name]['rows']:,}" for name in ("train", "test") if name in splits]
        classes = card.get("classes", [])
        rows.append(
            [
                f"{'*' if version.current else ' '} {version.digest[:8]}",
                version.revision or "none yet",
                (version.date or "–")[:16].replace("T", " "),
                card.get("dataset", "not in the cache"),
                " / ".join(sizes) or "–",
                (", ".join(classes) if len(classes) < 4 else f"{len(classes)}") or "–",
                "?" if runs is None else f"{runs.get(version.digest, 0)}",
            ]
        )
    return checks.format_table(rows)


def _card(root: Path, revision: str | None) -> Mapping[str, Any] | None:
    try:
        with files_at(root, revision, [f"{RAW}/card.json"]) as folder:
            card: Mapping[str, Any] = read_json(folder / RAW / "card.json")
            return card
    except (ArtifactError, DataError):
        return None


def _has_lock(root: Path) -> bool:
    return (root / "dvc.lock").is_file()


# ── the files of a version ───────────────────────────────────────────────────────────────


@contextlib.contextmanager
def files_at(root: Path, revision: str | None, paths: Sequence[str]) -> Iterator[Path]:
    """Yield a folder laid out like the project, with a revision's files at these paths.

    Args:
        root: the project.
        revision: anything git resolves; None for the workspace, which is not copied.
        paths: files or folders tracked by git or DVC.

    Raises:
        DataError: there is no such revision, or neither cache nor remote has the files.
    """
    if revision is None:
        yield root
        return
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError
    from dvc_data.index import DataIndexDirError

    with tempfile.TemporaryDirectory() as folder, _silent("dvc"):
        try:
            files = DVCFileSystem(str(root), rev=revision)
            for path in paths:
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get(path, str(target), recursive=files.isdir(path))
        except SCMError as error:
            raise DataError(
                f"There is no git revision {revision!r}: {error}.",
                fix="name a commit, branch or tag; `python -m pipeline data` lists the commits "
                "that changed the data.",
            ) from None
        except AttributeError:  # what git calls a blob has no tree
            raise DataError(
                f"{revision!r} is no git revision.",
                fix="name a commit, branch or tag; `python -m pipeline data` lists the commits "
                "that changed the data.",
            ) from None
        except (DvcException, DataIndexDirError, OSError) as error:
            raise DataError(
                f"Some files of revision {revision} are neither in DVC's cache nor on its "
                f"remote: {' '.join(str(error).split())}.",
                fix="fetch them from the remote they were pushed to (dvc pull), or reproduce "
                f"them: git checkout {revision} && dvc repro",
            ) from None
        yield Path(folder)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


# ── comparing ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Side:
    """One of the two versions that are compared.

    Attributes:
        name: its name for the reader.
        card: its card.
        splits: its tables.
    """

    name: str
    card: Mapping[str, Any]
    splits: Mapping[str, pa.Table]

    def groups(self, split: str) -> NDArray[np.int64] | None:
        """<int64>[n], what each row of a split belongs to; None if the source doesn't say."""
        if not is_grouped(self.card):
            return None
        return np.asarray(self.splits[split]["group"].to_numpy(), np.int64)


@dataclass(frozen=True)
class Change:
    """What changed in one split.

    Attributes:
        rows: before and after.
        added: rows whose input is new or more frequent.
        removed: rows whose input is gone or less frequent.
        relabeled: rows with the same input and another class or target.
        labels: class → rows before and after.
        characters: quantile → length of the texts before and after.
    """

    rows: tuple[int, int]
    added: int
    removed: int
    relabeled: int
    labels: Mapping[str, tuple[int, int]]
    characters: Mapping[str, tuple[int, int]]

    @property
    def any(self) -> bool:
        """Whether any row has changed."""
        return bool(self.added or self.removed or self.relabeled)


def read_side(root: Path, revision: str | None) -> Side:
    """Read one version; None is the workspace's.

    Raises:
        ArtifactError, DataError: its files can't be found.
    """
    with files_at(root, revision, [RAW]) as folder:
        raw = folder / RAW
        card = read_json(raw / "card.json")
        splits = {name: read_table(raw / f"{name}.parquet") for name in card["splits"]}
    return Side(revision or WORKSPACE, card, splits)


def compare_versions(old: Side, new: Side) -> dict[str, Change]:
    """What changed in every split that either version has.

    A row's input is its text, a sequence's numbers, or a step's time (its position, if there is
    no time). Everything else counts as its label.

    Raises:
        DataError: their columns differ.
    """
    shapes = [tuple(one.card.get(key) for key in _COLUMNS) for one in (old, new)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"{old.name} has the dataset '{old.card['dataset']}' and {new.name} "
            f"'{new.card['dataset']}', which have different columns.",
            fix="compare two versions of the same dataset.",
        )
    return {name: _change(old, new, name) for name in dict.fromkeys([*old.splits, *new.splits])}


def _change(old: Side, new: Side, split: str) -> Change:
    # <int64>[rows, 2]: hashes of each row's input and of its label
    before, after = (
        np.stack([splitting.hash_rows(read(one, split)) for read in (_inputs, _labels)], axis=1)
        for one in (old, new)
    )
    same_input = _in_common(before[:, :1], after[:, :1])
    facts = [one.card["splits"].get(split, {}) for one in (old, new)]
    labels = [fact.get("labels", {}) for fact in facts]
    characters = [fact.get("characters", {}) for fact in facts]
    return Change(
        rows=(len(before), len(after)),
        added=len(after) - same_input,
        removed=len(before) - same_input,
        relabeled=same_input - _in_common(before, after),
        labels={
            name: (labels[0].get(name, 0), labels[1].get(name, 0))
            for name in dict.fromkeys([*labels[0], *labels[1]])
        },
        characters={
            key: (characters[0][key], characters[1][key])
            for key in characters[0]
            if key in characters[1]
        },
    )


def _inputs(one: Side, split: str) -> Iterator[bytes]:
    """Each row's input to a model, as bytes."""
    table = one.splits.get(split)
    if table is None:
        return
    if one.card["kind"] == "text":
        for chunk in table["text"].chunks:
            yield from (text.encode() for text in chunk.to_pylist())
    elif one.card["layout"] == "sequences":
        yield from _written(table, one.card["features"])
    elif one.card["time_column"]:
        keys = [one.card.get("series_column"), one.card["time_column"]]
        yield from _written(table, [key for key in keys if key])
    else:
        yield from (f"{row}".encode() for row in range(table.num_rows))


def _labels(one: Side, split: str) -> Iterator[bytes]:
    """Everything in a row besides its input, as bytes; for a class, its name."""
    table = one.splits.get(split)
    if table is None:
        return
    if "label" in table.column_names and one.card["classes"]:
        names = [name.encode() for name in one.card["classes"]]
        yield from (names[label] for label in table["label"].to_pylist())
    elif one.card["kind"] == "text":
        yield from (b"" for _ in range(table.num_rows))
    elif one.card["layout"] == "sequences":
        yield from _written(table, [one.card["target"]])
    else:
        yield from _written(table, [*one.card["features"], one.card["target"]])


def _written(table: pa.Table, names: list[str]) -> Iterator[bytes]:
    """Each row's values in these columns, as bytes."""
    for batch in table.select(names).to_batches(max_chunksize=1000):
        yield from (repr(row).encode() for row in batch.to_pylist())


def _in_common(before: NDArray[np.int64], after: NDArray[np.int64]) -> int:
    """How many rows two multisets, <int64>[n, columns], have in common."""
    _, numbers = np.unique(np.concatenate([before, after]), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1)
    most = int(numbers.max(initial=0)) + 1
    counts = [
        np.bincount(part, minlength=most)
        for part in (numbers[: len(before)], numbers[len(before) :])
    ]
    return int(np.minimum(*counts).sum())


def render_changes(old: Side, new: Side, changes: Mapping[str, Change]) -> str:
    """Format the changes as text for a terminal."""
    if not any(change.any for change in changes.values()):
        return f"{old.name} and {new.name} have the same rows of '{new.card['dataset']}'."
    head = ["split", "rows", "", "added", "removed", "relabeled", "characters: median", "95 %"]
    rows = [
        [
            name,
            f"{change.rows[0]:,}",
            f"→ {change.rows[1]:,}",
            f"{change.added:,}",
            f"{change.removed:,}",
            f"{change.relabeled:,}",
            *(_arrow(change.characters.get(key)) for key in ("median", "q95")),
        ]
        for name, change in changes.items()
    ]
    balance = [
        f"  {name}: "
        + ", ".join(
            f"{label} {_share(change, label, 0)} → {_share(change, label, 1)}"
            for label in change.labels
        )
        for name, change in changes.items()
        if change.labels
    ]
    title = f"'{new.card['dataset']}', {old.name} → {new.name}"
    return "\n".join([title, checks.format_table([head, *rows]), *balance])


def _arrow(values: tuple[int, int] | None) -> str:
    return "–" if values is None else f"{values[0]:,} → {values[1]:,}"


def _share(change: Change, label: str, when: int) -> str:
    total = sum(counts[when] for counts in change.labels.values())
    return f"{change.labels[label][when] / total:.1%}" if total else "–"
