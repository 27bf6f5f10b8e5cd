"""Encoding numeric splits as standardized sequences.

Windows are cut from each split separately, and within it from each series, so none spans two of
them: validation and test each start with a full window of their own. (The usual benchmark code
for ETT lets the inputs of the first validation and test windows extend into the split before.)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.core.params import SeriesEncode
from pipeline.core.sequences import Sequences
from pipeline.errors import DataError

LARGEST = 1e30  # as in the data: a network's numbers end at 3e38, and it multiplies and adds them


@dataclass(frozen=True)
class Scale:
    """One column's mean and standard deviation in train."""

    name: str
    mean: float
    deviation: float

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Convert to standard units.

        Raises:
            DataError: a value is farther from train's mean than a network can compute with.
        """
        standard = (values - self.mean) / self.deviation
        if np.abs(standard).max(initial=0.0) > LARGEST:
            raise DataError(
                f"A value of {self.name!r} is {np.abs(standard).max():.0e} of train's standard "
                f"deviations, {self.deviation:.0e}, from its mean.",
                fix="correct that value, or leave the column out: it is nearly constant in train.",
            )
        return np.asarray(standard, np.float32)

    def restore(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Convert back to the column's unit."""
        return np.asarray(values, np.float64) * self.deviation + self.mean


@dataclass(frozen=True)
class Scaler:
    """Converts raw windows to a network's inputs, and its outputs to the target's unit.

    Attributes:
        features: the scale of each feature.
        target: the target's scale; None if it is a class.
        relative: whether windows and targets are differences from the window's last step. The
            network then has no level to learn, and predicting 0 repeats the last value (the
            normalization of NLinear, Zeng et al. 2023). Errors are unchanged; R² is that of the
            change.
    """

    features: tuple[Scale, ...]
    target: Scale | None
    relative: bool = False

    def to_json(self) -> dict[str, Any]:
        """The content of `scaler.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Scaler":
        """Read what `to_json` returned."""
        target = content["target"]
        return cls(
            features=tuple(Scale(**scale) for scale in content["features"]),
            target=None if target is None else Scale(**target),
            relative=content["relative"],
        )

    @property
    def place(self) -> int | None:
        """The target's index among the features; None if it isn't one of them."""
        names = [scale.name for scale in self.features]
        return names.index(self.target.name) if self.target and self.target.name in names else None

    def standardize(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """<float64>[..., features] in their units -> <float32>[..., features]."""
        columns = [scale.apply(values[..., number]) for number, scale in enumerate(self.features)]
        return np.stack(columns, axis=-1)

    def inputs(self, windows: NDArray[np.float64]) -> Sequences:
        """<float64>[n, time_steps, features] in their units -> what a network reads.

        The targets are unknown, and set to 0.
        """
        values = self.standardize(windows)
        if self.relative:
            values = values - values[:, -1:]
        return _equally_long(values, np.zeros(len(values), np.float32))

    def restore(
        self, outputs: NDArray[np.float32], windows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """<float32>[n], a network's outputs for raw windows -> <float64>[n] in target units."""
        assert self.target is not None, "a class has no unit"
        if not self.relative:
            return self.target.restore(outputs)
        return np.asarray(outputs, np.float64) * self.target.deviation + windows[:, -1, self.place]


def fit_scaler(
    train: pa.Table,
    *,
    features: list[str],
    target: str | None,
    standardize: bool = True,
    relative: bool = False,
) -> Scaler:
    """Measure mean and standard deviation of train's columns; constant ones are only centered.

    Args:
        train: one row per step, or one row per sequence with a list per feature.
        features: the features' columns.
        target: the target's column; None if it is a class.
        standardize: False leaves every number unchanged.
        relative: see `Scaler`.
    """

    def scale(name: str) -> Scale:
        values = _flat(train[name])
        if not standardize:
            return Scale(name, 0.0, 1.0)
        if np.ptp(values) == 0:  # rounding may give a deviation that is not quite 0
            return Scale(name, float(values[0]), 1.0)
        return Scale(name, float(values.mean()), float(values.std()))

    return Scaler(
        features=tuple(scale(name) for name in features),
        target=None if target is None else scale(target),
        relative=relative,
    )


def cut_windows(
    table: pa.Table,
    scaler: Scaler,
    *,
    window: int,
    horizon: int,
    stride: int,
    series: str | None = None,
    time: str | None = None,
    split: str = "the split",
) -> Sequences:
    """Cut one split into windows; the target is the value `horizon` steps after a window's end.

    Of several series, the windows are in the order of their times: neighbors are then windows of
    all series at about the same time, whose errors a block bootstrap must draw together.

    Args:
        table: one row per step, in order of time.
        scaler: fitted on train.
        window: number of input steps.
        horizon: steps from the last input step to the target.
        stride: steps between the starts of two consecutive windows.
        series: the column that tells several series apart, whose rows stand together.
        time: the column of the time.
        split: how an error calls the rows.

    Returns:
        The windows; of a single series, window i starts at row `i * stride`.

    Raises:
        DataError: the split, or a series in it, is too short for a window and its target.
    """
    size = {"window": window, "horizon": horizon, "stride": stride}
    if series is None:
        return _cut(table, scaler, **size, what=split)
    names = table[series].combine_chunks().dictionary_encode().indices.to_numpy()
    ends = [*(np.flatnonzero(np.diff(names)) + 1).tolist(), table.num_rows]
    parts, when = [], []
    for start, end in pairwise([0, *ends]):
        part = table.slice(start, end - start)
        what = f"{split} of the series {part[series][0].as_py()!r}"
        parts.append(_cut(part, scaler, **size, what=what))
        moments = part[time].to_numpy() if time else np.arange(part.num_rows)
        when.append(moments[::stride][: len(parts[-1])])
    joined = Sequences.concatenate(parts).take(np.argsort(np.concatenate(when), kind="stable"))
    return replace(joined, rows=np.arange(len(joined), dtype=np.int64))


def _cut(
    table: pa.Table, scaler: Scaler, *, window: int, horizon: int, stride: int, what: str
) -> Sequences:
    """The windows of one series, which an error calls `what`."""
    values = scaler.standardize(_matrix(table, [scale.name for scale in scaler.features]))
    assert scaler.target is not None, "windows predict a number"
    targets = scaler.target.apply(_flat(table[scaler.target.name]))
    starts = np.arange(0, len(values) - window - horizon + 1, stride)
    if not len(starts):
        raise DataError(
            f"{what}, {len(values)} steps, is too short for a window of {window} and a target "
            f"{horizon} later.",
            fix="lower `encode.window` or `encode.horizon`, or enlarge that split.",
        )
    # (windows, features, window) → (windows, window, features)
    views = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)[starts]
    windows, ends = views.transpose(0, 2, 1), targets[starts + window - 1 + horizon]
    if scaler.relative:
        last = windows[:, -1:]
        windows, ends = windows - last, ends - last[:, 0, scaler.place]
    return _equally_long(windows, ends)


def whole_sequences(table: pa.Table, scaler: Scaler) -> Sequences:
    """Convert the rows of one split, each with a list per feature, to sequences."""
    columns = [_flat(table[scale.name]) for scale in scaler.features]
    steps = len(columns[0]) // table.num_rows
    values = scaler.standardize(np.stack(columns, axis=-1))
    targets = (
        table["label"].to_numpy()
        if scaler.target is None
        else scaler.target.apply(_flat(table[scaler.target.name]))
    )
    return _equally_long(values.reshape(table.num_rows, steps, -1), targets)


def encode_series(
    tables: Mapping[str, pa.Table], card: Mapping[str, Any], settings: SeriesEncode
) -> tuple[dict[str, Sequences], Scaler]:
    """Encode all splits as sequences.

    Args:
        tables: split → its rows, for train, validation and test.
        card: the card of `data/raw`.
        settings: the dataset's `encode`.
    """
    scaler = fit_scaler(
        tables["train"],
        features=card["features"],
        target=card["target"] if card["task"] == "regression" else None,
        standardize=settings.standardize,
        relative=settings.relative,
    )
    if settings.relative and (card["layout"] == "sequences" or scaler.place is None):
        raise DataError(
            f"{card['dataset']}: `encode.relative` is set, but the target {card['target']!r} is "
            f"not a later value of a feature ({', '.join(card['features'])}).",
            fix="remove `relative` in params.yaml, or add the target to `source.features`.",
        )
    if card["layout"] == "sequences":
        return {name: whole_sequences(table, scaler) for name, table in tables.items()}, scaler
    if settings.window is None:
        raise DataError(
            f"{card['dataset']}: `encode.window` is not set.",
            fix="set it in params.yaml to the number of steps that the model reads, such as 96.",
        )
    return {
        name: cut_windows(
            table,
            scaler,
            window=settings.window,
            horizon=settings.horizon,
            stride=settings.stride,
            series=card.get("series_column"),
            time=card.get("time_column"),
            split=f"{card['dataset']}: {name}",
        )
        for name, table in tables.items()
    }, scaler


def series_report(
    splits: Mapping[str, Sequences], card: Mapping[str, Any], settings: SeriesEncode
) -> dict[str, Any]:
    """The content of `encoding.json` for encoded series, besides what the raw card says.

    Args:
        splits: as encoded.
        card: of `data/raw`.
        settings: the dataset's `encode`.
    """
    return {
        "features": card["features"],
        "target": card["target"],
        "time_steps": int(splits["train"].lengths[0]),
        **(_windowed(settings, card) if card["layout"] == "steps" else {"block": 1}),
        "splits": {
            name: {"rows": len(sequences), "time_steps": int(sequences.lengths[0])}
            for name, sequences in splits.items()
        },
    }


def _windowed(settings: SeriesEncode, card: Mapping[str, Any]) -> dict[str, Any]:
    """How windows overlap: `block` neighbors share steps or times, so their errors are correlated.

    Series may rise and fall together, so a block holds the windows of all of them.
    """
    assert settings.window is not None, "encode_series refuses a series without it"
    return {
        **settings.model_dump(include={"horizon", "stride", "season"}),
        "block": ceil((settings.window + settings.horizon) / settings.stride)
        * card.get("series", 1),
    }


def _equally_long(values: NDArray[np.float32], targets: NDArray[Any]) -> Sequences:
    rows, steps, features = values.shape
    return Sequences(
        rows=np.arange(rows, dtype=np.int64),
        targets=targets,
        starts=np.arange(rows + 1, dtype=np.int64) * steps,
        values=np.ascontiguousarray(values).reshape(-1, features),
    )


def _matrix(table: pa.Table, names: list[str]) -> NDArray[np.float64]:
    return np.stack([_flat(table[name]) for name in names], axis=-1)


def _flat(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column's numbers, with lists concatenated."""
    flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return np.asarray(flat.to_numpy(), np.float64)
