"""`studies/parts/params.yaml`."""

from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from pipeline.core.schema import Name, Section, Seed, Threads
from pipeline.studies.parameters import read_study


class Change(Section):
    """What differs from the dataset's entry in `params.yaml`, key by key.

    Attributes:
        encode, training: keys of the entry.
        log_counts: whether naive Bayes's features are read beside the context vector, which the
            project's own recipes can't.
    """

    encode: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    log_counts: bool = False


class Case(Section):
    """Parts that are trained with together.

    Attributes:
        parts: names of them.
        models: those trained.
        seeds: one for each run of a model.
        repeats: a case that this one repeats with another pretraining or another validation split,
            and is compared with; it stands above this one.
    """

    parts: tuple[Name, ...] = ()
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    repeats: Name | None = None


class Study(Section):
    """What is trained.

    Attributes:
        dataset: an entry of `params.yaml`.
        base: what every case has.
        parts: name → what it changes.
        cases: name → the parts together. The others are compared with the first one.
        threads: of every training.
    """

    dataset: Name
    base: Change
    parts: dict[Name, Change]
    cases: Annotated[dict[Name, Case], Field(min_length=1)]
    threads: Threads

    @pydantic.field_validator("cases")
    @classmethod
    def _known(cls, cases: dict[str, Case], info: pydantic.ValidationInfo) -> dict[str, Case]:
        above: set[str | None] = {None}
        for name, case in cases.items():
            if unknown := set(case.parts) - set(info.data.get("parts", {})):
                raise ValueError(f"`{name}` names the part '{min(unknown)}', which is not defined")
            if case.repeats not in above:
                raise ValueError(f"`{name}` repeats '{case.repeats}', which is no case above it")
            above.add(name)
        return cases

    def changes(self, case: Case) -> list[Change]:
        """What the case changes, in order: a later one has precedence."""
        return [self.base, *(self.parts[part] for part in case.parts)]

    def log_counts(self, case: Case) -> bool:
        """Whether one of the case's changes asks for them."""
        return any(change.log_counts for change in self.changes(case))


def load_study(path: Path) -> Study:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    return read_study(Study, path)
