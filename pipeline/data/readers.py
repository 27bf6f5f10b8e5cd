"""The user's files: finding them, assigning them to splits, checking them, locating rows.

Hugging Face `datasets` reads them. This module adds what it lacks: it neither reports the line
of an error nor notices a CSV row with too many fields, which pandas silently truncates.
"""

import codecs
import contextlib
import csv
import difflib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import sha256
from pipeline.errors import DataError

# Suffix → the builder of `datasets` that reads it.
BUILDERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
SEPARATORS = (",", "\t", ";")
# Words in a file's name that say which split it is.
NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
    "unsupervised": ("unsupervised", "unlabelled", "unlabeled"),
}


def resolve_path(path: str, *, home: Path) -> Path:
    """Resolve `path` against the project's `home`.

    Raises:
        DataError: there is no such file or folder.
    """
    found = home / Path(path).expanduser()
    if found.exists():
        return found
    neighbors = [p.name for p in found.parent.iterdir()] if found.parent.is_dir() else []
    near = difflib.get_close_matches(found.name, neighbors, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise DataError(
        f"There is no file or folder {path!r} (looked for as {found}{hint}).",
        fix="correct the dataset's `source.path` in params.yaml; a relative path starts at the "
        "project's folder.",
    )


def files_by_split(
    path: Path, *, names: Mapping[str, str | None] | None = None
) -> dict[str, list[Path]]:
    """Find the data files at `path`, by split, sorted by name.

    A folder's files are assigned by the words train, validation, test and unsupervised in their
    names, by synonyms of those, and by `names`: split → the user's own word. A folder without
    such names is all train, and so is a single file.

    Raises:
        DataError: there is no file of a known format, there are several formats, or only some
            names say which split they are.
    """
    files = [path] if path.is_file() else _listing(path)
    builders = {file: BUILDERS.get(file.suffix.lower()) for file in files}
    if not files or None in builders.values():
        if path.is_file():
            fault = f"{path} has {f'the suffix {path.suffix}' if path.suffix else 'no suffix'}"
        else:
            fault = f"The folder {path} has no data files"
        raise DataError(
            f"{fault}; Spotlight reads {', '.join(BUILDERS)}.",
            fix="convert the data to one of these, for example to CSV in UTF-8.",
        )
    if len(set(builders.values())) > 1:
        kinds = sorted({file.suffix.lower() for file in files})
        raise DataError(
            f"The folder {path} mixes formats: {', '.join(kinds)}.",
            fix="keep only files of one format there, or name a single file in `source.path`.",
        )
    if path.is_file():
        return {"train": files}

    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(_split(file.relative_to(path), names or {}), []).append(file)
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
            "such as train.csv.",
        )
    return {name: found[name] for name in NAMES if name in found}


def _listing(folder: Path) -> list[Path]:
    """The folder's files of a known format, except hidden ones."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and file.suffix.lower() in BUILDERS
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _split(name: Path, names: Mapping[str, str | None]) -> str:
    """The split named by a file or, failing that, its nearest folder; "" if none is."""
    for part in reversed(name.parts):
        words = set(re.findall(r"[^\W\d_]+", part.lower()))
        for split, synonyms in NAMES.items():
            if words & {*synonyms, (names.get(split) or split).lower()}:
                return split
    return ""


def check_file(file: Path, *, wanted: Sequence[str]) -> dict[str, object]:
    """Check in a file what `datasets` does not, and return options for its reader.

    Args:
        file: of a known format.
        wanted: the columns that will be used; a CSV file's separator is the one of comma, tab
            and semicolon with which its header contains them.

    Raises:
        DataError: the file has no rows, lacks a wanted column or is not UTF-8, or a row has
            more or fewer fields than the header.
    """
    if file.stat().st_size == 0:
        raise no_rows(file)
    match BUILDERS[file.suffix.lower()]:
        case "csv":
            mark = csv_separator(file, wanted)
            if not sum(1 for _ in _csv_rows(file, mark, wanted)):
                raise no_rows(file)
            return {
                "sep": mark,
                # Read everything as text: pandas would turn the word "NA" into a null, and
                # infer a type for each chunk separately.
                "converters": dict.fromkeys(wanted, str),
                "keep_default_na": False,
                "usecols": list(wanted),
            }
        case "parquet":
            try:
                metadata = pq.read_metadata(file)
            except (pa.ArrowInvalid, OSError) as error:
                raise read_error(file, error) from None
            require_columns(metadata.schema.to_arrow_schema().names, wanted, file=file)
            if not metadata.num_rows:
                raise no_rows(file)
            return {"columns": list(wanted)}
    return {}


def no_rows(file: Path) -> DataError:
    """The error for a file without rows."""
    return DataError(f"{file} has no rows.", fix="add rows to it, or name another file.")


def require_columns(columns: Iterable[str], wanted: Iterable[str], *, file: Path | str) -> None:
    """Refuse a file that lacks a wanted column.

    Raises:
        DataError: a column is missing; the message lists the existing ones.
    """
    columns = list(columns)
    for column in wanted:
        if column not in columns:
            near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            shown = ", ".join(map(repr, columns[:20])) + (", …" if len(columns) > 20 else "")
            raise DataError(
                f"{file} has no column {column!r}. It has: {shown or 'none'}.{hint}",
                fix="correct the column's name in the dataset's `source` in params.yaml.",
            )


def csv_separator(file: Path, wanted: Sequence[str] = ()) -> str:
    """A CSV file's separator: one that finds the wanted columns, or else the most columns."""
    headers = {mark: next(_records(file, mark), (1, []))[1] for mark in SEPARATORS}
    fitting = [mark for mark, header in headers.items() if set(wanted) <= set(header)]
    return max(fitting or SEPARATORS, key=lambda mark: len(headers[mark]))


def _csv_rows(file: Path, separator: str, wanted: Sequence[str]) -> Iterator[int]:
    """The line on which each row of a CSV file starts."""
    records = _records(file, separator)
    _, header = next(records, (1, []))
    require_columns(header, wanted, file=file)
    for column in wanted:
        if header.count(column) > 1:
            raise DataError(
                f"{file} has {header.count(column)} columns named {column!r}.",
                fix="rename all but one of them.",
            )
    for line, fields in records:
        if len(fields) != len(header):
            raise DataError(
                f"{file}, line {line}: {len(fields)} fields, but the header has {len(header)}.",
                fix="enclose text that contains the separator or a line break in double quotes, "
                'double each quote inside it (""), and close every quote.',
            )
        yield line


def _records(file: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """A CSV file's records except blank ones, each with the line on which it starts."""
    csv.field_size_limit(sys.maxsize)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=separator)
            line = 1
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise read_error(file, error) from None


def read_error(file: Path, error: BaseException) -> DataError:
    """The error for a file that `datasets` could not read, with the place and the cause."""
    suffix = file.suffix.lower()
    known = None
    if suffix != ".parquet":
        known = _not_utf8(file)
    if BUILDERS[suffix] == "json":
        known = known or (_broken_lines(file) if _of_lines(file) else _broken_json(file))
    where = f"{file}, after row {_rows_readable(file):,}," if suffix == ".parquet" else f"{file}"
    return known or DataError(
        f"{where} can't be read: {root_cause(error)}",
        fix=f"copy or export it again; it is damaged, truncated or not a {suffix} file.",
    )


def _broken_lines(file: Path) -> DataError | None:
    """The error for the first line that is not a JSON object."""
    number = 0
    for number, line in _json_lines(file):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as fault:
            return DataError(
                f"{file}, line {number}: not valid JSON: {fault}.",
                fix="correct or remove that line; every line must be one object, like "
                '{"text": "…", "label": 1}.',
            )
        if not isinstance(content, dict):
            return DataError(
                f"{file}, line {number}: not an object but {type(content).__name__}.",
                fix='write every line as one object, like {"text": "…", "label": 1}.',
            )
    return None if number else no_rows(file)


def _broken_json(file: Path) -> DataError | None:
    """The error for a JSON file that is not a list of objects."""
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as fault:
        return DataError(
            f"{file} is not valid JSON: {fault}.",
            fix="correct it there; if it has one object per line, rename it to .jsonl.",
        )
    if content == []:
        return no_rows(file)
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        return None
    return DataError(
        f"{file} is not a list of objects.", fix='write [{"text": "…", "label": 1}, …].'
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


def _not_utf8(file: Path) -> DataError | None:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                guess = "UTF-16" if line[:2] in {b"\xff\xfe", b"\xfe\xff"} else "ISO-8859-1"
                return DataError(
                    f"{file}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x}).",
                    fix=f"save it as a text file in UTF-8. If it is {guess}: "
                    f"iconv -f {guess} -t UTF-8 OLD > NEW",
                )
    return None


def json_rows(file: Path) -> Iterator[dict[str, object]]:
    """The rows of a JSON file, read lazily if it has one per line.

    Raises:
        ValueError, TypeError: it isn't JSON, or a row isn't an object.
    """
    rows = (
        (json.loads(line) for _, line in _json_lines(file))
        if _of_lines(file)
        else json.loads(file.read_bytes())
    )
    for row in rows:
        if not isinstance(row, dict):
            raise TypeError(row)
        yield row


def _of_lines(file: Path) -> bool:
    """Whether a JSON file has one object per line, which some .json files have too."""
    if file.suffix.lower() != ".json":
        return True
    with file.open("rb") as content:
        return content.read(1000).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _json_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line


def locate_row(file_list: Sequence[Path], row: int, *, wanted: Sequence[str]) -> str:
    """Locate row number `row` (from 0) of several files that are read as one.

    Returns:
        The file, and its line if it is CSV or JSON lines, else its row counted from 1.
    """
    for file in file_list:
        suffix = file.suffix.lower()
        if BUILDERS[suffix] == "csv":
            lines = list(_csv_rows(file, csv_separator(file, wanted), wanted))
        elif BUILDERS[suffix] == "json" and _of_lines(file):
            lines = [number for number, _ in _json_lines(file)]
        else:
            rows = (
                pq.read_metadata(file).num_rows
                if suffix == ".parquet"
                else len(json.loads(file.read_bytes()))
            )
            if row < rows:
                return f"{file}, row {row + 1}"
            row -= rows
            continue
        if row < len(lines):
            return f"{file}, line {lines[row]}"
        row -= len(lines)
    return f"row {row + 1}"


def file_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of the file, or of each data file of the folder, by its name relative to `path`."""
    if path.is_file():
        return {path.name: sha256(path)}
    return {file.relative_to(path).as_posix(): sha256(file) for file in _listing(path)}


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
