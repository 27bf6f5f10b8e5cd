"""Read and write the stages' files: atomically, and with errors that say how to recover."""

import contextlib
import csv
import glob
import hashlib
import io
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import ArtifactError

if TYPE_CHECKING:
    import pandas as pd

# ── writing, atomically ──────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that replaces `path` if the block succeeds: a crash leaves the old content."""
    with doing(f"writing {shown(path)}"):
        temporary = _beside(path)
        try:
            # Not by `tempfile`, whose files are the user's alone, whatever the umask.
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with new_file(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically; equal content gives equal bytes."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV atomically; the first row's keys are the columns."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: no_formula(value) for key, value in row.items()} for row in rows)
    write_text(path, buffer.getvalue())


def no_formula(value: object) -> object:
    """A cell of a CSV file for people, with an apostrophe if a spreadsheet would run it.

    A class could be called `=HYPERLINK(…)`; a number keeps its sign.
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")  # which is not quoted, and would end the row
    if not value.startswith(("=", "+", "-", "@", "\t")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` if the block succeeds."""
    with doing(f"writing {shown(path)}"), temporary_folder(path) as temporary:
        new = temporary / "new"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(temporary / "old")
        new.rename(path)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which is removed at the end."""
    temporary = _beside(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(path: Path) -> Path:
    """A new name beside `path`, whose earlier ones are cleared if their process was killed.

    Git and DVC ignore these names.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = left.suffixes[-2].lstrip(".").partition("-")[0]
        if process.isdigit() and not _runs(int(process)):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no process's number
        return True
    return True


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Let an error of the system's say what was being done: "writing results/metrics.json"."""
    try:
        yield
    except OSError as error:
        error.add_note(what)
        raise


# ── reading ──────────────────────────────────────────────────────────────────────────────


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        ArtifactError: it is missing.
    """
    try:
        with doing(f"reading {shown(path)}"):
            return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None


def read_text(path: Path) -> str:
    """Read UTF-8 text."""
    return read_bytes(path).decode("utf-8")


def read_json(path: Path, kind: type = dict) -> Any:
    """Read JSON: a mapping, or what `kind` says.

    Raises:
        ArtifactError: it is missing, damaged, or of another kind.
    """
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from None
    if not isinstance(content, kind):
        raise _damaged(path, f"it holds a {type(content).__name__}, not a {kind.__name__}")
    return content


def read_csv(path: Path) -> "pd.DataFrame":
    """Read a table of one row or more.

    Raises:
        ArtifactError: it is missing, damaged, or empty.
    """
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(read_bytes(path)))
    except ValueError as error:
        raise _damaged(path, error) from None
    if table.empty:
        raise _damaged(path, "it has no row")
    return table


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _parquet(path):
        return pq.read_table(path, columns=columns)


def column_names(path: Path) -> list[str]:
    """The columns of a parquet file, of which nothing else is read.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _parquet(path):
        names: list[str] = pq.read_schema(path).names
        return names


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[None]:
    try:
        with doing(f"reading {shown(path)}"):
            yield
    except FileNotFoundError:
        raise _missing(path) from None
    except (pa.ArrowInvalid, OSError) as error:
        if getattr(error, "errno", None):  # the system's, which says nothing of the content
            raise
        raise _damaged(path, error) from None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array atomically in NumPy's format."""
    with new_file(path) as file:
        np.save(file, array)


def write_arrays(path: Path, arrays: list[NDArray[Any]]) -> None:
    """Write arrays atomically to one file in NumPy's format."""
    with new_file(path) as file:
        np.savez(file, *arrays)


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
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing(path: Path) -> ArtifactError:
    return ArtifactError(f"There is no {shown(path)}.", fix="create it: dvc repro")


def _damaged(path: Path, error: Exception | str) -> ArtifactError:
    return ArtifactError(
        f"{shown(path)} is damaged: {error}",
        fix=f"delete it and create it again: rm -r {shown(path)} && dvc repro",
    )


def shown(path: Path) -> Path:
    """The path relative to the current folder, if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def remove_unlisted(models: Path, listed: Collection[Path]) -> None:
    """Remove runs that the parameters no longer list; DVC's cache keeps them.

    The stages that read the runs depend on the folder as a whole, so a leftover would give it
    a different hash here than in a fresh clone.

    Args:
        models: the folder of all runs.
        listed: the folders of the runs to keep.
    """
    for folder in models.iterdir():
        if folder not in listed:
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
