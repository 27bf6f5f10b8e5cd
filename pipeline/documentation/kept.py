"""A dataset's results in git, and seeds of its models that were trained later or elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import read_json
from pipeline.core.params import Params, load_params
from pipeline.core.predictions import Predictions, Task
from pipeline.core.schema import read_yaml
from pipeline.errors import ArtifactError
from pipeline.evaluation.condensed import expand
from pipeline.evaluation.headline import Unit, conclude
from pipeline.evaluation.metrics import rounded, summarize
from pipeline.evaluation.pairwise import compare_pairs
from pipeline.evaluation.results import ATTENTION, ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.subgroups import by_length
from pipeline.evaluation.wording import listed

Document = Mapping[str, Any]
Runs = dict[str, dict[int | None, Predictions]]  # model → seed (None of a baseline) → a run

RECORD = "record.json"  # when and where results were kept
ALL_SEEDS = "all_seeds.json"  # what all seeds say, where some came later
_SAME_ANSWERS = 0.999  # of a baseline on the same data; another processor's rounding moves some


@dataclass(frozen=True)
class Kept:
    """One dataset's results in git.

    Attributes:
        dataset: its name.
        metrics, comparison, faithfulness: the content of the files of these names; the first two
            of all seeds, where some came later.
        record: when and on what machine they were kept.
        later: the same of seeds that came later, with the models' names and the seeds.
    """

    dataset: str
    metrics: Document
    comparison: Document
    faithfulness: Document
    record: Document
    later: Sequence[Document] = ()

    @property
    def command(self) -> str:
        """What measures it."""
        return "make repro" if self.dataset == "demo" else f"dvc exp run -S dataset={self.dataset}"

    @property
    def provenance(self) -> str:
        """Command, parameters, machine and date; of seeds that came later too."""
        first = (
            f"`{self.command}` with [these parameters](results/{self.dataset}/params.yaml), "
            f"{_when_and_where(self.record)}"
        )
        networks = [
            name for name, one in self.comparison["models"].items() if not one["deterministic"]
        ]
        return " ".join([first, *(_later(record, networks) for record in self.later)])


def _when_and_where(record: Document) -> str:
    machine = record["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"
    return (
        f"{record['date']}: {machine['processor']}, {machine['cores']} cores, {threads}, "
        f"{machine['system']}, Python {machine['python']}, "
        f"TensorFlow {machine['libraries']['tensorflow']}."
    )


def _later(record: Document, networks: Sequence[str]) -> str:
    seeds = listed(list(map(str, record["seeds"])))
    models = listed([f"`{name}`" for name in record["models"]])
    of_models = "" if set(record["models"]) == set(networks) else f" of {models}"
    return f"Seeds {seeds}{of_models} came later, {_when_and_where(record)}"


def read_kept(folder: Path) -> Kept:
    """The results in a folder of docs/results.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    metrics, comparison, faithfulness, record = (
        read_json(folder / name)
        for name in ("metrics.json", "comparison.json", "faithfulness.json", RECORD)
    )
    later: Sequence[Document] = ()
    if (folder / ALL_SEEDS).exists():
        every = read_json(folder / ALL_SEEDS)
        metrics, later = every["metrics"], every["later"]
        comparison = {**comparison, **every["comparison"]}
    return Kept(folder.name, metrics, comparison, faithfulness, record, later)


def later_seeds(folder: Path) -> list[Path]:
    """The folders of seeds that came later, in the order in which they came."""
    return sorted((folder / "later").glob("*"), key=lambda path: int(path.name))


def read_runs(folder: Path) -> Runs:
    """All test predictions of a dataset's results in git."""
    runs: Runs = {}
    for part in (folder, *later_seeds(folder)):
        table = pq.read_table(part / "test.parquet")
        seeds: dict[str, dict[int | None, None]] = {}  # in the order of the columns
        for name in table.column_names[2:]:
            model, seed, _ = name.rsplit("/", 2)
            seeds.setdefault(model, {})[int(seed) if seed else None] = None
        for model, found in expand(table).items():
            runs.setdefault(model, {}).update(zip(seeds[model], found, strict=True))
    return runs


# ── seeds that came later ────────────────────────────────────────────────────────────────


def check_seeds(folder: Path, settings: Params, results: Sequence[ModelResult]) -> None:
    """Refuse seeds that aren't further ones of the same models on the same data.

    Args:
        folder: the dataset's in docs/results.
        settings: the parameters of the new runs.
        results: the baselines beside them, and the models.

    Raises:
        ArtifactError: the folder has no results, has these already, or has others.
    """
    if not (folder / RECORD).exists():
        raise ArtifactError(
            f"docs/results has no results of '{folder.name}' to which seeds could be added.",
            fix="keep these: python -m pipeline docs --keep",
        )
    instead = "to replace what is kept: python -m pipeline docs --keep"
    kept, runs = load_params(folder / "params.yaml"), read_runs(folder)
    if changed := _changed(settings.entry.encode.model_dump(), kept.entry.encode.model_dump()):
        raise ArtifactError(f"The data are encoded differently: {changed}.", fix=instead)
    first = next(iter(next(iter(runs.values())).values()))
    for result in results:
        name = result.name
        if name not in runs:
            raise ArtifactError(f"The results that are kept have no '{name}'.", fix=instead)
        if not result.test[0].same_rows(first):
            raise ArtifactError(
                f"The test rows aren't those of the results that are kept: {len(result.test[0])} "
                f"rows against {len(first)}, or others.",
                fix=instead,
            )
        if result.deterministic:
            if not _same_answers(result.test[0], runs[name][None]):
                raise ArtifactError(
                    f"'{name}' doesn't give the answers that are kept, so it was fitted to other "
                    f"data.",
                    fix=instead,
                )
        elif changed := _changed(
            settings.recipe(name).model_dump(), kept.recipe(name).model_dump()
        ):
            raise ArtifactError(f"'{name}' was trained differently: {changed}.", fix=instead)
        elif twice := [str(seed) for seed in result.seeds if seed in runs[name]]:
            raise ArtifactError(
                f"Of '{name}', these seeds are kept already: {listed(twice)}.",
                fix="set other `seeds` in params.yaml, and train them: make repro",
            )


def _changed(new: Document, old: Document) -> str:
    """As in "epochs 5 (kept: 6), units 64 (kept: 128)"; empty if nothing is."""
    return ", ".join(
        f"{key} {new.get(key)} (kept: {old.get(key)})"
        for key in sorted(new.keys() | old.keys())
        if new.get(key) != old.get(key)
    )


def _same_answers(one: Predictions, other: Predictions) -> bool:
    if one.outputs.ndim == 1:
        return np.allclose(one.outputs, other.outputs, rtol=1e-3)
    return bool(np.mean(one.labels == other.labels) >= _SAME_ANSWERS)


def says_groups(folder: Path) -> bool:
    """Whether it is known what the test rows belong to: git doesn't keep a column's cells."""
    return "group_column" not in _source(folder)


def row_groups(folder: Path, rows: int) -> NDArray[np.int64] | None:
    """<int64>[rows], what the test rows belong to, where neighbors belong together."""
    together = _source(folder).get("group_rows")
    return np.arange(rows) // together if together else None


def _source(folder: Path) -> Document:
    document: Any = read_yaml(folder / "params.yaml")
    source: Document = document["datasets"][document["dataset"]]["source"]
    return source


def bootstrap_of(method: Document, groups: NDArray[np.int64] | None) -> Bootstrap:
    """How a comparison's differences are judged.

    Args:
        method: of `comparison.json`.
        groups: <int64>[n], see `Bootstrap.groups`.
    """
    return Bootstrap(
        confidence=method["confidence"],
        resamples=method["resamples"],
        seed=method["seed"],
        block=method["block"],
        margin=method.get("margin"),
        groups=groups,
    )


def compare_all_seeds(
    folder: Path, lengths: NDArray[np.int64] | None, groups: NDArray[np.int64] | None
) -> dict[str, Any]:
    """The content of `all_seeds.json`: what `metrics.json` and `comparison.json` say of all seeds.

    What is chosen on validation is chosen by the loss of all seeds, too. What needs more than
    predictions on test, such as calibration, stays that of the first seeds.

    Args:
        folder: the dataset's in docs/results.
        lengths: <int64>[n], each test row's length in steps, before any truncation; None if all
            are as long.
        groups: <int64>[n], see `Bootstrap.groups`.
    """
    first: Document = read_json(folder / "comparison.json")
    metrics: Document = read_json(folder / "metrics.json")
    settings = load_params(folder / "params.yaml")
    task: Task = first["task"]
    bootstrap = bootstrap_of(first["method"], groups)
    results = [
        ModelResult(
            name=name,
            seeds=tuple(seed for seed in runs if seed is not None),
            parameters=first["models"][name]["parameters"],
            validation=(),
            test=tuple(runs.values()),
            attention=None not in runs and settings.recipe(name).pooling in ATTENTION,
        )
        for name, runs in read_runs(folder).items()
    ]
    pairs = compare_pairs(results, task, bootstrap)
    losses = _validation_losses(folder, "mse" if task == "regression" else "log_loss")
    best = min(losses, key=lambda name: losses[name])
    candidates = {name: {"mean": loss} for name, loss in losses.items()}
    champion = {
        "model": best,
        "validation": candidates[best],
        "candidates": candidates,
        **{key: first["champion"][key] for key in ("chosen_by", "baselines")},
    }
    unit = Unit(task == "regression", bootstrap.confidence)
    comparison = {
        "models": {
            result.name: {
                "seeds": result.seeds,
                "deterministic": result.deterministic,
                "parameters": result.parameters,
            }
            for result in results
        },
        **conclude(results, champion, pairs, unit),
        "champion": champion,
        "pairs": pairs,
        "by_length": None
        if lengths is None
        else by_length(
            results, lengths, task, bins=settings.evaluate.length_bins, bootstrap=bootstrap
        ),
    }
    # Of models without further seeds, what was measured before the predictions were rounded.
    models = {
        result.name: before
        if (before := metrics["models"][result.name])["seeds"] == len(result.test)
        else _measured(result, task)
        for result in results
    }
    document: dict[str, Any] = rounded(
        {
            "metrics": {"dataset": first["dataset"], "models": models},
            "comparison": comparison,
            "later": [read_json(part / RECORD) for part in later_seeds(folder)],
        }
    )
    return document


def _validation_losses(folder: Path, metric: str) -> dict[str, float]:
    """Network → its mean loss on validation over all seeds."""
    baselines = read_json(folder / "comparison.json")["champion"]["baselines"]
    found: dict[str, list[tuple[int, float]]] = {}
    for part in (folder, *later_seeds(folder)):
        for name, about in read_json(part / "metrics.json")["models"].items():
            if name not in baselines:
                mean = about["validation"][metric]["mean"]
                found.setdefault(name, []).append((about["seeds"], mean))
    return {
        name: sum(seeds * mean for seeds, mean in parts) / sum(seeds for seeds, _ in parts)
        for name, parts in found.items()
    }


def _measured(result: ModelResult, task: Task) -> Document:
    """Its part of `metrics.json`, on test."""
    mean = replace(result.test[0], outputs=result.mean_outputs().astype(np.float32))
    count = len(result.test)
    return {
        "seeds": count,
        "parameters": result.parameters,
        "test": summarize(result.test, task),
        "ensemble": {
            "parameters": count * result.parameters,
            "test": summarize([mean], task),
        },
    }
