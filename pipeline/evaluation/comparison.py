"""The whole comparison as plain values, ready for `results/comparison.json`.

The champion and the temperatures come from validation; everything else describes the test
rows and decides nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.predictions import Task
from pipeline.evaluation.calibration import describe_calibration
from pipeline.evaluation.champion import choose_champion
from pipeline.evaluation.headline import Unit, conclude
from pipeline.evaluation.metrics import measure_ensemble, per_class, rounded, summarize
from pipeline.evaluation.pairwise import MINIMUM_SEEDS, compare_pairs
from pipeline.evaluation.results import ModelResult, check_same_rows
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.subgroups import by_length, by_position, disagreements


def comparison_document(
    results: Sequence[ModelResult],
    *,
    dataset: str,
    task: Task,
    classes: Sequence[str],
    lengths: NDArray[np.int64],
    positions: NDArray[np.float64] | None,
    length_bins: int,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """The content of `results/comparison.json`.

    Args:
        results: what is compared. The document lists baselines first, and compares each model
            with those before it.
        dataset: its name in `params.yaml`.
        task: decides the score: accuracy, or squared error for regression.
        classes: their names; none for regression.
        lengths: <int64>[n], each test row's length in steps, before any truncation.
        positions: <float64>[n], see `subgroups.by_position`; None if the dataset has no evidence.
        length_bins: how many quantiles of length.
        bootstrap: for every interval.

    Raises:
        ArtifactError: the predictions are not for the same rows.
    """
    check_same_rows(results)
    results = sorted(results, key=lambda result: not result.deterministic)
    regression = task == "regression"
    champion = choose_champion(results, task)
    pairs = compare_pairs(results, task, bootstrap)
    document: dict[str, Any] = rounded(
        {
            "dataset": dataset,
            "task": task,
            "classes": list(classes),
            "metric": "mse" if regression else "accuracy",
            "higher_is_better": not regression,
            "rows": {"validation": len(results[0].validation[0]), "test": len(results[0].test[0])},
            "method": {
                **asdict(bootstrap),
                "groups": None if bootstrap.groups is None else len(np.unique(bootstrap.groups)),
                "minimum_seeds": MINIMUM_SEEDS,
            },
            **conclude(results, champion, pairs, Unit(regression, bootstrap.confidence)),
            "champion": champion,
            "models": {
                result.name: {
                    "seeds": result.seeds,
                    "deterministic": result.deterministic,
                    "parameters": result.parameters,
                    "validation": summarize(result.validation, task),
                    "test": summarize(result.test, task),
                    "ensemble": measure_ensemble(result, task),
                    "per_class": None if regression else per_class(result, classes),
                }
                for result in results
            },
            "pairs": pairs,
            "calibration": None
            if regression
            else {result.name: describe_calibration(result) for result in results},
            "by_length": by_length(results, lengths, task, bins=length_bins, bootstrap=bootstrap),
            "by_position": by_position(results, positions, task, bootstrap=bootstrap),
            "disagreements": disagreements(results, lengths),
        }
    )
    return document
