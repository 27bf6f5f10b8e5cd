"""Accuracy of every case, and its difference from the last state's, with intervals."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import read_json
from pipeline.core.params import Evaluate
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.suggestion.kept import BASELINES, OF_ROWS, Row, kept_path, read_right
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.workspace import Workspace

STATES = "bilstm"  # whose last state the others are compared with


def measure(part: Workspace, evaluate: Evaluate, finished: Collection[str]) -> list[Row]:
    """A row for each case of texts and model; with distractors, one for each of their places, too.

    At the place "any" are all places together. A case whose runs are not finished is left out; of
    one that is finished for some seeds, these count.

    Args:
        part: the study's files, with its cells.
        evaluate: confidence, resamples and seed.
        finished: the names of the cells that are valid.

    Raises:
        ArtifactError: a cell is damaged.
    """
    study = load_study(part.params)
    return [
        row
        for case in study.cases
        if (seeds := _seeds(study, case, finished))
        for row in _of_case(part, study, case, seeds, evaluate)
    ]


def _seeds(study: Study, case: Case, finished: Collection[str]) -> list[int]:
    """Those that all models are finished for; none without baselines."""
    if f"{case.name}/{BASELINES}" not in finished:
        return []
    runs = {seed: [f"{case.name}/{m}-{seed}" for m in study.models] for seed in study.seeds}
    return [seed for seed, cells in runs.items() if all(cell in finished for cell in cells)]


def _of_case(
    part: Workspace, study: Study, case: Case, seeds: Sequence[int], evaluate: Evaluate
) -> Iterator[Row]:
    right, at, films = _read_case(part, study, case, seeds)
    rows = np.arange(len(at))
    bootstrap = Bootstrap(evaluate.confidence, evaluate.resamples, evaluate.seed, groups=films)
    trained = read_json(kept_path(part, case, BASELINES))["rows"][0]["rows"]
    places = PLACES if case.length else ()
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


def _read_case(
    part: Workspace, study: Study, case: Case, seeds: Sequence[int]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[Any], NDArray[Any]]:
    """What a case's cells found on test.

    Returns:
        Baseline or model → <float64>[runs, n], 1 where the class is right; <str>[n], where the
        neutral sentences stand; <int64>[n], each row's group: resampled together.
    """
    known = read_right(kept_path(part, case, BASELINES))
    about = {name: known.pop(name) for name in OF_ROWS if name in known}
    right = {name: values[None].astype(np.float64) for name, values in known.items()}
    for model in study.models:
        runs = [f"{model}-{seed}" for seed in seeds]
        found = [read_right(kept_path(part, case, run))[run] for run in runs]
        right[model] = np.stack(found).astype(np.float64)
    rows = np.arange(right[study.models[0]].shape[1])
    # Without films: the text, which is the same at every place.
    texts = rows % (len(rows) // (len(PLACES) if case.length else 1))
    return right, about.get("place", np.full(len(rows), "any")), about.get("group", texts)
