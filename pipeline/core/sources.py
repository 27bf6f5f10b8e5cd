"""The `source` of a dataset, by its kind."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from pipeline.core.schema import (
    Classes,
    Count,
    LabelColumn,
    Names,
    Part,
    Position,
    Rows,
    Section,
    Seed,
    Share,
    Size,
    Steps,
    UserPath,
)


class DemoSource(Section):
    """The bundled corpus, written by a seeded generator."""

    kind: Literal["demo"]
    """The bundled demo corpus."""
    train: Rows
    """Reviews to train on; `encode.validation_share` of them are for validation."""
    test: Rows
    """Reviews to test on."""
    seed: Seed
    """Seed of the generator."""
    noise: Share = 0.03
    """Share of labels that are flipped."""
    words: tuple[Count, Count] = (40, 200)
    """Fewest and most words in a review."""
    position: Position = "anywhere"
    """Where in a review the deciding passages are."""


class TableSource(Section):
    """Tables with a text and a class in each row, on the Hub or in files."""

    kind: str
    path: UserPath
    text_column: str | Names = "text"
    """Column of the text, or a list of columns, whose texts are joined by a blank line."""
    label_column: LabelColumn = "label"
    """Column of the class, a word or a number."""
    evidence_column: str | None = None
    """Column of the character spans that decide the label, if the data has them."""
    group_column: str | None = None
    """Column of what rows belong to, such as a product. A split made here never divides a group, \
and intervals are of other groups, not only of other rows."""
    group_rows: Rows | None = None
    """The same, if no column names the groups but they stand together: every so many rows of a \
split are one."""
    classes: Classes | None = None
    """Names of the classes in order; null: as the data names them."""
    test_share: Part = 0.2
    """Share of train that becomes test if there is no split for it."""
    seed: Seed = 0
    """Seed of that split."""

    @pydantic.model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.group_column and self.group_rows:
            raise ValueError("either `group_column` or `group_rows` says what belongs together")
        if self.evidence_column and not isinstance(self.text_column, str):
            raise ValueError(
                "`evidence_column` counts the characters of one text, so `text_column` must be one "
                "column, no list"
            )
        return self


class HubSource(TableSource):
    """A dataset on the Hugging Face Hub at a pinned revision, or a local copy of one."""

    kind: Literal["hub"]
    """A dataset on the Hugging Face Hub."""
    path: UserPath
    """Its name on the Hub, or the folder of a local copy."""
    revision: str | None = None
    """Commit of the dataset's repository; null: the latest, which may change."""
    config: str | None = None
    """The dataset's configuration, if it has several."""
    train: str = "train"
    """Name of the split to train on."""
    validation: str | None = None
    """Name of the split for validation; null: it is taken from train."""
    test: str | None = "test"
    """Name of the split to test on; null: it is taken from train."""
    unsupervised: str | None = None
    """Name of the split without labels, if any."""


class FilesSource(TableSource):
    """The user's own files: CSV, TSV, JSON lines, JSON, parquet, or a folder of them."""

    kind: Literal["files"]
    """Your own file or folder of files."""
    path: UserPath
    """A file or folder; a relative path starts at the project's folder."""
    columns: Names | None = None
    """Names of the columns in order, if the files have no header; null: the first line has them."""
    quoting: Literal["minimal", "none"] | None = None
    """What a quotation mark means in CSV and TSV. `minimal`: it may enclose a cell; `none`: it is \
a character like any other; null: as `minimal`, but where that is doubtful the file is refused."""


class SeriesSplit(Section):
    """How many steps go to each split, in order: rows, or shares of all rows."""

    train: Size
    """Steps to train on: a number of rows, or a share of all."""
    validation: Size
    """Steps for validation, which follow those."""
    test: Size
    """Steps to test on, which follow those."""

    @pydantic.model_validator(mode="after")
    def _sizes_match(self) -> "SeriesSplit":
        sizes = (self.train, self.validation, self.test)
        if len({type(size) for size in sizes}) > 1:
            raise ValueError("all three must be rows (2880) or all three shares (0.2)")
        if isinstance(self.train, float) and sum(sizes) > 1 + 1e-9:
            raise ValueError("the three shares add up to more than 1")
        return self


class SeriesSource(Section):
    """The user's own time series, one row per step; windows are cut from it."""

    kind: Literal["series"]
    """A table of numbers over time."""
    path: UserPath
    """The file; a relative path starts at the project's folder."""
    columns: Names | None = None
    """Names of the columns in order, if the file has no header; null: the first line has them."""
    time_column: str | Names | None = None
    """Column of the time, which is checked for gaps; several, such as date and hour, are joined."""
    time_format: str | None = None
    """How times are written, as in `%d/%m/%Y %H:%M`; null: ISO 8601, or whole numbers."""
    series_column: str | Names | None = None
    """Column that tells the series in one file apart, or columns; no window spans two of them."""
    features: Names
    """Columns that the network reads."""
    target: str
    """Column to predict."""
    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers that are written as text."""
    missing: Literal["error", "ffill"] = "error"
    """What to do about a missing number: refuse it, or repeat the value before."""
    split: SeriesSplit
    """How many steps of each series each split gets, in order."""


class SequencesSource(Section):
    """The user's own sequences, one row each, with a list of numbers per feature."""

    kind: Literal["sequences"]
    """A table with a whole sequence in each row."""
    path: UserPath
    """A file or folder; a relative path starts at the project's folder."""
    features: Names
    """Columns that the network reads, a list of numbers in each cell."""
    target: str
    """Column of the class, or of the number to predict."""
    task: Literal["classification", "regression"] = "classification"
    """Whether the target is a class or a number."""
    classes: Classes | None = None
    """Names of the classes in order; null: as the data names them."""
    validation_share: Part = 0.2
    """Share of train that becomes validation if no file is named validation."""
    test_share: Part = 0.2
    """Share of train that becomes test if no file is named test."""
    seed: Seed = 0
    """Seed of both splits."""


class AddingSource(Section):
    """Hochreiter & Schmidhuber's adding problem, generated."""

    kind: Literal["adding"]
    """Generated: the target is the sum of the two marked values."""
    train: Rows
    """Sequences to train on."""
    validation: Rows
    """Sequences for validation."""
    test: Rows
    """Sequences to test on."""
    time_steps: Annotated[Steps, Field(ge=2)]
    """Length of each sequence."""
    seed: Seed
    """Seed of the generator."""


TextSource = Annotated[DemoSource | HubSource | FilesSource, Field(discriminator="kind")]
NumericSource = Annotated[
    SeriesSource | SequencesSource | AddingSource, Field(discriminator="kind")
]
NUMERIC = ("series", "sequences", "adding")  # the kinds of a NumericSource
