"""Reading numeric datasets: a series from which windows are cut, or one whole sequence per row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.params import AddingSource, NumericSource, SequencesSource, SeriesSource
from pipeline.data import readers, schema, sources, splitting
from pipeline.errors import DataError

SPLITS = ("train", "validation", "test")


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
        splits: train, validation, test.
        origin: the source, for the card.
        notes: sentences for the reader.
    """

    name: str
    layout: Literal["steps", "sequences"]
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    target: str
    time: str | None
    splits: Mapping[str, pa.Table]
    origin: Mapping[str, Any]
    notes: tuple[str, ...] = ()


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
    if isinstance(source, SeriesSource):
        return _steps(name, source, home=home, cache=cache)
    return _sequences(name, source, home=home, cache=cache)


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _steps(name: str, source: SeriesSource, *, home: Path, cache: Path) -> Series:
    path = readers.resolve_path(source.path, home=home)
    found = readers.files_by_split(path)
    if set(found) != {"train"}:
        raise DataError(
            f"{path} has files for {', '.join(found)}, but a series is split by time.",
            fix="name one file in `source.path`, and set the sizes of the splits in "
            "`source.split`.",
        )
    wanted = list(dict.fromkeys([*source.features, source.target]))
    timed = [source.time_column] if source.time_column else []
    read = sources.read_files(found, lambda _: [*timed, *wanted], cache=cache)
    table, place = read.splits["train"].with_format("arrow")[:], read.places["train"]
    content = {
        **{time: schema.times(table[time], name=time, place=place) for time in timed},
        **{one: schema.numbers(table[one], name=one, place=place) for one in wanted},
    }
    whole = pa.table(content)
    splits, unused = _in_time(whole, source, path=path)
    notes = (f"The last {unused:,} rows belong to no split.",) if unused else ()
    return Series(
        name=name,
        layout="steps",
        task="regression",
        classes=(),
        features=source.features,
        target=source.target,
        time=source.time_column,
        splits=splits,
        origin={"kind": source.kind, "path": source.path, "files": readers.file_hashes(path)},
        notes=notes,
    )


def _in_time(
    table: pa.Table, source: SeriesSource, *, path: Path
) -> tuple[dict[str, pa.Table], int]:
    """The consecutive splits, and how many rows are left over at the end."""
    sizes = [getattr(source.split, name) for name in SPLITS]
    if isinstance(sizes[0], float):
        sizes = [int(size * table.num_rows) for size in sizes]
    if sum(sizes) > table.num_rows or not all(sizes):
        raise DataError(
            f"{path} has {table.num_rows:,} rows, and `source.split` asks for "
            f"{' + '.join(f'{size:,}' for size in sizes)} = {sum(sizes):,}.",
            fix="lower the sizes, or use shares such as 0.6, 0.2 and 0.2.",
        )
    ends = np.cumsum(sizes).tolist()
    splits = {
        name: table.slice(end - size, size)
        for name, size, end in zip(SPLITS, sizes, ends, strict=True)
    }
    return splits, table.num_rows - ends[-1]


def _sequences(name: str, source: SequencesSource, *, home: Path, cache: Path) -> Series:
    path = readers.resolve_path(source.path, home=home)
    found = readers.files_by_split(path)
    found.pop("unsupervised", None)
    wanted = [*source.features, source.target]
    read = sources.read_files(found, lambda _: wanted, cache=cache)
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
        origin={"kind": source.kind, "path": source.path, "files": readers.file_hashes(path)},
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


def _task(classes: tuple[str, ...]) -> Literal["binary", "multiclass", "regression"]:
    if not classes:
        return "regression"
    return "binary" if len(classes) == 2 else "multiclass"
