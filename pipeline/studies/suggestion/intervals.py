"""Accuracy of every case, and its difference from the last state's, with intervals."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import column_names, read_json, read_table
from pipeline.core.params import Evaluate
from pipeline.core.predictions import read_predictions
from pipeline.evaluation.results import read_baseline_names, scores
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.workspace import Workspace

STATES = "bilstm"  # whose last state the others are compared with
Row = dict[str, Any]


def measure(part: Workspace, evaluate: Evaluate) -> list[Row]:
    """A row for each case of texts and model; with distractors, one for each of their places, too.

    At the place "any" are all places together.

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
    columns = read_table(path, [one for one in ("place", "group") if one in column_names(path)])
    right = _right(own, study)
    rows = np.arange(next(iter(right.values())).shape[1])
    at = columns["place"].to_numpy() if case.length else np.full(len(rows), "any")
    places = PLACES if case.length else ()
    # Without films: the text, which is the same at every place.
    films = rows % (len(rows) // max(len(places), 1))
    if "group" in columns.column_names:
        films = columns["group"].to_numpy()
    bootstrap = Bootstrap(evaluate.confidence, evaluate.resamples, evaluate.seed, groups=films)
    trained = read_json(own.encoded / "encoding.json")["splits"]["train"]["rows"]
    for place in ("any", *places):
        chosen = np.flatnonzero(at == place) if place != "any" else rows
        drawn = bootstrap.on(chosen)
        for model, scored in right.items():
            values = scored[:, chosen]
            accuracy = paired_difference(values, np.zeros((1, len(chosen))), drawn)
            found = {"accuracy": accuracy}
            if STATES in right:
                found["difference"] = paired_difference(values, right[STATES][:, chosen], drawn)
            yield {
                "dataset": case.dataset,
                "rows": trained,
                "length": case.length or "",
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
