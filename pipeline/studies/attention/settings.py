"""`studies/attention/params.yaml`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline.core.schema import Name, Rows, Section, Seed, Threads
from pipeline.studies.parameters import read_study


class Texts(Section):
    """What is taken of an entry of `params.yaml`.

    Attributes:
        train: rows to train on, at most; null: all. A part of them is held out for validation.
        test: rows to test on, at most.
        encode, training: what is changed in the entry's.
    """

    train: Rows | None = None
    test: Rows | None = None
    encode: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)


class Study(Section):
    """What is trained.

    Attributes:
        texts: entry of `params.yaml` → what is taken of it.
        variants: name → its architecture. The first one is what the others are compared with.
        seeds: one for each run of a variant.
        seed: of the draws of rows.
        explain: what is changed in the `explain` of `params.yaml`.
        threads: of every training.
    """

    texts: Annotated[dict[Name, Texts], Field(min_length=1)]
    variants: Annotated[dict[Name, dict[str, Any]], Field(min_length=2)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    seed: Seed
    explain: dict[str, Any] = Field(default_factory=dict)
    threads: Threads


def load_study(path: Path) -> Study:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    return read_study(Study, path)
