"""Predictions for the rows of a split, their file, and the names of splits and tasks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import read_table

Task = Literal["binary", "multiclass", "regression"]
SPLITS = ("train", "validation", "test")
UNLABELED = "unsupervised"  # a split of texts alone, which some datasets have beside them
ALL_SPLITS = (*SPLITS, UNLABELED)
TFIDF = "tfidf_logistic_regression"
NAIVE_BAYES = "nb_logistic_regression"


# A float32 sigmoid saturates to 0 or 1, and the logarithm of 0 is not finite.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for the rows of a split.

    Attributes:
        rows: <int64>[n], the row's number in `data/raw/SPLIT.parquet`.
        targets: <int64>[n] classes, or, for regression, <float32>[n].
        outputs: <float32>[n, classes] probabilities (two columns if binary), or, for
            regression, <float32>[n].
    """

    rows: NDArray[np.int64]
    targets: NDArray[Any]
    outputs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        """<int64>[n], the most probable class of each row."""
        return np.asarray(self.outputs.argmax(axis=1), np.int64)

    def same_rows(self, other: "Predictions") -> bool:
        """Whether both are of the same rows with the same targets."""
        alike = np.array_equal(self.rows, other.rows)
        return alike and np.array_equal(self.targets, other.targets)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as parquet: row, target, and p0, p1, … or prediction."""
    outputs = predictions.outputs
    named = (
        {"prediction": outputs}
        if outputs.ndim == 1
        else {f"p{number}": outputs[:, number] for number in range(outputs.shape[1])}
    )
    columns = {"row": predictions.rows, "target": predictions.targets, **named}
    pq.write_table(
        pa.table({name: np.ascontiguousarray(column) for name, column in columns.items()}),
        path,
        compression="zstd",
    )


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    table = read_table(path)
    names = [name for name in table.column_names if name not in {"row", "target"}]
    columns = [table[name].to_numpy() for name in names]
    return Predictions(
        rows=table["row"].to_numpy(),
        targets=table["target"].to_numpy(),
        outputs=columns[0] if names == ["prediction"] else np.stack(columns, axis=1),
    )
