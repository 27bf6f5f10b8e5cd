"""What the stages that compare share: trained runs as arms, and none but those asked for."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline import artifacts
from pipeline.artifacts import read_predictions
from pipeline.evaluation.arms import Arm


def read_arm(
    name: str, seeds: Sequence[int], folders: Sequence[Path], *, test: str = "test"
) -> Arm:
    """A model with what its fits said.

    Args:
        name: the model's.
        seeds: what it was trained with; none of a reference.
        folders: one for each fit, as its stage wrote it.
        test: the name of the test rows.
    """
    return Arm(
        name=name,
        seeds=tuple(seeds),
        parameters=artifacts.read_json(folders[0] / "model.json")["parameters"],
        validation=tuple(read_predictions(folder / "validation.parquet") for folder in folders),
        test=tuple(read_predictions(folder / f"{test}.parquet") for folder in folders),
    )


def prune(models: Path, asked_for: Collection[Path]) -> None:
    """Remove runs that the parameters no longer list; DVC's cache keeps them.

    What such a stage depends on, for DVC, is the folder of all runs, so a leftover would give
    it another hash here than in a fresh clone.

    Args:
        models: the folder of all runs.
        asked_for: the runs' folders that stay.
    """
    for folder in models.iterdir():
        if folder not in asked_for:
            shutil.rmtree(folder)
