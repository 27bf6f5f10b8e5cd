"""Time and memory of the bootstrap and the linear baselines against the number of rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.baselines.linear import fit_naive_bayes, fit_tfidf
from pipeline.baselines.ngrams import Texts
from pipeline.core.sequences import Sequences
from pipeline.evaluation.significance import Bootstrap, paired_difference
from pipeline.studies.benchmark import corpus
from pipeline.studies.benchmark.settings import Options
from pipeline.studies.processes import Timed, alone, timed

BASELINES: dict[str, Callable[..., Any]] = {"TF-IDF": fit_tfidf, "naive Bayes": fit_naive_bayes}
RESAMPLED = (10_000, 100_000, 1_000_000)  # rows
RESAMPLES = 5000
_HELD = 5000  # rows of validation, and of test
_CLASSES = ("negative", "positive")


def measure(
    options: Options, say: Callable[[str], object], kept: Sequence[dict[str, Any]] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Compare a pair of regressions, and fit the baselines, each in a process of its own.

    Args:
        options: rows, and what is drawn of them.
        say: called with each measurement.
        kept: what was measured of the baselines before; those numbers of rows are not again.
    """
    found: dict[str, list[dict[str, Any]]] = {"bootstrap": [], "baselines": [*kept]}
    sizes = {"vocabulary": options.vocabulary, "max_len": options.max_len, "seed": options.seed}

    def add(part: str, about: dict[str, Any], *arguments: Any) -> None:
        told, peak = alone("benchmark.growth", *arguments)
        of_work: Timed = told.result
        measured = {"cpu_seconds": of_work.cpu_seconds, "peak_mb": peak}
        found[part].append({**about, **measured, "features": of_work.result})
        say(f"  {about}  {of_work.cpu_seconds:6.1f} s of CPU time  {peak:6,.0f} MB")

    for rows in RESAMPLED:
        add("bootstrap", {"rows": rows}, "resample", rows, options.seed)
    for rows in sorted(set(options.growth) - {one["rows"] for one in kept}):
        for name in BASELINES:
            add("baselines", {"baseline": name, "rows": rows}, "fit", name, rows, sizes)
    found["baselines"].sort(key=lambda one: one["rows"])
    return found


def resample(rows: int, seed: int) -> Timed:
    """Time the bootstrap of two regressions' errors, no two of which are the same."""
    first, second = np.random.default_rng(seed).exponential(size=(2, 1, rows))
    bootstrap = Bootstrap(confidence=0.95, resamples=RESAMPLES, seed=seed)
    return timed(lambda: float(paired_difference(first, second, bootstrap).estimate))


def fit(name: str, rows: int, sizes: dict[str, int]) -> Timed:
    """Time a baseline on drawn texts, in which a word tells something; returns its n-grams."""
    rng = np.random.default_rng(sizes["seed"])

    def texts(count: int) -> Texts:
        drawn = corpus.draw(
            count, vocabulary=sizes["vocabulary"], max_len=sizes["max_len"], rng=rng
        )
        return Texts(drawn.rows, _written(drawn, rng), drawn.targets)

    splits = [texts(count) for count in (rows, min(rows, _HELD), min(rows, _HELD))]
    return timed(lambda: BASELINES[name](*splits, classes=_CLASSES).features)


def _written(rows: Sequences, rng: np.random.Generator) -> list[str]:
    """Each row's words, and one more that is its class's in 7 of 10."""
    told = np.where(rng.random(len(rows)) < 0.7, rows.targets, 1 - rows.targets)
    parts = np.split(rows.values, rows.starts[1:-1])
    return [
        f"{' '.join(f'w{number}' for number in part.tolist())} {_CLASSES[label]}"
        for part, label in zip(parts, told.tolist(), strict=True)
    ]
