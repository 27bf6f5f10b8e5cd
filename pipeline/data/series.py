"""Numeric datasets: steps in time from which windows are cut, or whole sequences row by row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.data import checks, columns, files, sources, splitting
from pipeline.errors import DataError
from pipeline.params import AddingSource, NumericSource, SequencesSource, SeriesSource

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Series:
    """A numeric dataset in the schema of `data/raw`.

    Attributes:
        name: the dataset's, in params.yaml.
        layout: "steps": a row each step, in the order of time; "sequences": a row each sequence,
            with a list of numbers per feature.
        task: what is predicted.
        classes: the names of the labels 0, 1, …; none for regression.
        features: their columns.
        target: its column; a class stands in the column `label`.
        time: the time column, if there is one.
        splits: train, validation, test.
        origin: what the source was, for the card.
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


@dataclass(frozen=True)
class Findings:
    """What was found in a numeric dataset.

    Attributes:
        series: without the rows that were dropped.
        constant: features with one value in all of train.
        step: the usual step in time, as text; None without a time column.
        gaps: split → steps longer than the usual one.
        shared: "a/b" → different sequences that stand in both of two splits of the source.
        dropped: split → split → rows left out of the first, as the second has them too.
        notes: sentences for the reader.
    """

    series: Series
    constant: tuple[str, ...]
    step: str | None = None
    gaps: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """split → the rows to write."""
        return self.series.splits

    def card(self) -> dict[str, Any]:
        """The card, but for the files' hashes."""
        series = self.series
        return {
            "dataset": series.name,
            "kind": "series",
            "task": series.task,
            "classes": list(series.classes),
            "source": dict(series.origin),
            "revision": None,
            "layout": series.layout,
            "features": list(series.features),
            "target": series.target,
            "time_column": series.time,
            "splits": {name: _facts(series, table) for name, table in series.splits.items()},
            "constant_features": list(self.constant),
            "step": self.step,
            "gaps": dict(self.gaps),
            "duplicates": {"across": dict(self.shared)},
            "dropped": {name: dict(others) for name, others in self.dropped.items()},
        }

    def render(self) -> str:
        """The findings as text for a terminal."""
        series = self.series
        named = ", ".join(series.features[:8]) + (", …" if len(series.features) > 8 else "")
        head = f"{series.name}: {len(series.features)} features ({named}), target {series.target}"
        rows = [["split", "rows", *_spread(series, series.splits["train"])]]
        for name, table in series.splits.items():
            rows.append([name, f"{table.num_rows:,}", *_spread(series, table).values()])
        return "\n".join([head, checks.table(rows), *(f"  · {note}" for note in self.notes)])


def load(name: str, source: NumericSource, *, home: Path, cache: Path) -> Series:
    """Read or generate a numeric dataset.

    Args:
        name: the dataset's, in params.yaml.
        source: its section there.
        home: the folder where relative paths start.
        cache: an empty folder, for `datasets`.

    Raises:
        DataError: it can't be read, or a row breaks the schema.
    """
    if isinstance(source, AddingSource):
        return _adding(name, source)
    if isinstance(source, SeriesSource):
        return _steps(name, source, home=home, cache=cache)
    return _sequences(name, source, home=home, cache=cache)


# ── reading ──────────────────────────────────────────────────────────────────────────────


def _steps(name: str, source: SeriesSource, *, home: Path, cache: Path) -> Series:
    path = files.existing(source.path, home=home)
    found = files.splits(path)
    if set(found) != {"train"}:
        raise DataError(
            f"{path} has files for {', '.join(found)}; a series is split by time instead.",
            fix="name one file in `source.path`, and the splits' sizes in `source.split`.",
        )
    wanted = list(dict.fromkeys([*source.features, source.target]))
    timed = [source.time_column] if source.time_column else []
    read = sources.read_files(found, lambda _: [*timed, *wanted], cache=cache)
    table, place = read.splits["train"].with_format("arrow")[:], read.places["train"]
    content = {
        **{time: columns.times(table[time], name=time, place=place) for time in timed},
        **{one: columns.numbers(table[one], name=one, place=place) for one in wanted},
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
        origin={"kind": source.kind, "path": source.path, "files": files.hashes(path)},
        notes=notes,
    )


def _in_time(
    table: pa.Table, source: SeriesSource, *, path: Path
) -> tuple[dict[str, pa.Table], int]:
    """The splits, one after the other, and how many rows are left over at the end."""
    sizes = [getattr(source.split, name) for name in SPLITS]
    if isinstance(sizes[0], float):
        sizes = [int(size * table.num_rows) for size in sizes]
    if sum(sizes) > table.num_rows or not all(sizes):
        raise DataError(
            f"{path} has {table.num_rows:,} rows, and `source.split` asks for "
            f"{' + '.join(f'{size:,}' for size in sizes)} = {sum(sizes):,}.",
            fix="lower the sizes, or give shares such as 0.6, 0.2 and 0.2.",
        )
    ends = np.cumsum(sizes).tolist()
    splits = {
        name: table.slice(end - size, size)
        for name, size, end in zip(SPLITS, sizes, ends, strict=True)
    }
    return splits, table.num_rows - ends[-1]


def _sequences(name: str, source: SequencesSource, *, home: Path, cache: Path) -> Series:
    path = files.existing(source.path, home=home)
    found = files.splits(path)
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
        targets, classes = columns.labels(
            {split: table[source.target] for split, table in tables.items()},
            name=source.target,
            classes=source.classes,
            places=read.places,
        )
    else:
        targets = {
            split: columns.numbers(
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
        origin={"kind": source.kind, "path": source.path, "files": files.hashes(path)},
    )
    for split, share in (("test", source.test_share), ("validation", source.validation_share)):
        series = _with(series, split, share=share, seed=source.seed)
    return series


def _inputs(
    table: pa.Table, source: SequencesSource, *, place: columns.Place
) -> NDArray[np.float64]:
    """<float64>[rows, time_steps, features]."""
    found = [columns.lists(table[one], name=one, place=place) for one in source.features]
    for feature, values in zip(source.features, found, strict=True):
        if values.shape != found[0].shape:
            raise DataError(
                f"{place(0)}: {values.shape[1]} steps in the column {feature!r}, "
                f"{found[0].shape[1]} in {source.features[0]!r}.",
                fix="give every feature equally many steps.",
            )
    return np.stack(found, axis=-1)


def _with(series: Series, split: str, *, share: float, seed: int) -> Series:
    """Hold `split` out of train where the source has none: copies of a sequence together."""
    if split in series.splits:
        return series
    train = series.splits["train"]
    labels = train["label"].to_numpy() if series.classes else np.zeros(train.num_rows, np.int64)
    held = splitting.hold_out(labels, _identities(series)["train"], share=share, seed=seed)
    parts = {**series.splits, "train": train.filter(~held), split: train.filter(held)}
    note = f"The source has no {split} split: {share:.0%} of train was held out, seed {seed}."
    return replace(
        series,
        splits={name: parts[name] for name in SPLITS if name in parts},
        notes=(*series.notes, note),
    )


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
            split: adding(
                rows=getattr(source, split),
                time_steps=source.time_steps,
                seed=len(SPLITS) * source.seed + number,
            )
            for number, split in enumerate(SPLITS)
        },
        origin=source.model_dump(mode="json"),
    )


def adding(*, rows: int, time_steps: int, seed: int) -> pa.Table:
    """Generate Hochreiter & Schmidhuber's adding problem (1997, experiment 4, in [0, 1]).

    Every step has a value, uniform in [0, 1), and a marker, 1 at one step in the first half and
    at one in the second, else 0. The target is the sum of the two marked values: to predict its
    mean, 1, gives a squared error of 1/6.

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


# ── checks ───────────────────────────────────────────────────────────────────────────────


def examine(series: Series) -> Findings:
    """Look a numeric dataset through; leave out of a split what a later one has too.

    Raises:
        DataError: nothing can be learnt from it.
    """
    shared: dict[str, int] = {}
    dropped: dict[str, dict[str, int]] = {}
    if series.layout == "sequences":
        clean = checks.without_leaks(series.splits, _identities(series))
        series, shared, dropped = replace(series, splits=clean.tables), clean.shared, clean.dropped
    step, gaps = _gaps(series) if series.time else (None, {})
    findings = Findings(
        series,
        constant=tuple(name for name in series.features if _constant(series, name)),
        step=step,
        gaps=gaps,
        shared=shared,
        dropped=dropped,
    )
    _require_learnable(findings)
    return replace(findings, notes=(*series.notes, *_notes(findings)))


def _identities(series: Series) -> dict[str, NDArray[np.int64]]:
    """split → <int64>[n]; the same sequence has the same number. The target does not count."""

    def rows(table: pa.Table) -> Iterator[bytes]:
        parts = [
            table[name].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
            for name in series.features
        ]
        return (b"".join(part[row].tobytes() for part in parts) for row in range(table.num_rows))

    return {name: splitting.numbered(rows(table)) for name, table in series.splits.items()}


def _constant(series: Series, feature: str) -> bool:
    values = _numbers(series.splits["train"][feature])
    return bool(np.ptp(values) == 0)


def _gaps(series: Series) -> tuple[str, dict[str, int]]:
    """The usual step, and how many steps of each split are longer."""
    times = {name: table[series.time].to_numpy() for name, table in series.splits.items()}
    steps = np.concatenate([np.diff(values) for values in times.values()])
    found, counts = np.unique(steps, return_counts=True)
    usual = found[counts.argmax()]
    gaps = {name: int(np.sum(np.diff(values) > usual)) for name, values in times.items()}
    return str(pa.scalar(usual).as_py()), gaps


def _require_learnable(findings: Findings) -> None:
    series = findings.series
    train = series.splits["train"]
    if len(findings.constant) == len(series.features):
        raise DataError(
            f"{series.name}: every feature has one value in all of train.",
            fix="name other columns in `source.features`.",
        )
    if series.task == "regression":
        if np.ptp(_numbers(train[series.target])) == 0:
            raise DataError(
                f"{series.name}: the target {series.target!r} has one value in all of train.",
                fix="name another column in `source.target`.",
            )
        return
    checks.require_classes(
        series.name,
        series.classes,
        labels=train["label"].to_numpy(),
        identities=_identities(series)["train"],
        without=sum(findings.dropped.get("train", {}).values()),
    )


def _notes(findings: Findings) -> Iterator[str]:
    for name in findings.constant:
        yield f"The feature {name!r} is constant in train."
    if findings.step:
        yield f"The usual step in time is {findings.step}."
    for split, gaps in findings.gaps.items():
        if gaps:
            yield f"Gaps in time in {split}: {gaps:,}; a window may reach over one."
    for split, others in findings.dropped.items():
        for other, rows in others.items():
            yield f"Left out of {split}, as {other} has the same sequence: {rows:,} rows."


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    flat = column.combine_chunks()
    return np.asarray((flat.flatten() if pa.types.is_list(flat.type) else flat).to_numpy())


def _facts(series: Series, table: pa.Table) -> dict[str, Any]:
    """What the card states of one split."""
    facts: dict[str, Any] = {"rows": table.num_rows}
    if series.layout == "sequences":
        facts["time_steps"] = len(table[series.features[0]][0])
    if series.time:
        first, last = (table[series.time][row].as_py() for row in (0, -1))
        facts |= {"from": str(first), "to": str(last)}
    if series.classes:
        counts = np.bincount(table["label"].to_numpy(), minlength=len(series.classes)).tolist()
        return facts | {"labels": dict(zip(series.classes, counts, strict=True))}
    values = _numbers(table[series.target])
    measures = {"min": values.min(), "mean": values.mean(), "max": values.max()}
    return facts | {"target": {name: round(float(value), 6) for name, value in measures.items()}}


def _spread(series: Series, table: pa.Table) -> dict[str, str]:
    """The cells of one split in the table that is shown: heading → cell."""
    facts = _facts(series, table)
    return {
        **{key: facts[key] for key in ("from", "to") if key in facts},
        **{name: f"{rows:,}" for name, rows in facts.get("labels", {}).items()},
        **{f"target: {name}": f"{value:.4g}" for name, value in facts.get("target", {}).items()},
    }
