"""Read and write the files of the stages: whole or not at all, with errors that name the remedy."""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import ArtifactError

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


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV atomically; the first one's keys are the columns."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


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


def remove_unlisted(models: Path, asked_for: Collection[Path]) -> None:
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
