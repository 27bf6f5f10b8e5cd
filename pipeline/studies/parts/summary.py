"""Accuracy of every case, and what it gains on the first one, with intervals."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.core.params import Evaluate
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.kept import BASELINES, Row, kept_path, read_right
from pipeline.studies.parts.settings import load_study
from pipeline.workspace import Workspace


def summarize(part: Workspace, evaluate: Evaluate, rows: Sequence[Row]) -> list[Row]:
    """A row for each baseline, and for each case and model that is finished.

    `difference` is its accuracy on test minus that of the same model in the first case, whose runs
    with the same seeds may be fewer or more. A model that the first case doesn't have has none.

    Args:
        part: the study's files, with its cells.
        evaluate: confidence, resamples and seed.
        rows: of `results.csv`.

    Raises:
        ArtifactError: a cell is missing or damaged.
    """
    first = next(iter(load_study(part.params).cases))
    known = read_right(kept_path(part, first, BASELINES))
    bootstrap = Bootstrap(
        evaluate.confidence, evaluate.resamples, evaluate.seed, groups=known["group"]
    )
    of_first: dict[str, NDArray[np.float64]] = {}
    summary = []
    for (case, model), some in groupby(rows, lambda row: (row["case"], row["model"])):
        runs = list(some)
        found = [
            read_right(kept_path(part, case, f"{model}-{run['seed']}"))["test"]
            if case
            else known[model]
            for run in runs
        ]
        right = np.stack(found).astype(np.float64)
        if case == first:
            of_first[model] = right
        told = {"accuracy": paired_difference(right, np.zeros((1, right.shape[1])), bootstrap)}
        if model in of_first and case != first:
            told["difference"] = paired_difference(right, of_first[model], bootstrap)
        validation = [float(run["validation"]) for run in runs]
        summary.append(
            {
                "case": case,
                "model": model,
                "runs": len(runs),
                "validation": f"{np.mean(validation):.6g}",
                "validation_sd": f"{np.std(validation, ddof=1):.6g}" if len(runs) > 1 else "",
                "accuracy_sd": f"{right.mean(axis=1).std(ddof=1):.6g}" if len(runs) > 1 else "",
                **{
                    f"{name}{end}": f"{getattr(told[name], key):.6g}" if name in told else ""
                    for name in ("accuracy", "difference")
                    for end, key in (("", "estimate"), ("_low", "low"), ("_high", "high"))
                },
            }
        )
    return summary
