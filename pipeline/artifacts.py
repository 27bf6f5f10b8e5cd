"""The one place that names, reads and atomically writes the stages' files."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import ArtifactError

SPLITS = ("train", "validation", "test")
REFERENCE = "tfidf_logistic_regression"

# What `encoding.json` says of a network's inputs; a model's card and MLflow repeat it.
NETWORK_INPUTS = (
    "length",
    "vocabulary_size",
    "bigrams",
    "vectors",
    "language_model",
    "max_len",
    "keep",
    "features",
    "time_steps",
)


@dataclass(frozen=True)
class Workspace:
    """Where every file is.

    Attributes:
        root: the project's folder.
        part: the folder below it that holds a pipeline of its own, with files named alike.
    """

    root: Path
    part: str = "."

    @classmethod
    def current(cls) -> "Workspace":
        """The workspace of the current folder: DVC runs every stage in the project's root."""
        return cls(Path.cwd())

    @property
    def home(self) -> Path:
        """The project's own folder, also while `dvc exp run --temp` runs in a copy of it.

        Input paths of the user's and the tracking store are found from here.
        """
        return Path(os.environ.get("DVC_ROOT") or self.root).resolve()

    @property
    def length_study(self) -> "Workspace":
        """The study of `make length-study`."""
        return Workspace(self.root, "studies/length")

    @property
    def recipe_search(self) -> "Workspace":
        """The search of `make search`."""
        return Workspace(self.root, "studies/recipe")

    @property
    def base(self) -> Path:
        return self.root / self.part

    @property
    def libraries(self) -> Path:
        """The lock file of the libraries."""
        return self.root / "locks" / "run.txt"

    @property
    def pipeline(self) -> Path:
        """DVC's stages."""
        return self.base / "dvc.yaml"

    @property
    def params(self) -> Path:
        return self.base / "params.yaml"

    @property
    def lock(self) -> Path:
        """DVC's record of what every stage read and wrote."""
        return self.base / "dvc.lock"

    @property
    def raw(self) -> Path:
        return self.base / "data" / "raw"

    @property
    def encoded(self) -> Path:
        return self.base / "data" / "encoded"

    @property
    def vectors(self) -> Path:
        """Word vectors in `vectors.npy`, if the dataset wants any; `vectors.json` tells of them."""
        return self.base / "data" / "vectors"

    @property
    def results(self) -> Path:
        return self.base / "results"

    @property
    def models(self) -> Path:
        return self.results / "models"

    def model(self, model: str, seed: int) -> Path:
        return self.models / f"{model}-{seed}"

    @property
    def references(self) -> Path:
        """The models that nobody has to train a network for; `references.json` names them."""
        return self.results / "reference"

    def reference(self, name: str) -> Path:
        return self.references / name

    @property
    def metrics(self) -> Path:
        return self.results / "metrics.json"

    @property
    def comparison(self) -> Path:
        return self.results / "comparison.json"

    @property
    def summary(self) -> Path:
        """What the length study found."""
        return self.results / "summary.json"

    @property
    def plots(self) -> Path:
        return self.results / "plots"

    @property
    def explanations(self) -> Path:
        return self.results / "explanations"

    @property
    def report(self) -> Path:
        return self.results / "report.html"

    @property
    def scratch(self) -> Path:
        """Git-ignored and unknown to DVC: checkpoints, costs, the tracking marker."""
        return self.base / ".spotlight"

    @property
    def tracked(self) -> Path:
        """Tells DVC that MLflow has been told."""
        return self.scratch / "tracked"

    def checkpoint(self, model: str, seed: int) -> Path:
        return self.scratch / "checkpoints" / f"{model}-{seed}.npz"

    def costs(self, model: str, seed: int) -> Path:
        return self.scratch / "costs" / f"{model}-{seed}.json"


# ── writing: whole or not at all ─────────────────────────────────────────────────────────


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new content is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically; its bytes depend on the content alone."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that takes `path`'s place when the block ends well, and never otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        temporary.chmod(0o755)
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


# ── reading: a missing or damaged file names the stage that makes it ─────────────────────


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        ArtifactError: it is not there.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"There is no {_shown(path)}.", fix="make it: dvc repro") from None


def read_text(path: Path) -> str:
    """Read UTF-8 text."""
    return read_bytes(path).decode("utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise _damaged(path, error) from None


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        return pq.read_table(path, columns=columns)
    except FileNotFoundError:
        raise ArtifactError(f"There is no {_shown(path)}.", fix="make it: dvc repro") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(path, error) from None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array atomically, as NumPy's own format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def write_arrays(path: Path, arrays: list[NDArray[Any]]) -> None:
    """Write arrays atomically into one file of NumPy's format."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> list[NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as kept:
            return [kept[name] for name in kept.files]
    except (ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None


def read_array(path: Path) -> NDArray[Any]:
    """Read what `write_array` wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        array: NDArray[Any] = np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
    except ValueError as error:
        raise _damaged(path, error) from None
    return array


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"{_shown(path)} is damaged: {error}",
        fix=f"delete it and make it again: rm -r {_shown(path)} && dvc repro",
    )


def _shown(path: Path) -> Path:
    """The path as a person in the project's folder would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def read_references(workspace: Workspace) -> list[str]:
    """The names of the references, in their order.

    Raises:
        ArtifactError: the list is missing or damaged.
    """
    names: list[str] = read_json(workspace.references / "references.json")
    return names


# ── sequences and predictions ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Sequences:
    """Rows of unequal length, laid end to end: `n` rows, `total` steps.

    Attributes:
        rows: <int64>[n], the row's number in `data/raw/SPLIT.parquet`.
        targets: <int64>[n] class, or <float32>[n] where the task is regression.
        starts: <int64>[n + 1]; row i is `values[starts[i]:starts[i + 1]]`.
        values: <int32>[total] token ids, or <float32>[total, features].
        spans: <int32>[total, 2], each token's characters in the raw text; None for series.
    """

    rows: NDArray[np.int64]
    targets: NDArray[Any]
    starts: NDArray[np.int64]
    values: NDArray[Any]
    spans: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """<int64>[n], steps per row."""
        return np.diff(self.starts)

    def take(self, indices: NDArray[np.int64]) -> "Sequences":
        """The rows at `indices`, in that order."""
        lengths = self.lengths[indices]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # steps: for each kept row its own run of positions in `values`.
        steps = np.arange(starts[-1]) + np.repeat(self.starts[indices] - starts[:-1], lengths)
        return Sequences(
            rows=self.rows[indices],
            targets=self.targets[indices],
            starts=starts,
            values=self.values[steps],
            spans=None if self.spans is None else self.spans[steps],
        )

    @classmethod
    def concatenate(cls, parts: list["Sequences"]) -> "Sequences":
        """The parts' rows, one part after the other."""
        lengths = np.concatenate([part.lengths for part in parts])
        spans = [part.spans for part in parts if part.spans is not None]
        return cls(
            rows=np.concatenate([part.rows for part in parts]),
            targets=np.concatenate([part.targets for part in parts]),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            values=np.concatenate([part.values for part in parts]),
            spans=np.concatenate(spans) if spans else None,
        )


def write_sequences(
    path: Path, sequences: Sequences, *, totals: NDArray[np.int64] | None = None
) -> None:
    """Write sequences as a parquet file of one row each: row, target, values, spans.

    Args:
        path: of the file.
        sequences: the rows.
        totals: <int64>[n], each row's steps before truncation, as a further column `total`.
    """
    offsets = pa.array(sequences.starts, pa.int64())
    values = pa.array(sequences.values.reshape(-1))
    if sequences.values.ndim == 2:
        values = pa.FixedSizeListArray.from_arrays(values, sequences.values.shape[1])
    columns = {
        "row": pa.array(sequences.rows),
        "target": pa.array(sequences.targets),
        "values": pa.LargeListArray.from_arrays(offsets, values),
    }
    if sequences.spans is not None:
        pairs = pa.FixedSizeListArray.from_arrays(pa.array(sequences.spans.reshape(-1)), 2)
        columns["spans"] = pa.LargeListArray.from_arrays(offsets, pairs)
    if totals is not None:
        columns["total"] = pa.array(totals)
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_sequences(path: Path, *, spans: bool = True) -> Sequences:
    """Read what `write_sequences` wrote.

    Args:
        path: of the file.
        spans: whether to read those too, if there are any; they take twice as much memory as
            the tokens themselves, and training asks for none.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    columns = None if spans else ["row", "target", "values"]
    table = read_table(path, columns).combine_chunks()

    def flat(column: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        chunks = table[column].chunks
        if not chunks:  # no row at all
            return np.zeros(1, np.int64), np.zeros(0, np.int32)
        inner = chunks[0].values
        starts = chunks[0].offsets.to_numpy()
        if isinstance(inner, pa.FixedSizeListArray):
            return starts, inner.values.to_numpy().reshape(-1, inner.type.list_size)
        return starts, inner.to_numpy()

    starts, values = flat("values")
    return Sequences(
        rows=table["row"].to_numpy(),
        targets=table["target"].to_numpy(),
        starts=starts,
        values=values,
        spans=flat("spans")[1] if "spans" in table.column_names else None,
    )


# A float32 sigmoid saturates to 0 or 1, and the logarithm of 0 is no number.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Predictions:
    """What a model said of each row of a split.

    Attributes:
        rows: <int64>[n], the row's number in `data/raw/SPLIT.parquet`.
        targets: <int64>[n] class, or <float32>[n].
        outputs: <float32>[n, classes] probabilities (two columns when binary), or, where the
            task is regression, <float32>[n].
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
