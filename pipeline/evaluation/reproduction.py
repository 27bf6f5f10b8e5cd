"""Does a result agree with the committed one? Judged by how much other seeds would differ.

Another processor rounds differently, and training magnifies that until a run differs as much
as one with another seed. So two sets of runs agree if their means are no further apart than
Welch's t-test allows, with Bonferroni's correction for the number of means compared.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtrit  # scipy.stats takes half a second to import

ERROR_RATE = 0.05  # how often runs that differ only in rounding are called different
# A baseline has no seeds, so its metrics move only as far as its solver's tolerance lets them.
BASELINE_TOLERANCE = 0.002


@dataclass(frozen=True)
class Gap:
    """How far one metric's mean on test is from the committed one.

    Attributes:
        model: its name.
        metric: its name.
        size: the absolute difference of the two means.
        tolerance: how far apart they may be.
    """

    model: str
    metric: str
    size: float
    tolerance: float

    @property
    def within(self) -> bool:
        return self.size <= self.tolerance


def gaps(
    committed: Mapping[str, Any], now: Mapping[str, Any], *, baselines: Collection[str]
) -> list[Gap]:
    """Every metric on test of every model in both documents, the widest gap first.

    Width is measured in tolerances. A network with a single seed on either side is left out:
    it has no spread to judge by.

    Args:
        committed: the content of one `metrics.json`.
        now: likewise, of the results to judge.
        baselines: the models that use no seed.
    """
    pairs = [
        (model, metric, described, committed["models"][model], value)
        for model, described in now["models"].items()
        if model in committed["models"]
        for metric, value in described["test"].items()
    ]
    found = []
    for model, metric, described, before, value in pairs:
        other = before["test"].get(metric)
        if other is None or value["mean"] is None or other["mean"] is None:
            continue
        if model in baselines:
            tolerance = BASELINE_TOLERANCE
        elif value["sd"] is None or other["sd"] is None:
            continue
        else:
            spreads = [(value["sd"], described["seeds"]), (other["sd"], before["seeds"])]
            tolerance = _welch(spreads, ERROR_RATE / len(pairs))
        found.append(Gap(model, metric, abs(value["mean"] - other["mean"]), tolerance))
    return sorted(found, key=lambda gap: -gap.size / max(gap.tolerance, 1e-12))


def _welch(spreads: list[tuple[float, int]], error_rate: float) -> float:
    """The widest difference of two means that a two-sided Welch's t-test does not reject.

    Args:
        spreads: of each mean the standard deviation of its values, and their number.
        error_rate: of the test.
    """
    variances = [sd**2 / count for sd, count in spreads]
    total = sum(variances)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(
        variance**2 / (count - 1) for variance, (_, count) in zip(variances, spreads, strict=True)
    )
    return float(stdtrit(freedom, 1 - error_rate / 2) * total**0.5)
