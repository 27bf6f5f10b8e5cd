"""Where the models differ: by length, by position of the evidence, and row by row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.predictions import Task
from pipeline.evaluation.pairwise import compared
from pipeline.evaluation.results import ModelResult, scores
from pipeline.evaluation.significance import Bootstrap, paired_difference, wilson
from pipeline.evaluation.wording import points

POSITION_BINS = 5
DISAGREEMENTS = 10
LONGEST = 0.95  # the longest twentieth has a bin of its own,
ENOUGH = 500  # if these rows are in it


def by_length(
    results: Sequence[ModelResult],
    lengths: NDArray[np.int64],
    task: Task,
    *,
    bins: int,
    bootstrap: Bootstrap,
) -> dict[str, Any] | None:
    """Accuracy by quantile of length; None if all rows have the same length, or for regression.

    Each pair's difference has a slope as well: by how much it grows from a length to twice that
    length, by least squares over the rows.

    Args:
        results: the models.
        lengths: <int64>[n], steps of each test row.
        task: the task.
        bins: how many, each with about as many rows; the last may be split, see `LONGEST`.
        bootstrap: for the differences' intervals.
    """
    shares = np.linspace(0, 1, bins + 1)
    if (1 - LONGEST) * len(lengths) >= ENOUGH:
        shares = np.union1d(shares, [LONGEST])
    # Rows of the same length stay together, so that a bin's ends say what is in it.
    edges = np.unique(np.quantile(lengths, shares, method="nearest"))
    if task == "regression" or len(edges) < 3:
        return None
    groups = np.searchsorted(edges[1:-1], lengths, side="right")
    members = [np.flatnonzero(groups == group) for group in range(len(edges) - 1)]
    ends = [{"low": lengths[rows].min(), "high": lengths[rows].max()} for rows in members]
    found = _by_group(results, ends, members, bootstrap)
    slopes = _per_doubling(results, lengths, bootstrap)
    for pair, slope in zip(found["differences"], slopes, strict=True):
        pair["per_doubling"] = slope
    return {**found, "sentences": _in_words(found, results, bootstrap.confidence)}


def by_position(
    results: Sequence[ModelResult],
    positions: NDArray[np.float64] | None,
    task: Task,
    *,
    bootstrap: Bootstrap,
) -> dict[str, Any] | None:
    """Accuracy by where the evidence is, in equal parts of the row; None if none is known.

    Args:
        results: the models.
        positions: <float64>[n], 0 = the row's start, 1 = its end; NaN where it has no evidence.
        task: the task.
        bootstrap: for the differences' intervals.
    """
    if task == "regression" or positions is None or np.isnan(positions).all():
        return None
    edges = np.linspace(0, 1, POSITION_BINS + 1)
    # NaN sorts into the last group; it belongs to none.
    groups = np.searchsorted(edges[1:-1], positions, side="right")
    groups[np.isnan(positions)] = -1
    members = [np.flatnonzero(groups == group) for group in range(POSITION_BINS)]
    ends = [{"low": edges[group], "high": edges[group + 1]} for group in range(POSITION_BINS)]
    return _by_group(results, ends, members, bootstrap)


def _by_group(
    results: Sequence[ModelResult],
    ends: Sequence[dict[str, Any]],
    members: Sequence[NDArray[np.int64]],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Each model's accuracy in each group of rows, and each pair's difference there.

    A model's interval is Wilson's for its mean accuracy over the group's rows. Two such
    intervals may overlap even when the paired difference is clear: the difference decides.
    """
    right = {result.name: scores(result.test, "binary") for result in results}
    filled = [(where, rows) for where, rows in zip(ends, members, strict=True) if len(rows) > 1]
    models: dict[str, list[dict[str, float]]] = {}
    for result in results:
        models[result.name] = []
        for _, rows in filled:
            share = float(right[result.name][:, rows].mean())
            low, high = wilson(share, len(rows), bootstrap.confidence)
            models[result.name].append({"accuracy": share, "low": low, "high": high})
    differences = []
    for first, second in compared(results):
        found = [
            paired_difference(
                right[first.name][:, rows], right[second.name][:, rows], bootstrap.on(rows)
            )
            for _, rows in filled
        ]
        points = [{"difference": one.estimate, "low": one.low, "high": one.high} for one in found]
        differences.append({"first": first.name, "second": second.name, "bins": points})
    return {
        "bins": [{**where, "rows": len(rows)} for where, rows in filled],
        "models": models,
        "differences": differences,
    }


def _per_doubling(
    results: Sequence[ModelResult], lengths: NDArray[np.int64], bootstrap: Bootstrap
) -> list[dict[str, float]]:
    """Each pair's slope of the difference on the length's binary logarithm, with its interval."""
    doublings = np.log2(np.maximum(lengths, 1))
    centered = doublings - doublings.mean()
    # A least-squares slope is the mean of the scores times these.
    weights = len(lengths) * centered / (centered**2).sum()
    weighted = {result.name: weights * scores(result.test, "binary") for result in results}
    found = [
        paired_difference(weighted[first.name], weighted[second.name], bootstrap)
        for first, second in compared(results)
    ]
    return [{"difference": one.estimate, "low": one.low, "high": one.high} for one in found]


def _in_words(
    found: dict[str, Any], results: Sequence[ModelResult], confidence: float
) -> list[str]:
    """Which networks gain on others with the length, and which lose to a baseline at the longest.

    Only what an interval tells; the intervals are not adjusted for their number.
    """
    simple = {result.name for result in results if result.deterministic}
    longest = found["bins"][-1]
    gains, losses = [], []
    for pair in found["differences"]:
        names = (pair["first"], pair["second"])
        slope, last = pair["per_doubling"], pair["bins"][-1]
        if simple.isdisjoint(names) and _clear(slope):
            one, other = names if slope["difference"] > 0 else names[::-1]
            gains.append(f"{one} gains {_size(slope, confidence)} on {other}")
        one, other = names if last["difference"] > 0 else names[::-1]
        if one in simple and other not in simple and _clear(last):
            losses.append(f"{one} leads {other} by {_size(last, confidence)}")
    of_longest = f"Of the {longest['rows']:,} longest, from {longest['low']:,} steps on"
    return [
        f"{where}, {'; '.join(told)}."
        for where, told in (("With each doubling of the length", gains), (of_longest, losses))
        if told
    ]


def _clear(part: dict[str, float]) -> bool:
    return not part["low"] <= 0 <= part["high"]


def _size(part: dict[str, float], confidence: float) -> str:
    """The difference without its sign, and its interval."""
    low, high = sorted((abs(part["low"]), abs(part["high"])))
    ends = f"{points(low)} to {points(high)}"
    return f"{points(abs(part['difference']))} points ({100 * confidence:g} % interval {ends})"


def disagreements(
    results: Sequence[ModelResult], lengths: NDArray[np.int64], limit: int = DISAGREEMENTS
) -> list[dict[str, Any]]:
    """For each pair, the test rows whose outputs, averaged over the runs, differ most.

    The gap is the total variation between the two distributions, which for two classes is the
    difference of the probabilities; for regression, the difference of the predictions.
    """
    outputs = {result.name: result.mean_outputs() for result in results}
    test = results[0].test[0]
    described = []
    for first, second in compared(results):
        gap = np.abs(outputs[first.name] - outputs[second.name])
        if gap.ndim == 2:
            gap = gap.sum(axis=1) / 2
        rows = [
            {
                "row": test.rows[index],
                "length": lengths[index],
                "target": test.targets[index],
                "gap": gap[index],
                "outputs": {result.name: outputs[result.name][index] for result in (first, second)},
            }
            for index in np.lexsort((test.rows, -gap))[:limit]
        ]
        described.append({"first": first.name, "second": second.name, "rows": rows})
    return described


def evidence_positions(
    evidence: Sequence[Sequence[tuple[int, int]]], text_lengths: Sequence[int]
) -> NDArray[np.float64]:
    """<float64>[n]: the mean midpoint of each row's passages, as a share of its text.

    Args:
        evidence: per row its passages (start, end), in characters.
        text_lengths: per row its number of characters.
    """
    middles = [
        np.mean([(start + end) / 2 for start, end in passages]) / length if passages else np.nan
        for passages, length in zip(evidence, text_lengths, strict=True)
    ]
    return np.array(middles, np.float64)
