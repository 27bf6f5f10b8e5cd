"""`studies/roar/params.yaml`, and the runs that it asks for."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pydantic
from pydantic import Field

from pipeline.core.schema import Count, Name, Part, Section, Seed, Threads
from pipeline.studies.parameters import read_study

RANDOM = "random"
Method = Literal["attention", "gradient_input", "gradient_norm", "integrated_gradients"]


class Run(NamedTuple):
    """One training.

    Attributes:
        method: which ranked the words that are masked.
        ratio: of the words that are masked.
        seed: of the training, and of the random ranks.
    """

    method: str
    ratio: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.method}-{self.seed}-{self.ratio:g}"


class Study(Section):
    """What is masked, and how far.

    Attributes:
        dataset: the entry of `params.yaml` whose encoded data are masked.
        model: what is trained, and explained.
        methods: those that rank words; random ranks are always measured.
        ratios: of the words that are masked, ascending; none and all are measured too.
        seeds: one for each whole curve of a method.
        integration_steps: of integrated gradients.
        threads: of every training.
    """

    dataset: Name
    model: Name
    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    ratios: Annotated[tuple[Part, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    integration_steps: Count
    threads: Threads

    @pydantic.field_validator("methods", "ratios", "seeds")
    @classmethod
    def _once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each value once")
        return values

    @pydantic.field_validator("ratios")
    @classmethod
    def _ascending(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if list(ratios) != sorted(ratios):
            raise ValueError("from the smallest to the largest: what is masked stays masked")
        return ratios

    @property
    def all_ratios(self) -> tuple[float, ...]:
        """From nothing to everything."""
        return (0.0, *self.ratios, 1.0)

    def curve(self, method: str, seed: int) -> list[Run]:
        """The runs of a method, by ratio; the two ends are those of the random ranks."""
        return [
            Run(method if ratio in self.ratios else RANDOM, ratio, seed)
            for ratio in self.all_ratios
        ]


def load_study(path: Path) -> Study:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    return read_study(Study, path)
