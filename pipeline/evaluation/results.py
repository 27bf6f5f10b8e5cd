"""What is compared: each model's predictions for the same rows, one set per seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import read_json
from pipeline.core.params import Params
from pipeline.core.predictions import Predictions, Task, read_predictions
from pipeline.errors import ArtifactError
from pipeline.workspace import Workspace

DIGITS = 6  # of every float in a file: beyond them a processor may differ

# The kinds of `Recipe.pooling` that weigh the steps.
ATTENTION = frozenset({"additive", "additive_max", "dot", "dot_last", "dot_max"})


def read_baseline_names(workspace: Workspace) -> list[str]:
    """The names of the baselines, in order.

    Raises:
        ArtifactError: the list is missing or damaged.
    """
    names: list[str] = read_json(workspace.references / "references.json", list)
    return names


@dataclass(frozen=True)
class ModelResult:
    """A model under comparison.

    Attributes:
        name: the model's name in `params.yaml`.
        seeds: one per run; empty for a deterministic model (a baseline), which has exactly one
            run.
        parameters: trainable numbers in the model.
        validation: one per run, in the order of `seeds`.
        test: likewise; nothing may be chosen by it.
        attention: whether it weighs its steps.
    """

    name: str
    seeds: tuple[int, ...]
    parameters: int
    validation: tuple[Predictions, ...]
    test: tuple[Predictions, ...]
    attention: bool = False

    @property
    def deterministic(self) -> bool:
        return not self.seeds

    @property
    def seed_names(self) -> tuple[int | None, ...]:
        """The seed of each run; None for a deterministic one."""
        return self.seeds or (None,)

    def split_by_seed(self) -> list["ModelResult"]:
        """Each run as a model of its own."""
        return [
            replace(self, seeds=() if seed is None else (seed,), validation=(seen,), test=(unseen,))
            for seed, seen, unseen in zip(self.seed_names, self.validation, self.test, strict=True)
        ]

    def mean_outputs(self) -> NDArray[np.float64]:
        """<float64>[n, classes] or, for regression, [n]: the runs' mean outputs on test."""
        return _mean_outputs(self.test)

    def ensemble(self) -> "ModelResult | None":
        """All runs as one model that averages their outputs; None if there is only one."""
        if len(self.test) < 2:
            return None
        return replace(
            self,
            seeds=(),
            parameters=len(self.test) * self.parameters,
            validation=(_averaged(self.validation),),
            test=(_averaged(self.test),),
        )


def _mean_outputs(runs: Sequence[Predictions]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([run.outputs for run in runs], axis=0, dtype=np.float64)
    return mean


def _averaged(runs: Sequence[Predictions]) -> Predictions:
    return replace(runs[0], outputs=_mean_outputs(runs).astype(np.float32))


def scores(runs: Sequence[Predictions], task: Task) -> NDArray[np.float64]:
    """<float64>[runs, n]: 1 where the class is right, else 0; regression: the squared error."""
    if task == "regression":
        return np.stack([(run.outputs.astype(np.float64) - run.targets) ** 2 for run in runs])
    return np.stack([run.labels == run.targets for run in runs]).astype(np.float64)


def aggregate(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and standard deviation (n - 1) of one metric over runs; None where undefined."""
    known = np.array([value for value in values if value is not None], np.float64)
    return {
        "mean": float(known.mean()) if len(known) else None,
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
    }


def check_same_rows(results: Sequence[ModelResult]) -> None:
    """Refuse results whose predictions are not for the same rows in the same order.

    Raises:
        ArtifactError: they are not; a paired comparison would be meaningless.
    """
    for split in ("validation", "test"):
        first = _runs(results[0], split)[0]
        for result in results:
            for seed, run in zip(result.seed_names, _runs(result, split), strict=True):
                if not _same(run.rows, first.rows) or not _same(run.targets, first.targets):
                    of_seed = "" if seed is None else f" with seed {seed}"
                    raise ArtifactError(
                        f"The {split} predictions of {result.name}{of_seed} are for other rows "
                        f"than those of {results[0].name}: {len(run)} rows against {len(first)}.",
                        fix="predict again from the same encoding: dvc repro",
                    )


def _runs(result: ModelResult, split: str) -> tuple[Predictions, ...]:
    return result.validation if split == "validation" else result.test


def _same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return np.array_equal(left, right)


def read_result(
    name: str, seeds: Sequence[int], folders: Sequence[Path], *, test: str = "test"
) -> ModelResult:
    """A model with the predictions of its runs.

    Args:
        name: the model's.
        seeds: what it was trained with; none for a baseline.
        folders: one for each run, as its stage wrote it.
        test: the name of the test rows.
    """
    card = read_json(folders[0] / "model.json")
    return ModelResult(
        name=name,
        seeds=tuple(seeds),
        parameters=card["parameters"],
        validation=tuple(read_predictions(folder / "validation.parquet") for folder in folders),
        test=tuple(read_predictions(folder / f"{test}.parquet") for folder in folders),
        attention=card.get("recipe", {}).get("pooling") in ATTENTION,
    )


def read_results(workspace: Workspace, settings: Params) -> list[ModelResult]:
    """The baselines and the models of `params.yaml`, with the predictions of their runs.

    Raises:
        ArtifactError: one of them is missing or damaged.
    """
    baselines = [
        read_result(name, (), [workspace.reference(name)])
        for name in read_baseline_names(workspace)
    ]
    trained = [
        read_result(name, settings.seeds, [workspace.model(name, seed) for seed in settings.seeds])
        for name in settings.models
    ]
    return [*baselines, *trained]
