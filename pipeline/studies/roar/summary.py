"""What the curves say: accuracies, RACU, which rankings hold, and which one most."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import read_json
from pipeline.core.params import Evaluate
from pipeline.core.predictions import read_predictions
from pipeline.data.card import read_groups
from pipeline.evaluation.pairwise import MINIMUM_SEEDS, NOT_TOLD_APART, TOO_FEW_SEEDS
from pipeline.evaluation.results import scores
from pipeline.evaluation.significance import Bootstrap, holm
from pipeline.evaluation.wording import listed, real_minus, signed_points
from pipeline.explanation.estimates import DIGITS, Document
from pipeline.explanation.names import CONTROLS, METHODS
from pipeline.studies.roar.racu import Estimate, area_between, racu
from pipeline.studies.roar.runs import model_folder
from pipeline.studies.roar.settings import RANDOM, Study, load_study
from pipeline.workspace import Workspace

TITLES = {**METHODS, **CONTROLS}
MORE, LESS = "costs more", "costs less"


def measure(workspace: Workspace, part: Workspace, evaluate: Evaluate) -> Document:
    """Compare the methods' curves over test rows and seeds.

    Args:
        workspace: the project's files, with the raw data.
        part: the study's, with the predictions of every run.
        evaluate: confidence, resamples and seed.

    Raises:
        ArtifactError: predictions are missing or damaged.
    """
    study = load_study(part.params)
    bootstrap = Bootstrap(
        evaluate.confidence,
        evaluate.resamples,
        evaluate.seed,
        groups=read_groups(workspace.raw, "test"),
    )
    right = {method: _right(part, study, method) for method in (RANDOM, *study.methods)}
    about = {"dataset": study.dataset, "model": study.model, "seeds": list(study.seeds)}
    return about | summarize(right, study.all_ratios, bootstrap)


def _right(part: Workspace, study: Study, method: str) -> NDArray[np.float64]:
    """<float64>[seeds, ratios, n], 1 where a run of the method is right."""
    folders = [
        [model_folder(part, study, run) for run in study.curve(method, seed)]
        for seed in study.seeds
    ]
    task = read_json(folders[0][0] / "model.json")["task"]
    return np.stack(
        [
            scores([read_predictions(folder / "test.parquet") for folder in of_seed], task)
            for of_seed in folders
        ]
    )


def summarize(
    right: Mapping[str, NDArray[np.float64]], ratios: Sequence[float], bootstrap: Bootstrap
) -> Document:
    """Accuracies, RACU, every pair of curves, and what follows from them.

    A pair's difference is by how much more masks by `first` cost than masks by `second`, as a mean
    over the ratios. Its p-value is corrected for the number of pairs (Holm).

    Args:
        right: method → <float64>[seeds, ratios, n], the random ranks first.
        ratios: from 0 to 1.
        bootstrap: resamples, seed, confidence.
    """
    at = np.array(ratios)
    areas = {name: racu(curves, right[RANDOM], at, bootstrap) for name, curves in right.items()}
    pairs = _pairs(right, at, bootstrap)
    return {
        "rows": right[RANDOM].shape[2],
        "confidence": bootstrap.confidence,
        "ratios": list(ratios),
        "methods": {
            name: {
                "title": TITLES[name],
                "accuracy": curves.mean(axis=2).T.round(DIGITS).tolist(),  # [ratios][seeds]
                "racu": None if name == RANDOM else _rounded(areas[name]),
            }
            for name, curves in right.items()
        },
        "pairs": pairs,
        "sentences": _sentences(areas, pairs, bootstrap.confidence),
    }


def _pairs(
    right: Mapping[str, NDArray[np.float64]], ratios: NDArray[np.float64], bootstrap: Bootstrap
) -> list[Document]:
    """Each method against those before it."""
    names = [(first, second) for second, first in combinations(right, 2)]
    found = [
        area_between(right[first], right[second], ratios, bootstrap) for first, second in names
    ]
    adjusted = holm([one.p_value for one in found])
    seeds = len(right[RANDOM])
    return [
        {
            "first": first,
            "second": second,
            "difference": round(one.estimate, DIGITS),
            "low": round(one.low, DIGITS),
            "high": round(one.high, DIGITS),
            "p_value_holm": round(p_value, DIGITS),
            "verdict": _verdict(one.estimate, p_value, seeds, bootstrap.confidence),
        }
        for (first, second), one, p_value in zip(names, found, adjusted, strict=True)
    ]


def _verdict(difference: float, p_value: float, seeds: int, confidence: float) -> str:
    if seeds < MINIMUM_SEEDS:
        return TOO_FEW_SEEDS
    if p_value >= 1 - confidence:
        return NOT_TOLD_APART
    return MORE if difference > 0 else LESS


def _sentences(
    areas: Mapping[str, Estimate | None], pairs: Sequence[Document], confidence: float
) -> list[str]:
    """A verdict on each method's ranking, and on which costs most."""
    against_random = {pair["first"]: pair for pair in pairs if pair["second"] == RANDOM}
    said = [
        _of_method(name, areas[name], pair, confidence) for name, pair in against_random.items()
    ]
    best = max(against_random, key=lambda name: float(against_random[name]["difference"]))
    if against_random[best]["verdict"] != MORE:
        return [*said, "No method’s ranking is shown to hold more than a random one."]
    rivals = {
        pair["second"] if pair["first"] == best else pair["first"]: pair["verdict"]
        for pair in pairs
        if best in (pair["first"], pair["second"]) and pair["second"] != RANDOM
    }
    near = [TITLES[name] for name, verdict in rivals.items() if verdict == NOT_TOLD_APART]
    apart = [TITLES[name] for name, verdict in rivals.items() if verdict != NOT_TOLD_APART]
    compared = [f"told apart from {listed(apart)}"] * bool(apart)
    compared += [f"not told apart from {listed(near)}"] * bool(near)
    if rivals:
        said.append(f"The ranking that costs most is {TITLES[best]}: {', '.join(compared)}.")
    return said


def _of_method(
    name: str, share: Estimate | None, pair: Mapping[str, Any], confidence: float
) -> str:
    interval = f"{100 * confidence:g} % interval"
    points = [signed_points(pair[key]) for key in ("difference", "low", "high")]
    size = "not defined" if share is None else _with_interval(share, interval)
    verdict = {
        MORE: "its ranking holds more than a random one",
        LESS: "its ranking holds less than a random one",
        NOT_TOLD_APART: "its ranking is not told apart from a random one",
        TOO_FEW_SEEDS: TOO_FEW_SEEDS,
    }[pair["verdict"]]
    return (
        f"{_capital(TITLES[name])}, RACU {size}: {verdict}. Masks by it cost {points[0]} points of "
        f"accuracy more than random ones, on average over the ratios ({interval} {points[1]} to "
        f"{points[2]})."
    )


def _with_interval(value: Estimate, interval: str) -> str:
    middle, low, high = (real_minus(f"{one:z.2f}") for one in value)
    return f"{middle} ({interval} {low} to {high})"


def _capital(title: str) -> str:
    return title[0].upper() + title[1:]


def _rounded(value: Estimate | None) -> Document | None:
    return value and {key: round(one, DIGITS) for key, one in value._asdict().items()}
