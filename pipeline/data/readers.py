"""The user's files: finding them, assigning them to splits, reading their rows, locating them."""

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import sha256
from pipeline.core.predictions import UNLABELED
from pipeline.data import class_folders, csv_files, excel_files, json_files
from pipeline.data.header import PLAIN, Layout, Row
from pipeline.errors import DataError

# Suffix → format.
BUILDERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".xlsx": "excel",
}
# Words in a file's name that say which split it is.
NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
    UNLABELED: ("unsupervised", "unsup", "unlabelled", "unlabeled"),
}


_PATH = (
    "correct the dataset's `source.path` in params.yaml; a relative path starts at the project's "
    "folder."
)


def resolve_path(path: str, *, home: Path, fix: str = _PATH) -> Path:
    """Resolve `path` against the project's `home`.

    Args:
        path: as the user wrote it.
        home: where a relative path starts.
        fix: what to do if it isn't there.

    Raises:
        DataError: there is no such file or folder.
    """
    try:
        found = home / Path(path).expanduser()
    except RuntimeError:
        raise DataError(
            f"{path!r} begins with a user who has no folder on this machine.",
            fix="write the whole path.",
        ) from None
    if found.is_file() or found.is_dir():
        return found
    if found.exists():
        raise DataError(
            f"{found} is neither a file nor a folder, but a pipe, a socket or a device.",
            fix="write what it gives to a file first, and name that.",
        )
    if found.is_symlink():
        raise DataError(
            f"{found} is a link to {found.readlink()}, where there is nothing.",
            fix="mend the link, or name the file itself.",
        )
    neighbors = [p.name for p in found.parent.iterdir()] if found.parent.is_dir() else []
    near = difflib.get_close_matches(found.name, neighbors, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise DataError(
        f"There is no file or folder {path!r} (looked for as {found}{hint}).",
        fix=fix,
    )


def files_by_split(
    path: Path, *, names: Mapping[str, str | None] | None = None
) -> dict[str, list[Path]]:
    """Find the data files at `path`, by split, sorted by name.

    A folder's files are assigned by the words train, validation, test and unsupervised in their
    names, by synonyms of those, and by `names`: split → the user's own word. A folder without
    such names is all train, and so is a single file. If the folder holds text files in a folder
    per class, these folders are returned in place of files.

    Raises:
        DataError: there is no file of a known format, there are several formats, or only some
            names say which split they are.
    """
    files = [path] if path.is_file() else _listing(path)
    saved = [name for name in ("dataset_dict.json", "state.json") if (path / name).is_file()]
    if saved:
        train = '["train"]' if saved[0] == "dataset_dict.json" else ""
        raise DataError(
            f"The folder {path} was written by the `save_to_disk` of `datasets`.",
            fix="write each split as parquet, in Python: "
            f"datasets.load_from_disk({str(path)!r}){train}.to_parquet('train.parquet')",
        )
    if not files or not all(map(file_format, files)):
        if path.is_file():
            fault = f"{path} has {f'the suffix {path.suffix}' if path.suffix else 'no suffix'}"
        else:
            fault = f"The folder {path} has no data files"
        raise DataError(
            f"{fault}; Spotlight reads {', '.join(BUILDERS)}, these with .gz, a .zip or .tar.gz of "
            "them, and folders of text files, one folder per class.",
            fix="if it is one of these under another name, rename it (a .tsv has tabs between its "
            "columns); otherwise convert it, for example to CSV in UTF-8.",
        )
    if len(set(map(file_format, files))) > 1:
        kinds = sorted({file.suffix.lower() for file in files})
        raise DataError(
            f"The folder {path} mixes formats: {', '.join(kinds)}.",
            fix="keep only files of one format there, or name a single file in `source.path`.",
        )
    if path.is_file():
        return {"train": files}

    found: dict[str, list[Path]] = {}
    for file in files:
        name = file.relative_to(path)
        split = class_folders.split_of(name, NAMES) if file.is_dir() else _split(name, names or {})
        found.setdefault(split or "", []).append(file)
    if set(found) == {"", UNLABELED} and files[0].is_dir():
        found["train"] = found.pop("")
    if set(found) == {""}:
        return {"train": found[""]}
    if "" in found or "train" not in found:
        named = sorted(set(found) - {""})
        fault = (
            f"the name {found[''][0].name!r} doesn't say its split"
            if "" in found
            else "none for train"
        )
        raise DataError(
            f"The folder {path} has files for {', '.join(named)}, but {fault}.",
            fix="give each file a name that contains train, validation, test or unsupervised, "
            "such as train.csv, and leave out those that are no data of this kind.",
        )
    return {name: found[name] for name in NAMES if name in found}


def _listing(folder: Path) -> list[Path]:
    """The folder's data files except hidden ones, or else its folders of text files.

    A text file counts as data only where there is no other.
    """
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and file_format(file)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    tables = [file for file in files if file.suffix.lower() != ".txt"]
    return tables or class_folders.find(folder, NAMES) or files


def left_out(path: Path) -> list[Path]:
    """The text files beside folders of text files, which belong to no class."""
    files = [] if path.is_file() else _listing(path)
    if not files or not files[0].is_dir():
        return []
    return sorted(file for file in path.rglob("*.txt") if file.parent not in files)


def _split(name: Path, names: Mapping[str, str | None]) -> str:
    """The split named by a file or, failing that, its nearest folder; "" if none is."""
    for part in reversed(name.parts):
        words = set(re.findall(r"[^\W\d_]+", part.lower()))
        for split, synonyms in NAMES.items():
            if words & {*synonyms, (names.get(split) or split).lower()}:
                return split
    return ""


def file_format(file: Path) -> str | None:
    """The format that a file's suffix names, of a gzipped one the suffix before `.gz`.

    A folder is one of text files, all of one class.
    """
    if file.is_dir():
        return "texts"
    name = file.name.lower().removesuffix(".gz")
    return BUILDERS.get(Path(name).suffix)


def rows(file: Path, wanted: Sequence[str], layout: Layout = PLAIN) -> Iterator[Row]:
    """The wanted cells of every row, and where the row is. Not for parquet.

    Raises:
        DataError: the file has no rows or lacks a column, or a row can't be read.
    """
    kind = file_format(file)
    if layout.columns and kind not in {"csv", "excel"}:
        raise DataError(
            f"{file} names its columns itself; `columns` is for tables without a header.",
            fix="remove `columns` from the dataset's `source` in params.yaml.",
        )
    match kind:
        case "json":
            read = json_files.rows(file, wanted)
        case "excel":
            read = excel_files.rows(file, wanted, layout)
        case "texts":
            read = class_folders.rows(file, wanted)
        case _:
            read = csv_files.rows(file, wanted, layout)
    first = next(read, None)
    if first is None:
        raise no_rows(file)
    yield first
    yield from read


def no_rows(file: Path) -> DataError:
    """The error for a file without rows."""
    return DataError(f"{file} has no rows.", fix="add rows to it, or name another file.")


def parquet_columns(file: Path) -> list[str]:
    """The columns of a parquet file.

    Raises:
        DataError: it is damaged, or has no rows.
    """
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise read_error(file, error) from None
    if not metadata.num_rows:
        raise no_rows(file)
    return list(metadata.schema.to_arrow_schema().names)


def read_error(file: Path, error: BaseException) -> DataError:
    """The error for a file that can't be read, with the place and the cause."""
    parquet = file_format(file) == "parquet"
    if "datasets dtype equivalent" in str(error):
        return DataError(
            f"{file} has a column of a type that isn't read: {root_cause(error)}",
            fix="leave that column out, or write it as text, numbers or lists of numbers.",
        )
    where = f"{file}, after row {_rows_readable(file):,}," if parquet else f"{file}"
    return DataError(
        f"{where} can't be read: {root_cause(error)}",
        fix=f"copy or export it again; it is damaged, truncated or not a {file.suffix} file.",
    )


def _rows_readable(file: Path) -> int:
    """How many rows of a damaged parquet file can be read."""
    rows = 0
    with contextlib.suppress(pa.ArrowException, OSError), pq.ParquetFile(file) as content:
        for batch in content.iter_batches(batch_size=1):
            rows += batch.num_rows
    return rows


def damaged_parquet(folder: Path) -> DataError | None:
    """The error for the first parquet file in a folder that can't be read; None if all can."""
    for file in (file for file in _listing(folder) if file.suffix.lower() == ".parquet"):
        try:
            with pq.ParquetFile(file) as content:
                for _ in content.iter_batches():
                    pass
        except (pa.ArrowException, OSError) as error:
            return read_error(file, error)
    return None


def root_cause(error: BaseException) -> str:
    """The error that `datasets` wrapped in its own, on one line."""
    while type(error).__module__.startswith("datasets") and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__ or error
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."


csv_separator = csv_files.separator


def locate_row(
    file_list: Sequence[Path], row: int, *, wanted: Sequence[str], layout: Layout = PLAIN
) -> str:
    """Locate row number `row` (from 0) of several files that are read as one.

    Returns:
        The file, and its line if it has lines, else its row counted from 1.
    """
    for file in file_list:
        if file_format(file) == "parquet":
            count = pq.read_metadata(file).num_rows
            if row < count:
                return f"{file}, row {row + 1}"
            row -= count
            continue
        for where, _ in rows(file, wanted, layout):
            if not row:
                return f"{file}, {where}"
            row -= 1
    return f"row {row + 1}"


def file_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of the file, or of each data file of the folder, by its name relative to `path`."""
    if path.is_file():
        return {path.name: sha256(path)}
    return {
        file.relative_to(path).as_posix(): (
            class_folders.folder_hash(file) if file.is_dir() else sha256(file)
        )
        for file in _listing(path)
    }


def changed_files(source: Mapping[str, Any], *, home: Path) -> list[str]:
    """The files of a source that differ from what its card recorded; none if it doesn't exist.

    Args:
        source: the card's `source`.
        home: the folder where its path starts.
    """
    path = home / Path(source.get("path", "")).expanduser()
    if "files" not in source or not path.exists():
        return []
    now = file_hashes(path)
    names = sorted({*now, *source["files"]})
    return [name for name in names if now.get(name) != source["files"].get(name)]
