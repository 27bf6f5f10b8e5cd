"""`params.yaml` of a study that trains on cases of data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from pipeline.core import schema
from pipeline.core.schema import Rows, Section, Seed


class Case(NamedTuple):
    """One dataset that the study trains on.

    Attributes:
        dataset: the entry of `params.yaml` that it is made from.
        rows: how many to train on, for texts.
        target: the column to predict, for series.
    """

    dataset: str
    rows: int | None = None
    target: str | None = None

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.rows or self.target}"


class Study(Section):
    """What is trained on what.

    Attributes:
        models: those trained in each case.
        seeds: one for each run of a model.
        seed: of the draws of rows.
        test: rows to test on, at most, for texts.
        texts: entry of `params.yaml` → numbers of rows to train on.
        series: entry of `params.yaml` → columns to predict.
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    seed: Seed
    test: Rows
    texts: dict[str, tuple[Rows, ...]]
    series: dict[str, tuple[str, ...]]

    @property
    def cases(self) -> list[Case]:
        """Every case, in the order of the file."""
        return [
            *(Case(name, rows=rows) for name, sizes in self.texts.items() for rows in sizes),
            *(Case(name, target=one) for name, targets in self.series.items() for one in targets),
        ]


def load_study(path: Path) -> Study:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    document = schema.read_yaml(path)
    values = document if isinstance(document, Mapping) else {}
    return schema.validate(Study, values, where="/".join(path.parts[-3:]))
