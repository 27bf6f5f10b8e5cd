"""`params.yaml` of a study that trains on cases of data."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pydantic
from pydantic import Field

from pipeline.core.schema import Rows, Section, Seed, Steps, Threads
from pipeline.studies.parameters import read_study

PLACES = ("before", "around", "after")  # where distractors stand, seen from their text


class Case(NamedTuple):
    """One dataset that the study trains on.

    Attributes:
        dataset: the entry of `params.yaml` that it is made from.
        rows: how many to train on, for texts.
        target: the column to predict, for series.
        length: tokens of a text with its distractors, if the study has any.
    """

    dataset: str
    rows: int | None = None
    target: str | None = None
    length: int | None = None

    @property
    def name(self) -> str:
        return "-".join(str(part) for part in self if part is not None)


class Distractors(Section):
    """Neutral sentences that make short texts long.

    Attributes:
        longest: tokens of a short text, at most.
        lengths: tokens of a text with its sentences, at most.
        neutral: largest log-count ratio, by naive Bayes, of a sentence and of each of its words.
    """

    longest: Steps
    lengths: Annotated[tuple[Steps, ...], Field(min_length=1)]
    neutral: Annotated[float, Field(strict=True, gt=0, le=10)]

    @pydantic.model_validator(mode="after")
    def _room(self) -> "Distractors":
        if min(self.lengths) <= self.longest:
            raise ValueError("every one of `lengths` must be above `longest`")
        return self


class Study(Section):
    """What is trained on what.

    Attributes:
        models: those trained in each case.
        seeds: one for each run of a model.
        seed: of the draws of rows.
        test: rows to test on, at most, for texts.
        texts: entry of `params.yaml` → numbers of rows to train on.
        series: entry of `params.yaml` → columns to predict.
        distractors: what is put around the texts; null: nothing.
        encode, training: what is changed in the suggested parameters.
        threads: of every training.
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    seed: Seed
    test: Rows
    texts: dict[str, tuple[Rows, ...]]
    series: dict[str, tuple[str, ...]]
    distractors: Distractors | None = None
    encode: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    training: dict[str, Any] = Field(default_factory=dict)
    threads: Threads

    @pydantic.field_validator("encode")
    @classmethod
    def _read_to_the_end(
        cls, encode: dict[str, Any], info: pydantic.ValidationInfo
    ) -> dict[str, Any]:
        distractors: Distractors | None = info.data.get("distractors")
        if distractors and encode.get("max_len", 0) < max(distractors.lengths):
            longest = max(distractors.lengths)
            raise ValueError(f"set `max_len` to {longest}, so that no text is cut")
        return encode

    @property
    def cases(self) -> list[Case]:
        """Every case, in the order of the file."""
        lengths = self.distractors.lengths if self.distractors else (None,)
        return [
            *(
                Case(name, rows=rows, length=length)
                for name, sizes in self.texts.items()
                for rows in sizes
                for length in lengths
            ),
            *(Case(name, target=one) for name, targets in self.series.items() for one in targets),
        ]


def load_study(path: Path) -> Study:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    return read_study(Study, path)
