"""Accuracy of every case, and what it gains on the first one, with intervals."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.params import Evaluate
from pipeline.errors import ArtifactError
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.evaluation.subgroups import LONGEST
from pipeline.studies.kept import BASELINES, Row, kept_path, read_right
from pipeline.studies.parts.settings import load_study
from pipeline.workspace import Workspace

_TOLD = (
    *("accuracy", "difference", "lead", "over_linear"),
    *("longest", "longest_gain", "longest_over_linear"),
)


def summarize(part: Workspace, evaluate: Evaluate, rows: Sequence[Row]) -> list[Row]:
    """A row for each baseline, and for each case and model that is finished.

    - `difference`: its accuracy on test minus that of the same model in the first case, or in the
      case that it repeats. Their numbers of runs may differ.
    - `lead`: its accuracy minus that of the case's first model.
    - `over_linear`: its accuracy minus that of the baseline that is best on validation.
    - `longest`, `longest_gain`, `longest_over_linear`: `accuracy`, `difference` and `over_linear`
      on the longest twentieth of test rows.
    - `ensemble`: the accuracy of the mean of its runs' probabilities. In cells that were kept
      earlier there are none.
    - `ensemble_and_linear`: that of the mean of these and of that baseline's probabilities.
    - `repeats`, `repeat_sd`: the case that it repeats, and the `between_sd` of both.

    What does not apply is empty.

    Args:
        part: the study's files, with its cells.
        evaluate: confidence, resamples and seed.
        rows: of `results.csv`.

    Raises:
        ArtifactError: a cell is missing, damaged, or an earlier version's.
    """
    cases = load_study(part.params).cases
    first = next(iter(cases))
    known = read_right(kept_path(part, first, BASELINES))
    bootstrap = Bootstrap(
        evaluate.confidence, evaluate.resamples, evaluate.seed, groups=known["group"]
    )
    baselines = [row for row in rows if not row["case"]]
    linear = max(baselines, key=lambda row: float(row["validation"]))["model"] if baselines else ""
    beside = {
        name.removeprefix(f"{linear} "): values
        for name, values in known.items()
        if name.startswith(f"{linear} ")
    }
    if "length" not in known:
        raise ArtifactError(
            f"{kept_path(part, first, BASELINES)} doesn't know the lengths of the test rows: an "
            "earlier version made it.",
            fix="remove it, and run the study again.",
        )
    lengths = known["length"]
    longest = np.flatnonzero(lengths >= np.quantile(lengths, LONGEST, method="nearest"))
    on_longest = bootstrap.on(longest)
    rights: dict[str, dict[str, NDArray[np.float64]]] = {}  # case → model → [runs, n]
    summary = []
    for (case, model), some in groupby(rows, lambda row: (row["case"], row["model"])):
        runs = list(some)
        kept = [
            read_right(kept_path(part, case, f"{model}-{run['seed']}"))
            if case
            else {"test": known[model]}
            for run in runs
        ]
        right = np.stack([one["test"] for one in kept]).astype(np.float64)
        of_case = rights.setdefault(case, {})
        of_case[model] = right
        nothing = np.zeros((1, right.shape[1]))
        told = {
            "accuracy": paired_difference(right, nothing, bootstrap),
            "longest": paired_difference(right[:, longest], nothing[:, longest], on_longest),
        }
        repeated = cases[case].repeats if case else None
        other = rights.get(repeated or first, {}).get(model)
        if other is not None and other is not right:
            told["difference"] = paired_difference(right, other, bootstrap)
            told["longest_gain"] = paired_difference(
                right[:, longest], other[:, longest], on_longest
            )
        if case and linear:
            best = rights[""][linear]
            told["over_linear"] = paired_difference(right, best, bootstrap)
            told["longest_over_linear"] = paired_difference(
                right[:, longest], best[:, longest], on_longest
            )
        if case and len(of_case) > 1:
            told["lead"] = paired_difference(right, next(iter(of_case.values())), bootstrap)
        validation = [float(run["validation"]) for run in runs]
        accuracies = right.mean(axis=1)
        summary.append(
            {
                "case": case,
                "model": model,
                "runs": len(runs),
                "epochs": max(int(run["epochs"] or 0) for run in runs) or "",
                "validation": f"{np.mean(validation):.6g}",
                "validation_sd": f"{np.std(validation, ddof=1):.6g}" if len(runs) > 1 else "",
                "accuracy_sd": f"{accuracies.std(ddof=1):.6g}" if len(runs) > 1 else "",
                **{
                    f"{name}{end}": f"{getattr(told[name], key):.6g}" if name in told else ""
                    for name in _TOLD
                    for end, key in (("", "estimate"), ("_low", "low"), ("_high", "high"))
                },
                "ensemble": _of_ensemble(kept),
                "ensemble_and_linear": _of_ensemble(kept, beside) if beside else "",
                "repeats": repeated or "",
                "repeat_sd": f"{between_sd([accuracies, other.mean(axis=1)]):.6g}"
                if repeated and other is not None and min(len(right), len(other)) > 1
                else "",
            }
        )
    return summary


def _of_ensemble(
    kept: Sequence[Mapping[str, NDArray[Any]]], beside: Mapping[str, NDArray[Any]] | None = None
) -> str:
    """The accuracy of the runs' mean probabilities; empty for one run, or where one has none.

    Args:
        kept: of each run.
        beside: a baseline's probabilities, which count as much as all runs together.
    """
    if len(kept) < 2 or not all("target" in one for one in kept):
        return ""
    names = [name for name in kept[0] if name.startswith("p")]
    mean = np.stack(
        [np.mean([one[name].astype(np.float64) for one in kept], axis=0) for name in names], axis=1
    )
    if beside:
        mean = (mean + np.stack([beside[name].astype(np.float64) for name in names], axis=1)) / 2
    labels = np.column_stack([1 - mean.sum(axis=1), mean]).argmax(axis=1)
    return f"{(labels == kept[0]['target']).mean():.6g}"


def between_sd(groups: Sequence[NDArray[np.float64]]) -> float:
    """The standard deviation of groups' true means, estimated from an analysis of variance.

    One-way random effects (Searle, Casella & McCulloch, "Variance Components", 1992, section 3.6):
    (mean square between - mean square within) / n0, or 0 where that is negative.

    Args:
        groups: <float64>[n] each, of which one has two values at least.
    """
    sizes = np.array([len(group) for group in groups])
    total, count = sizes.sum(), len(groups)
    means = np.array([group.mean() for group in groups])
    grand = (sizes * means).sum() / total
    between = (sizes * (means - grand) ** 2).sum() / (count - 1)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (total - count)
    balanced = (total - (sizes**2).sum() / total) / (count - 1)
    return float(max(0.0, (between - within) / balanced) ** 0.5)
