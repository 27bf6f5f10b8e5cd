"""Reading numeric datasets: a series from which windows are cut, or one whole sequence per row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.predictions import SPLITS, UNLABELED, Task
from pipeline.core.sources import AddingSource, NumericSource, SequencesSource, SeriesSource
from pipeline.data import archives, readers, schema, splitting, steps, times
from pipeline.data.header import Layout
from pipeline.data.tables import read_files
from pipeline.errors import DataError


@dataclass(frozen=True)
class Series:
    """A numeric dataset in the schema of `data/raw`.

    Attributes:
        name: the dataset's name in params.yaml.
        layout: "steps": one row per step, in order of time; "sequences": one row per sequence,
            with a list of numbers per feature.
        task: what is predicted.
        classes: the names of the labels 0, 1, …; empty for regression.
        features: the features' columns.
        target: the target's column, `label` for classes.
        time: the time column, if there is one.
        told_apart: the column that tells several series apart, whose rows stand together.
        splits: train, validation, test.
        origin: the source, for the card.
        notes: sentences for the reader.
    """

    name: str
    layout: Literal["steps", "sequences"]
    task: Task
    classes: tuple[str, ...]
    features: tuple[str, ...]
    target: str
    time: str | None
    splits: Mapping[str, pa.Table]
    origin: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    told_apart: str | None = None

    def each(self, split: str, column: str) -> list[NDArray[np.float64]]:
        """<float64>[n] of each series, a split's values of a column in the order of time."""
        table = self.splits[split]
        values = np.asarray(table[column].to_numpy(), np.float64)
        if self.told_apart is None:
            return [values]
        names = table[self.told_apart].to_numpy()
        return np.split(values, 1 + np.flatnonzero(names[1:] != names[:-1]))


def load_series(name: str, source: NumericSource, *, home: Path, cache: Path) -> Series:
    """Read or generate a numeric dataset.

    Args:
        name: the dataset's name in params.yaml.
        source: its `source` there.
        home: the folder where relative paths start.
        cache: an empty folder for `datasets`.

    Raises:
        DataError: it can't be read, or a row violates the schema.
    """
    if isinstance(source, AddingSource):
        return _adding(name, source)
    path = readers.resolve_path(source.path, home=home)
    with archives.opened(path, into=cache, wanted=readers.file_format) as content:
        if isinstance(source, SeriesSource):
            made = _steps(name, source, path=content, cache=cache)
        else:
            made = _sequences(name, source, path=content, cache=cache)
    origin = {"kind": source.kind, "path": source.path, "files": readers.file_hashes(path)}
    return replace(made, origin=origin)


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _steps(name: str, source: SeriesSource, *, path: Path, cache: Path) -> Series:
    found = readers.files_by_split(path)
    if set(found) != {"train"}:
        raise DataError(
            f"{path} has files for {', '.join(found)}, but a series is split by time.",
            fix="name one file in `source.path`, and set the sizes of the splits in "
            "`source.split`.",
        )
    numeric = list(dict.fromkeys([*source.features, source.target]))
    timed, told = steps.names(source.time_column), steps.names(source.series_column)
    wanted = list(dict.fromkeys([*timed, *told, *numeric]))
    layout = Layout(columns=source.columns or ())
    read = read_files(found, lambda _: wanted, cache=cache, layout=layout)
    table, place = read.splits["train"].with_format("arrow")[:], read.places["train"]
    time = steps.read_times(table, timed, pattern=source.time_format, place=place)
    groups, notes = steps.in_order(
        time, times.join([table[one].to_pylist() for one in told]), rows=table.num_rows, place=place
    )
    order = np.concatenate(list(groups.values()))
    taken = dict.fromkeys(numeric, order)
    if source.missing == "ffill":
        taken = {one: steps.last_known(groups, table[one]) for one in numeric}
        if empty := [one for one, rows in taken.items() if (rows < 0).all()]:
            raise DataError(
                f"{path}: the column {empty[0]!r} has no number in any row.",
                fix="name another column in the dataset's `source` in params.yaml.",
            )
        known = np.all([rows >= 0 for rows in taken.values()], axis=0)
        if before := np.count_nonzero(~known):
            notes.append(
                f"Left out because a value is missing and none is before: {before:,} rows."
            )
        ends = np.cumsum([len(members) for members in groups.values()])[:-1]
        parts = zip(groups.items(), np.split(known, ends), strict=True)
        groups = {one: members[part] for (one, members), part in parts}
        order, taken = order[known], {one: rows[known] for one, rows in taken.items()}
    lengths = [len(members) for members in groups.values()]
    content: dict[str, Any] = {}
    if time is not None:
        content[" ".join(timed)] = time.take(pa.array(order))
    if told:
        content[" ".join(told)] = np.repeat(list(groups), lengths)
    for one, rows in taken.items():
        content[one] = steps.read_numbers(
            table[one].take(pa.array(rows)),
            name=one,
            source=source,
            place=_of(rows, place),
        )
    filled = {one: np.flatnonzero(rows != order) for one, rows in taken.items()}
    gaps = {one: rows for one, rows in filled.items() if len(rows)}
    if gaps:
        first = place(int(order[min(rows[0] for rows in gaps.values())]))
        listed = ", ".join(f"{len(rows):,} in {one}" for one, rows in gaps.items())
        notes.append(f"Missing values repeat the one before: {listed}. First: {first}.")
    splits, unused = _in_time(pa.table(content), groups, source, path=path)
    if unused:
        notes.append(f"Rows at the end that belong to no split: {unused:,}.")
    return Series(
        name=name,
        layout="steps",
        task="regression",
        classes=(),
        features=source.features,
        target=source.target,
        time=" ".join(timed) or None,
        told_apart=" ".join(told) or None,
        splits=splits,
        origin={},
        notes=tuple(notes),
    )


def _of(rows: NDArray[np.int64], place: schema.Place) -> schema.Place:
    """Locates a row of those that were taken."""
    return lambda row: place(int(rows[row]))


def _in_time(
    table: pa.Table, groups: Mapping[str, NDArray[np.int64]], source: SeriesSource, *, path: Path
) -> tuple[dict[str, pa.Table], int]:
    """The splits, consecutive steps of each series, and how many rows are left over."""
    parts: dict[str, list[NDArray[np.int64]]] = {split: [] for split in SPLITS}
    start = 0
    for name, members in groups.items():
        rows = len(members)
        sizes = [getattr(source.split, split) for split in SPLITS]
        if isinstance(sizes[0], float):
            sizes = [int(size * rows) for size in sizes]
        if sum(sizes) > rows or not all(sizes):
            where = f"{path}, series {name!r}," if name else f"{path}"
            raise DataError(
                f"{where} has {rows:,} rows, and `source.split` asks for "
                f"{' + '.join(f'{size:,}' for size in sizes)} = {sum(sizes):,}.",
                fix="give each split at least one row, and no more than there are: use shares such "
                "as 0.6, 0.2 and 0.2, or add rows.",
            )
        ends = start + np.cumsum(sizes)
        for split, size, end in zip(SPLITS, sizes, ends.tolist(), strict=True):
            parts[split].append(np.arange(end - size, end))
        start += rows
    splits = {split: table.take(pa.array(np.concatenate(rows))) for split, rows in parts.items()}
    return splits, table.num_rows - sum(part.num_rows for part in splits.values())


def _sequences(name: str, source: SequencesSource, *, path: Path, cache: Path) -> Series:
    found = readers.files_by_split(path)
    found.pop(UNLABELED, None)
    wanted = [*source.features, source.target]
    read = read_files(found, lambda _: wanted, cache=cache)
    tables = {split: part.with_format("arrow")[:] for split, part in read.splits.items()}
    inputs = {
        split: _inputs(table, source, place=read.places[split]) for split, table in tables.items()
    }
    classes: tuple[str, ...] = ()
    if source.task == "classification":
        targets: dict[str, NDArray[Any]]
        targets, classes = schema.labels(
            {split: table[source.target] for split, table in tables.items()},
            name=source.target,
            classes=source.classes,
            places=read.places,
        )
    else:
        targets = {
            split: schema.numbers(
                table[source.target], name=source.target, place=read.places[split]
            )
            for split, table in tables.items()
        }
    target = "label" if classes else source.target
    series = Series(
        name=name,
        layout="sequences",
        task=_task(classes),
        classes=classes,
        features=source.features,
        target=target,
        time=None,
        splits={
            split: pa.table(
                {
                    **{
                        feature: _lists(inputs[split][:, :, number])
                        for number, feature in enumerate(source.features)
                    },
                    target: targets[split],
                }
            )
            for split in tables
        },
        origin={},
    )
    for split, share in (("test", source.test_share), ("validation", source.validation_share)):
        series = _with(series, split, share=share, seed=source.seed)
    return series


def _inputs(
    table: pa.Table, source: SequencesSource, *, place: schema.Place
) -> NDArray[np.float64]:
    """<float64>[rows, time_steps, features]."""
    found = [schema.lists(table[one], name=one, place=place) for one in source.features]
    for feature, values in zip(source.features, found, strict=True):
        if values.shape != found[0].shape:
            raise DataError(
                f"{place(0)}: {values.shape[1]} steps in the column {feature!r}, "
                f"{found[0].shape[1]} in {source.features[0]!r}.",
                fix="give every feature the same number of steps.",
            )
    return np.stack(found, axis=-1)


def _with(series: Series, split: str, *, share: float, seed: int) -> Series:
    """Hold `split` out of train if the source has none, keeping copies of a sequence together."""
    if split in series.splits:
        return series
    train = series.splits["train"]
    labels = train["label"].to_numpy() if series.classes else np.zeros(train.num_rows, np.int64)
    held = splitting.hold_out(labels, identities(series)["train"], share=share, seed=seed)
    if held.all() or not held.any():
        raise DataError(
            f"{series.name} has too few different sequences to hold {split} out of train: "
            f"{train.num_rows:,} rows.",
            fix="add rows, or give validation and test files of their own.",
        )
    parts = {**series.splits, "train": train.filter(~held), split: train.filter(held)}
    note = f"The source has no {split} split: {share:.0%} of train was held out, seed {seed}."
    return replace(
        series,
        splits={name: parts[name] for name in SPLITS if name in parts},
        notes=(*series.notes, note),
    )


def identities(series: Series) -> dict[str, NDArray[np.int64]]:
    """split → <int64>[n], equal for equal sequences, whatever their targets."""

    def rows(table: pa.Table) -> Iterator[bytes]:
        parts = [
            table[name].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
            for name in series.features
        ]
        return (b"".join(part[row].tobytes() for part in parts) for row in range(table.num_rows))

    return {name: splitting.hash_rows(rows(table)) for name, table in series.splits.items()}


def _adding(name: str, source: AddingSource) -> Series:
    return Series(
        name=name,
        layout="sequences",
        task="regression",
        classes=(),
        features=("value", "marker"),
        target="sum",
        time=None,
        splits={
            split: adding_problem(
                rows=getattr(source, split),
                time_steps=source.time_steps,
                seed=len(SPLITS) * source.seed + number,
            )
            for number, split in enumerate(SPLITS)
        },
        origin=source.model_dump(mode="json"),
    )


def adding_problem(*, rows: int, time_steps: int, seed: int) -> pa.Table:
    """Generate Hochreiter & Schmidhuber's adding problem (1997, experiment 4, in [0, 1]).

    Every step has a value, uniform in [0, 1), and a marker, 1 at one step in each half and 0
    elsewhere. The target is the sum of the two marked values. Predicting its mean, 1, gives a
    squared error of 1/6.

    Returns:
        value: list<float32>[rows, time_steps], marker: the same, sum: <float64>[rows],
        evidence: list<int64>[rows, 2], the two marked steps, counted from 0.
    """
    generator = np.random.default_rng(seed)
    values = generator.random((rows, time_steps), np.float32)
    half = time_steps // 2
    first = generator.integers(0, half, rows)
    second = generator.integers(half, time_steps, rows)
    marker = np.zeros_like(values)
    each = np.arange(rows)
    marker[each, first] = marker[each, second] = 1
    total = values[each, first].astype(np.float64) + values[each, second]
    evidence = pa.array(np.stack([first, second], axis=1).tolist())
    return pa.table(
        {"value": _lists(values), "marker": _lists(marker), "sum": total, "evidence": evidence}
    )


def _lists(values: NDArray[Any]) -> pa.ListArray:
    """<float>[rows, time_steps] as a column of lists."""
    rows, steps = values.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * steps)
    flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
    return pa.ListArray.from_arrays(offsets, flat)


def _task(classes: tuple[str, ...]) -> Task:
    if not classes:
        return "regression"
    return "binary" if len(classes) == 2 else "multiclass"
