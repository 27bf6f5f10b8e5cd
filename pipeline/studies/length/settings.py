"""`studies/length/params.yaml` as frozen, typed values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import pydantic
from pydantic import Field

from pipeline.core import params, schema
from pipeline.core.params import Recipe
from pipeline.core.schema import (
    Name,
    Part,
    Position,
    Resamples,
    Rows,
    Section,
    Seed,
    Share,
    Threads,
    Vocabulary,
)

ATTENTION, BASELINE = "bilstm_attention", "bilstm"  # what the claim compares

# Where the evidence of the test reviews stands; of those that are learned from, anywhere.
POSITIONS: tuple[Position, ...] = get_args(Position)

Length = Annotated[str, Field(pattern=r"^\d+-\d+(x\d+)?$")]
Epoch = Annotated[int, Field(strict=True, ge=0, le=1000)]


class Corpus(Section):
    """What the reviews of every length have in common."""

    train: Rows
    validation: Rows
    test: Rows
    seed: Seed
    noise: Share
    vocabulary: Vocabulary


class Evaluate(Section):
    """How certainty is measured."""

    confidence: Part
    resamples: Resamples
    seed: Seed


class Group(Section):
    """Models that are trained on one corpus alone."""

    length: Length
    models: tuple[Name, ...]


class Flow(Section):
    """The models of which the loss's gradient is measured, and after which epochs."""

    length: Length
    models: tuple[Name, ...]
    seed: Seed
    rows: Rows
    epochs: Annotated[tuple[Epoch, ...], Field(min_length=1)]


class Study(Section):
    """All of the file.

    `lengths` are ranges of words, such as "40-60", from the shortest to the longest. `corpora` are
    these, and "230-270x10" for ten times as many reviews to learn from.
    """

    lengths: Annotated[tuple[Length, ...], Field(min_length=2)]
    corpora: tuple[Length, ...]
    models: tuple[Name, ...]
    remedies: Group
    more_data: Group
    flow: Flow
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    threads: Threads
    corpus: Corpus
    training: dict[str, Any]
    architectures: dict[Name, dict[str, Any]]
    evaluate: Evaluate

    @pydantic.field_validator("lengths")
    @classmethod
    def _ascending(cls, lengths: tuple[str, ...]) -> tuple[str, ...]:
        ends = [end for length in lengths for end in words(length)]
        if ends != sorted(ends):
            raise ValueError("the ranges of words must not overlap, and go from short to long")
        return lengths

    @pydantic.field_validator("models", "seeds")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("something is named twice")
        return values

    @pydantic.model_validator(mode="after")
    def _generated(self) -> "Study":
        if missing := self.trained.keys() - set(self.corpora):
            raise ValueError(f"`corpora` lacks {', '.join(sorted(missing))}")
        return self

    @pydantic.field_validator("models")
    @classmethod
    def _the_claims(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if not {ATTENTION, BASELINE} <= set(models):
            raise ValueError(f"the claim is about {ATTENTION} and {BASELINE}: name both")
        return models

    @property
    def trained(self) -> dict[str, list[str]]:
        """Every corpus, and the models that are trained on it."""
        found = {length: list(self.models) for length in self.lengths}
        for group in (self.remedies, self.more_data):
            found.setdefault(group.length, []).extend(group.models)
        return found

    @property
    def runs(self) -> list[tuple[str, str, int]]:
        """Every (length, model, seed)."""
        return [
            (length, model, seed)
            for length, models in self.trained.items()
            for model in models
            for seed in self.seeds
        ]

    @property
    def rivals(self) -> list[str]:
        """The models that attention is compared with; the claim is about the first."""
        others = [model for model in self.models if model not in {ATTENTION, BASELINE}]
        return [BASELINE, *others]

    def recipe(self, model: str) -> Recipe:
        """The model's architecture over the training that all share."""
        return params.merge_recipe(model, self.training, self.architectures, where="training")


def load_study(path: Path) -> Study:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or holds something that it may not.
    """
    document = schema.read_yaml(path)
    values = document if isinstance(document, Mapping) else {}
    study = schema.validate(Study, values, where="studies/length/params.yaml")
    for _, model, _ in study.runs:
        study.recipe(model)
    return study


def words(length: str) -> tuple[int, int]:
    """Fewest and most words: "40-60" → 40, 60."""
    fewest, _, most = length.partition("x")[0].partition("-")
    return int(fewest), int(most)


def times(length: str) -> int:
    """By what the number of reviews to learn from is multiplied: "40-60" → 1, "40-60x10" → 10."""
    return int(length.partition("x")[2] or 1)


def test_name(position: str) -> str:
    """What the test reviews are called whose evidence stands at `position`."""
    return "test" if position == "anywhere" else f"test_{position}"
