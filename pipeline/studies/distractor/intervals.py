"""Accuracy at every length and place, and its difference from the last state's, with intervals."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import column_names, read_table
from pipeline.core.params import Evaluate
from pipeline.core.predictions import read_predictions
from pipeline.evaluation.results import read_baseline_names, scores
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.workspace import Workspace

STATES = "bilstm"  # whose last state the others are compared with
Row = dict[str, Any]


def measure(part: Workspace, evaluate: Evaluate) -> list[Row]:
    """A row for each length, place and model; at the place "any", all places together.

    Args:
        part: the study's files, with the predictions of every run.
        evaluate: confidence, resamples and seed.

    Raises:
        ArtifactError: predictions are missing or damaged.
    """
    study = load_study(part.params)
    return [row for case in study.cases for row in _of_case(part, study, case, evaluate)]


def _of_case(part: Workspace, study: Study, case: Case, evaluate: Evaluate) -> Iterator[Row]:
    own = Workspace(part.scratch / case.name)
    path = own.raw / "test.parquet"
    at = read_table(path, ["place"])["place"].to_numpy()
    rows = np.arange(len(at)) % (len(at) // len(PLACES))  # the text, the same at every place
    films = rows
    if "group" in column_names(path):
        films = read_table(path, ["group"])["group"].to_numpy()
    bootstrap = Bootstrap(evaluate.confidence, evaluate.resamples, evaluate.seed, groups=films)
    right = _right(own, study)
    for place in ("any", *PLACES):
        chosen = np.flatnonzero(at == place) if place != "any" else np.arange(len(at))
        drawn = bootstrap.on(chosen)
        for model, scored in right.items():
            values = scored[:, chosen]
            accuracy = paired_difference(values, np.zeros((1, len(chosen))), drawn)
            found = {"accuracy": accuracy}
            if STATES in right:
                found["difference"] = paired_difference(values, right[STATES][:, chosen], drawn)
            yield {
                "dataset": case.dataset,
                "length": case.length,
                "place": place,
                "model": model,
                "runs": len(values),
                **{
                    f"{name}{end}": f"{value:.6g}"
                    for name, one in found.items()
                    for end, value in (("", one.estimate), ("_low", one.low), ("_high", one.high))
                },
            }


def _right(own: Workspace, study: Study) -> dict[str, NDArray[np.float64]]:
    """Baseline or model → <float64>[runs, n], 1 where the class is right."""
    folders = {name: [own.reference(name)] for name in read_baseline_names(own)}
    folders |= {model: [own.model(model, seed) for seed in study.seeds] for model in study.models}
    return {
        name: scores([read_predictions(one / "test.parquet") for one in found], "multiclass")
        for name, found in folders.items()
    }
