"""The user's files: which there are, to which split each belongs, and where a row stands in one.

Hugging Face `datasets` reads them. What it leaves out is done here: it neither says in which
line a file breaks, nor notices a CSV row with too many fields (pandas cuts it off in silence).
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
# What a file's name calls its split.
NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
    "unsupervised": ("unsupervised", "unlabelled", "unlabeled"),
}


def resolve_path(path: str, *, home: Path) -> Path:
    """The file or folder that `path` names, seen from the project's `home`.

    Raises:
        DataError: nothing is there.
    """
    found = home / Path(path).expanduser()
    if found.exists():
        return found
    neighbors = [p.name for p in found.parent.iterdir()] if found.parent.is_dir() else []
    near = difflib.get_close_matches(found.name, neighbors, n=1)
    hint = f"; that folder holds {near[0]!r}" if near else ""
    raise DataError(
        f"There is no file or folder {path!r} (looked for as {found}{hint}).",
        fix="correct `source.path` of the dataset in params.yaml; a relative path starts in the "
        "project's folder.",
    )


def files_by_split(
    path: Path, *, names: Mapping[str, str | None] | None = None
) -> dict[str, list[Path]]:
    """The data files at `path` by split, in the order of their names.

    A folder's files are told apart by the words train, validation, test and unsupervised in
    their names (and synonyms of those, and `names`: split → a name of the user's own); a
    folder without such names is all train, and so is a single file.

    Raises:
        DataError: no file of a known format, several formats, or only some names tell a split.
    """
    files = [path] if path.is_file() else _listing(path)
    builders = {file: BUILDERS.get(file.suffix.lower()) for file in files}
    if not files or None in builders.values():
        subject = f"{path} is" if path.is_file() else f"The folder {path} holds"
        received = f"a {path.suffix or 'nameless'} file" if path.is_file() else "no data file"
        raise DataError(
            f"{subject} {received}; Spotlight reads {', '.join(BUILDERS)}.",
            fix="convert it to one of these, for example to CSV in UTF-8.",
        )
    if len(set(builders.values())) > 1:
        kinds = sorted({file.suffix.lower() for file in files})
        raise DataError(
            f"The folder {path} mixes formats: {', '.join(kinds)}.",
            fix="keep the files of one format there, or name a single file in `source.path`.",
        )
    if path.is_file():
        return {"train": files}

    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(_split(file.relative_to(path), names or {}), []).append(file)
    if set(found) == {""}:
        return {"train": found[""]}
    if "" in found or "train" not in found:
        told = sorted(set(found) - {""})
        fault = (
            f"the name of {found[''][0].name!r} tells none" if "" in found else "none is for train"
        )
        raise DataError(
            f"The folder {path} has files for {', '.join(told)}, but {fault}.",
            fix="give each file a name with train, validation, test or unsupervised in it, "
            "as in train.csv.",
        )
    return {name: found[name] for name in NAMES if name in found}


def _listing(folder: Path) -> list[Path]:
    """The folder's files of a known format, hidden ones and folders left out."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and file.suffix.lower() in BUILDERS
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _split(name: Path, names: Mapping[str, str | None]) -> str:
    """The split that a file's name tells, the file before its folders; "" where it tells none."""
    for part in reversed(name.parts):
        words = set(re.findall(r"[^\W\d_]+", part.lower()))
        for split, synonyms in NAMES.items():
            if words & {*synonyms, (names.get(split) or split).lower()}:
                return split
    return ""


def check_file(file: Path, *, wanted: Sequence[str]) -> dict[str, object]:
    """Look a file through as far as `datasets` would not, and return its reader's options.

    Args:
        file: of a known format.
        wanted: the columns that will be used; a CSV file's separator is the first of comma,
            tab and semicolon that finds them in its header.

    Raises:
        DataError: it has no rows, lacks a wanted column, is not UTF-8, or a row's number of
            fields differs from the header's.
    """
    if file.stat().st_size == 0:
        raise _no_rows(file)
    match BUILDERS[file.suffix.lower()]:
        case "csv":
            mark = csv_separator(file, wanted)
            if not sum(1 for _ in _csv_rows(file, mark, wanted)):
                raise _no_rows(file)
            return {
                "sep": mark,
                # As text, and nothing else: pandas would turn the word «NA» into a null, and
                # guess each chunk's type anew.
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
                raise _no_rows(file)
            return {"columns": list(wanted)}
    return {}


def _no_rows(file: Path) -> DataError:
    return DataError(f"{file} holds no rows.", fix="put rows into it, or name another file.")


def require_columns(columns: Iterable[str], wanted: Iterable[str], *, file: Path | str) -> None:
    """Refuse a file that lacks a wanted column.

    Raises:
        DataError: with the columns that exist, and the nearest name.
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
    """What parts a CSV file's columns: what finds the wanted ones, else what finds most."""
    headers = {mark: next(_records(file, mark), (1, []))[1] for mark in SEPARATORS}
    fitting = [mark for mark, header in headers.items() if set(wanted) <= set(header)]
    return max(fitting or SEPARATORS, key=lambda mark: len(headers[mark]))


def _csv_rows(file: Path, separator: str, wanted: Sequence[str]) -> Iterator[int]:
    """The line in which each row of a CSV file begins."""
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
                fix="put text that holds the separator or a line break between double quotes, "
                'write a quotation mark inside it twice (""), and end every quotation.',
            )
        yield line


def _records(file: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """A CSV file's records that are not blank, each with the line in which it begins."""
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
    """What to tell of a file that `datasets` could not read: the place and the reason."""
    suffix = file.suffix.lower()
    known = None
    if suffix != ".parquet":
        known = _not_utf8(file)
    if BUILDERS[suffix] == "json":
        known = known or (_broken_lines(file) if _of_lines(file) else _broken_json(file))
    where = f"{file}, after row {_rows_readable(file):,}," if suffix == ".parquet" else f"{file}"
    return known or DataError(
        f"{where} can't be read: {root_cause(error)}",
        fix=f"it is damaged, cut off or not what {suffix} says: copy or export it again.",
    )


def _broken_lines(file: Path) -> DataError | None:
    """The first line that is no JSON object."""
    number = 0
    for number, line in _json_lines(file):
        try:
            content = json.loads(line)
        except ValueError as fault:
            return DataError(
                f"{file}, line {number}: not valid JSON: {fault}.",
                fix="correct or remove that line; every line holds one object, like "
                '{"text": "…", "label": 1}.',
            )
        if not isinstance(content, dict):
            return DataError(
                f"{file}, line {number}: not an object but {type(content).__name__}.",
                fix='write every line as one object, like {"text": "…", "label": 1}.',
            )
    return None if number else _no_rows(file)


def _broken_json(file: Path) -> DataError | None:
    """What a JSON file is, if it is no list of objects."""
    try:
        content = json.loads(file.read_bytes())
    except ValueError as fault:
        return DataError(
            f"{file} is not valid JSON: {fault}.",
            fix="correct it there. Is it cut off? One object a line belongs in a .jsonl file.",
        )
    if content == []:
        return _no_rows(file)
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        return None
    return DataError(f"{file} is no list of objects.", fix='write [{"text": "…", "label": 1}, …].')


def _rows_readable(file: Path) -> int:
    """How many rows a damaged parquet file gives before it fails."""
    rows = 0
    with contextlib.suppress(pa.ArrowException, OSError), pq.ParquetFile(file) as content:
        for batch in content.iter_batches(batch_size=1):
            rows += batch.num_rows
    return rows


def damaged_parquet(folder: Path) -> DataError | None:
    """What to tell of the first parquet file in a folder that can't be read; None if all can."""
    for file in (file for file in _listing(folder) if file.suffix.lower() == ".parquet"):
        try:
            with pq.ParquetFile(file) as content:
                for _ in content.iter_batches():
                    pass
        except (pa.ArrowException, OSError) as error:
            return read_error(file, error)
    return None


def root_cause(error: BaseException) -> str:
    """The first cause that is not `datasets`' own wrapping, in one line."""
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
                    fix=f"save it as UTF-8; if it is {guess}: "
                    f"iconv -f {guess} -t UTF-8 OLD > NEW. Is it a text file at all?",
                )
    return None


def json_rows(file: Path) -> Iterator[dict[str, object]]:
    """The rows of a JSON file, one by one if it has one a line.

    Raises:
        ValueError, TypeError: it isn't JSON, or no objects.
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
    """Whether a JSON file holds one object a line: some name such a file .json as well."""
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
    """Where the `row`-th row (from 0) of several files read as one stands: file and line.

    In CSV and JSON lines this is a line of the file, elsewhere a row counted from 1.
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
    """SHA-256 of the file, or of each data file of the folder, by its name below `path`."""
    if path.is_file():
        return {path.name: sha256(path)}
    return {file.relative_to(path).as_posix(): sha256(file) for file in _listing(path)}


def changed_files(source: Mapping[str, Any], *, home: Path) -> list[str]:
    """The files of a source that are no longer what its card recorded; none if all is out of reach.

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
