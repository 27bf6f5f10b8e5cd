"""Numbers and lists as a reader sees them, in the report, the tables and the terminal."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

METRIC_TITLES = {
    "accuracy": "accuracy, %",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "ece": "ECE, %",
    "mae": "MAE",
    "rmse": "RMSE",
    "mse": "MSE",
    "r2": "R²",
}
PERCENTAGES = {"accuracy", "ece"}  # metrics that are shown in percent
OF_ONE = {"f1", "roc_auc", "r2"}  # those whose best is 1, beside which a small value is none


def real_minus(number: str) -> str:
    """A formatted number with a minus sign instead of a hyphen."""
    return number.replace("-", "\N{MINUS SIGN}")


def points(share: float, sign: str = "-") -> str:
    """A difference of shares in percentage points.

    One below 0.05 gets a second digit: from 0.005 on, an interval's end says on which side of 0
    it is.

    Args:
        share: the difference.
        sign: `+` for a sign in any case, `-` for a minus alone.
    """
    size = 100 * share
    digits = 2 if round(size, 2) and abs(size) < 0.05 else 1
    return real_minus(f"{round(size, digits) + 0.0:{sign}.{digits}f}")  # + 0.0: no −0.0


def signed_points(share: float) -> str:
    """A difference of shares with its sign, in percentage points."""
    return points(share, "+")


def signed_difference(value: float, *, regression: bool) -> str:
    """A difference with its sign: percentage points of accuracy, or plain for regression."""
    return real_minus(f"{value + 0.0:+.4g}") if regression else signed_points(value)


def mean_and_sd(
    mean: float | None, sd: float | None, write: Callable[[float], str], *, undefined: str = "–"
) -> str:
    """Mean ± standard deviation; the mean alone where there is no deviation.

    Args:
        mean: None where the metric is undefined.
        sd: None for a single value.
        write: how a number is written.
        undefined: what stands for an undefined mean.
    """
    if mean is None:
        return undefined
    return write(mean) + ("" if sd is None else f" ± {write(sd)}")


def metric_and_sd(value: Mapping[str, float | None], metric: str) -> str:
    """Mean ± standard deviation of a metric, in the digits that `METRIC_TITLES` stands above.

    Shares are in percent. Other metrics have three decimals, and an error as many more as a small
    one needs for three significant digits.
    """
    mean = value["mean"] or 0.0
    factor, decimals = (100, 1) if metric in PERCENTAGES else (1, 3)
    if factor == 1 and mean and metric not in OF_ONE:
        decimals = max(3, 2 - math.floor(math.log10(abs(mean))))

    def write(number: float) -> str:
        return real_minus(f"{round(factor * number, decimals) + 0.0:.{decimals}f}")  # no −0.000

    return mean_and_sd(value["mean"], value["sd"], write)


def table_rows(models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(title, figures) of each model and, right after it, of its ensemble.

    Args:
        models: of `metrics.json`; in earlier ones there are no ensembles.
    """
    for name, figures in models.items():
        yield name, figures
        if ensemble := figures.get("ensemble"):
            yield f"{name}, ensemble", {**figures, **ensemble}


def listed(items: Sequence[str]) -> str:
    """Items in words: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def compact(numbers: Sequence[int]) -> str:
    """Different whole numbers in few letters: "4", "1-3", "1, 2, 5"."""
    first, last = min(numbers), max(numbers)
    if len(numbers) > 1 and sorted(numbers) == list(range(first, last + 1)):
        return f"{first}-{last}"
    return ", ".join(map(str, numbers))
