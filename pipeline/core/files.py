"""Read and write the stages' files: atomically, and with errors that say how to recover."""

import contextlib
import csv
import glob
import hashlib
import io
import json
import mmap
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import ArtifactError

if TYPE_CHECKING:
    import pandas as pd

PART = 1000  # rows of a table that are read at a time

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


def write_sealed_json(path: Path, content: Mapping[str, Any], *, stage: str) -> None:
    """`write_json`, with a key `seal`, by which `read_json` sees whether the rest was changed.

    Args:
        path: the file.
        content: a mapping with keys of text.
        stage: the DVC stage that makes it again.
    """
    plain = json.loads(json.dumps(content))
    write_json(path, {**plain, "seal": {"stage": stage, "sha256": _hash(plain)}})


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV atomically; the first row's keys are the columns."""
    write_text(path, csv_text(rows))


def csv_text(rows: Sequence[Mapping[str, object]], *, header: bool = True) -> str:
    """Rows as CSV for people: no text is a formula; the first row's keys are the columns."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    if header:
        writer.writerow({name: no_formula(name) for name in rows[0]})
    writer.writerows({name: no_formula(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


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


SEAL = "spotlight.sha256"  # `sha256sum -c` reads it, too


@contextlib.contextmanager
def sealed_folder(path: Path, *, stage: str) -> Iterator[Path]:
    """`new_folder`, with the SHA-256 of its files in one more: every reader here checks them.

    Args:
        path: the folder, with at most one level of folders in it.
        stage: the DVC stage that makes it again.
    """
    with new_folder(path) as folder:
        yield folder
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        sums = [f"{sha256(file)}  {file.relative_to(folder).as_posix()}" for file in files]
        head = f"# {path.parent.name}/{path.name} of {stage}"
        write_text(folder / SEAL, "\n".join([head, *sums, ""]))


def _check_seal(path: Path, content: bytes | None = None) -> None:
    """Compare a file's content with what was written, if its folder is sealed.

    Args:
        path: the file.
        content: of the file; None reads it, without holding it in memory.

    Raises:
        ArtifactError: it is another, or the folder is in another's place.
    """
    for folder in path.parents[:2]:
        try:
            head, *sums = (folder / SEAL).read_text("utf-8", "replace").split("\n")
        except (FileNotFoundError, NotADirectoryError):
            continue
        named, _, stage = head.removeprefix("# ").rpartition(" of ")
        own = folder.resolve()
        # A copy elsewhere may have any name.
        is_other = named != f"{own.parent.name}/{own.name}" and named.startswith(
            f"{own.parent.name}/"
        )
        name = path.relative_to(folder).as_posix()
        if is_other:
            its_own = stage.replace(named.rpartition("/")[2], own.name)  # train@MODEL-SEED
            raise _changed(folder, f"{shown(folder)} holds {named}", its_own)
        found = sha256(path) if content is None else hashlib.sha256(content).hexdigest()
        if f"{found}  {name}" not in sums:
            raise _changed(folder, f"{shown(path)} was changed", stage)
        return


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
        ArtifactError: it is missing, or not what its stage wrote.
    """
    try:
        with doing(f"reading {shown(path)}"):
            content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    _check_seal(path, content)
    return content


def read_text(path: Path) -> str:
    """Read UTF-8 text.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, error) from None


def read_json(path: Path, kind: type = dict) -> Any:
    """Read JSON: a mapping, or what `kind` says.

    Raises:
        ArtifactError: it is missing, damaged, or of another kind.
    """
    try:
        content = json.loads(read_bytes(path))
    except ValueError as error:
        raise damaged(path, error) from None
    except RecursionError:
        raise damaged(path, "it is nested too deeply") from None
    if not isinstance(content, kind):
        raise damaged(path, f"it holds a {type(content).__name__}, not a {kind.__name__}")
    if isinstance(content, dict) and "seal" in content:
        _check_own_seal(path, content)
    return content


def _check_own_seal(path: Path, content: dict[str, Any]) -> None:
    """Compare JSON with what `write_sealed_json` wrote.

    Raises:
        ArtifactError: it is another.
    """
    seal = content["seal"] if isinstance(content["seal"], dict) else {}
    rest = {key: value for key, value in content.items() if key != "seal"}
    if seal.get("sha256") != _hash(rest):
        raise _changed(path, f"{shown(path)} was changed", str(seal.get("stage")))


def read_csv(path: Path) -> "pd.DataFrame":
    """Read a table of one row or more.

    Raises:
        ArtifactError: it is missing, damaged, or empty.
    """
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(read_bytes(path)))
    except ValueError as error:
        raise damaged(path, error) from None
    if table.empty:
        raise damaged(path, "it has no row")
    return table


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _parquet(path) as file:
        return pq.read_table(file, columns=columns)


def read_parts(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Read a parquet file, up to a thousand rows at a time: it may be larger than memory.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _parquet(path) as file:
        # With `pre_buffer`, all that was read of the file would stay in memory.
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(PART, columns=columns):
            yield pa.Table.from_batches([batch])


def read_rows(path: Path, rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
    """Read some rows of a parquet file that may be larger than memory.

    Args:
        path: the file.
        rows: <int64>[n], their numbers, ascending.
        columns: what to read of them.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    found, start = [], 0
    for part in read_parts(path, columns):
        first, end = np.searchsorted(rows, [start, start + part.num_rows])
        found.append(part.take(pa.array(rows[first:end] - start)))
        start += part.num_rows
    return pa.concat_tables(found)


def column_names(path: Path) -> list[str]:
    """The columns of a parquet file.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _parquet(path) as file:
        names: list[str] = pq.read_schema(file).names
        return names


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[IO[bytes]]:
    with _opened(path) as file:
        try:
            yield file
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that may be larger than memory.

    Raises:
        ArtifactError: it is missing, or not what its stage wrote.
    """
    try:
        with doing(f"reading {shown(path)}"):
            file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    with file:
        _check_seal(path)
        yield file


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array atomically in NumPy's format."""
    with new_file(path) as file:
        np.save(file, array)


@contextlib.contextmanager
def growing_array(path: Path) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Yield a function that appends rows to an array's file: the bytes of `write_array`.

    The rows of all calls have one shape and type; there must be a call.
    """
    with new_file(path) as file:
        header: dict[str, Any] = {}

        def append(part: NDArray[Any]) -> None:
            if not header:
                header.update(np.lib.format.header_data_from_array_1_0(part), shape=(0,))
                np.lib.format.write_array_header_1_0(file, header)
            header["shape"] = (header["shape"][0] + len(part), *part.shape[1:])
            file.write(np.ascontiguousarray(part).data)

        yield append
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header)  # it leaves room for more digits


def write_arrays(path: Path, arrays: list[NDArray[Any]]) -> None:
    """Write arrays atomically to one file in NumPy's format."""
    with new_file(path) as file:
        np.savez(file, *arrays)


def read_arrays(path: Path) -> list[NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _numpy(path) as file, np.load(file, allow_pickle=False) as kept:
        return [kept[name] for name in kept.files]


def read_array(path: Path) -> NDArray[Any]:
    """Read what `write_array` wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _numpy(path) as file:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
        return array


def map_array(path: Path) -> NDArray[Any]:
    """Map what `write_array` or `growing_array` wrote into memory: it is read where it is used.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    with _opened(path):
        try:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # of NumPy: no list is complete
            raise damaged(path, error) from None
    return array


def let_go(array: NDArray[Any]) -> None:
    """Let go of a mapped array's pages: what was read of it no longer takes memory."""
    if isinstance(array.base, mmap.mmap):
        array.base.madvise(mmap.MADV_DONTNEED)


@contextlib.contextmanager
def _numpy(path: Path) -> Iterator[io.BytesIO]:
    content = read_bytes(path)
    try:
        yield io.BytesIO(content)
    except Exception as error:  # of zip, zlib or NumPy: no list is complete
        raise damaged(path, error) from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing(path: Path) -> ArtifactError:
    return ArtifactError(f"There is no {shown(path)}.", fix="create it: dvc repro")


def _changed(restored: Path, what: str, stage: str) -> ArtifactError:
    return ArtifactError(
        f"{what}: it is not what the stage {stage} wrote.",
        fix=f"restore it: dvc checkout --force {shown(restored)}; if DVC's cache is damaged too, "
        f"make it again: dvc repro --force --single-item {stage}",
    )


def damaged(path: Path, error: Exception | str) -> ArtifactError:
    """The error for a file that isn't what it should be."""
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
