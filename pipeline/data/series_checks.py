"""Checks of a numeric dataset: splits, gaps, constant features, duplicates."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.data import checks
from pipeline.data.series import Series, identities
from pipeline.errors import DataError


@dataclass(frozen=True)
class Findings:
    """What was found in a numeric dataset.

    Attributes:
        series: the dataset without the dropped rows.
        constant: features that are constant in train.
        step: the usual time step, as text; None without a time column.
        gaps: split → number of steps longer than the usual one.
        shared: "a/b" → distinct sequences that are in both splits of the source.
        dropped: split → other split → rows dropped from the first because the other has them.
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
        """The card without the files' hashes."""
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
            "series_column": series.told_apart,
            "series": _count(series),
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
        named, count = ", ".join(series.features[:8]), len(series.features)
        more = f", … ({count:,} features)" if count > 8 else ""
        head = f"{series.name}: predicts {series.target} from {named}{more}"
        rows = [["split", "rows", *_spread(series, series.splits["train"])]]
        for name, table in series.splits.items():
            rows.append([name, f"{table.num_rows:,}", *_spread(series, table).values()])
        return "\n".join([head, checks.format_table(rows), *(f"  · {note}" for note in self.notes)])


# ── checks ───────────────────────────────────────────────────────────────────────────────


def check_series(series: Series) -> Findings:
    """Check a numeric dataset, and drop sequences that also occur in a later split.

    Raises:
        DataError: nothing can be learned from it.
    """
    shared: dict[str, int] = {}
    dropped: dict[str, dict[str, int]] = {}
    if series.layout == "sequences":
        clean = checks.without_leaks(series.splits, identities(series))
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


def _constant(series: Series, feature: str) -> bool:
    values = _numbers(series.splits["train"][feature])
    return bool(np.ptp(values) == 0)


def _gaps(series: Series) -> tuple[str, dict[str, int]]:
    """The most frequent time step, and how many steps of each split are longer."""
    steps = {name: _time_steps(series, table) for name, table in series.splits.items()}
    found, counts = np.unique(np.concatenate(list(steps.values())), return_counts=True)
    usual = found[counts.argmax()]
    gaps = {name: int(np.sum(values > usual)) for name, values in steps.items()}
    return str(pa.scalar(usual).as_py()).removesuffix(", 0:00:00"), gaps  # "1 day, 0:00:00"


def _time_steps(series: Series, table: pa.Table) -> NDArray[Any]:
    """The differences between the times of neighboring rows of the same series."""
    steps: NDArray[Any] = np.diff(table[series.time].to_numpy())
    if series.told_apart is None:
        return steps
    names = table[series.told_apart].to_numpy()
    return np.asarray(steps[names[1:] == names[:-1]])


def _count(series: Series) -> int:
    """How many series there are."""
    column = series.told_apart
    return len(series.splits["train"][column].unique()) if column else 1


def _require_learnable(findings: Findings) -> None:
    series = findings.series
    train = series.splits["train"]
    if len(findings.constant) == len(series.features):
        raise DataError(
            f"{series.name}: every feature is constant in train.",
            fix="name other columns in `source.features`.",
        )
    if series.task == "regression":
        if np.ptp(_numbers(train[series.target])) == 0:
            raise DataError(
                f"{series.name}: the target {series.target!r} is constant in train.",
                fix="name another column in `source.target`.",
            )
        return
    checks.require_classes(
        series.name,
        series.classes,
        labels=train["label"].to_numpy(),
        identities=identities(series)["train"],
        without=sum(findings.dropped.get("train", {}).values()),
    )


def _notes(findings: Findings) -> Iterator[str]:
    for name in findings.constant:
        yield f"The feature {name!r} is constant in train."
    yield from _marks(findings.series)
    if findings.step:
        yield f"The usual time step is {findings.step}."
    for split, gaps in findings.gaps.items():
        if gaps:
            yield f"Gaps in time in {split}: {gaps:,}; windows may span them."
    for split, others in findings.dropped.items():
        for other, rows in others.items():
            yield f"Dropped from {split} because {other} has the same sequence: {rows:,} rows."


def _marks(series: Series) -> Iterator[str]:
    """Values such as -999 and 9999, far from all others, which may stand for missing ones."""
    for name in dict.fromkeys(
        (*series.features, *([series.target] if series.task == "regression" else []))
    ):
        values = np.concatenate([_numbers(table[name]) for table in series.splits.values()])
        for end in (values.min(), values.max()):
            others = values[values != end]
            nines = re.fullmatch(r"-?99+", f"{end:g}")
            if nines and len(others) and np.abs(others - end).min() > np.ptp(others):
                yield (
                    f"{name!r} has {end:g} in {len(values) - len(others):,} rows, far from all "
                    "others. If that stands for a missing number, leave the cell empty, and set "
                    "`source.missing: ffill` to repeat the value before."
                )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    flat = column.combine_chunks()
    return np.asarray((flat.flatten() if pa.types.is_list(flat.type) else flat).to_numpy())


def _facts(series: Series, table: pa.Table) -> dict[str, Any]:
    """The card's facts about one split."""
    facts: dict[str, Any] = {"rows": table.num_rows}
    if series.layout == "sequences":
        facts["time_steps"] = len(table[series.features[0]][0])
    if series.time:
        ends = pc.min_max(table[series.time]).as_py()
        facts |= {"from": str(ends["min"]), "to": str(ends["max"])}
    if series.classes:
        counts = np.bincount(table["label"].to_numpy(), minlength=len(series.classes)).tolist()
        return facts | {"labels": dict(zip(series.classes, counts, strict=True))}
    values = _numbers(table[series.target])
    measures = {"min": values.min(), "mean": values.mean(), "max": values.max()}
    return facts | {"target": {name: round(float(value), 6) for name, value in measures.items()}}


def _spread(series: Series, table: pa.Table) -> dict[str, str]:
    """One split's cells in the terminal's table: heading → cell."""
    facts = _facts(series, table)
    return {
        **{key: facts[key] for key in ("from", "to") if key in facts},
        **{name: f"{rows:,}" for name, rows in facts.get("labels", {}).items()},
        **{f"target: {name}": f"{value:.4g}" for name, value in facts.get("target", {}).items()},
    }
