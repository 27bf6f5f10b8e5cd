"""Accuracy of every case, and its difference from the last state's, with intervals."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import read_json
from pipeline.core.params import Evaluate
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.kept import BASELINES, OF_ROWS, Row, kept_path, read_right
from pipeline.studies.suggestion.settings import PLACES, Case, Study, load_study
from pipeline.workspace import Workspace

STATES = "bilstm"  # whose last state the others are compared with


def measure(part: Workspace, evaluate: Evaluate, finished: Collection[str]) -> list[Row]:
    """A row for each case of texts and model; with distractors, one for each of their places, too.

    `difference` is a model's accuracy minus the last state's, and `change` is by how much that
    differs from what it is on the same texts at the least length. At the place "any" are all places
    together. A case whose runs are not finished is left out; of one that is finished for some
    seeds, these count.

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
    """Those that all models are finished for, at the least length too; none without baselines."""
    cases = {case.name, _shortest(study, case).name}
    if not all(f"{name}/{BASELINES}" in finished for name in cases):
        return []
    wanted = {
        seed: [f"{name}/{model}-{seed}" for name in cases for model in study.models]
        for seed in study.seeds
    }
    return [seed for seed, cells in wanted.items() if all(cell in finished for cell in cells)]


def _shortest(study: Study, case: Case) -> Case:
    """The case of the same texts at the least length; without lengths, the case itself."""
    return min(
        (one for one in study.cases if one._replace(length=case.length) == case),
        key=lambda one: one.length or 0,
    )


def _of_case(
    part: Workspace, study: Study, case: Case, seeds: Sequence[int], evaluate: Evaluate
) -> Iterator[Row]:
    right, at, films = _read_case(part, study, case, seeds)
    rows = np.arange(len(at))
    bootstrap = Bootstrap(evaluate.confidence, evaluate.resamples, evaluate.seed, groups=films)
    trained = read_json(kept_path(part, case.name, BASELINES))["rows"][0]["rows"]
    places = PLACES if case.length else ()
    short = _read_case(part, study, _shortest(study, case), seeds).right if case.length else {}
    for place in ("any", *places):
        chosen = np.flatnonzero(at == place) if place != "any" else rows
        drawn = bootstrap.on(chosen)
        for model, scored in right.items():
            values = scored[:, chosen]
            accuracy = paired_difference(values, np.zeros((1, len(chosen))), drawn)
            found = {"accuracy": accuracy}
            if STATES in right:
                states = right[STATES][:, chosen]
                found["difference"] = paired_difference(values, states, drawn)
                if short:
                    moved, states_moved = (
                        now - short[name][:, chosen]
                        for name, now in ((model, values), (STATES, states))
                    )
                    found["change"] = paired_difference(moved, states_moved, drawn)
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


class _Found(NamedTuple):
    """What a case's cells found on test.

    Attributes:
        right: baseline or model → <float64>[runs, n], 1 where the class is right.
        at: <str>[n], where the neutral sentences stand.
        films: <int64>[n], each row's group: resampled together.
    """

    right: dict[str, NDArray[np.float64]]
    at: NDArray[Any]
    films: NDArray[Any]


def _read_case(part: Workspace, study: Study, case: Case, seeds: Sequence[int]) -> _Found:
    known = read_right(kept_path(part, case.name, BASELINES))
    about = {name: known.pop(name) for name in OF_ROWS if name in known}
    right = {name: values[None].astype(np.float64) for name, values in known.items()}
    for model in study.models:
        runs = [f"{model}-{seed}" for seed in seeds]
        found = [read_right(kept_path(part, case.name, run))[run] for run in runs]
        right[model] = np.stack(found).astype(np.float64)
    rows = np.arange(right[study.models[0]].shape[1])
    # Without films: the text, which is the same at every place.
    texts = rows % (len(rows) // (len(PLACES) if case.length else 1))
    return _Found(right, about.get("place", np.full(len(rows), "any")), about.get("group", texts))
