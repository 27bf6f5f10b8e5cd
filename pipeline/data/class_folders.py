"""Folders of text files, one folder per class: `pos/1.txt`, or `train/pos/1.txt`."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from pipeline.data.header import Row, require_columns
from pipeline.data.text_files import read_lines

_COLUMNS = ("text", "label")


def find(path: Path, splits: Mapping[str, Sequence[str]]) -> list[Path]:
    """The folders at `path` whose names are classes, sorted; `splits` as for `split_of`."""
    folders = {file.parent for file in path.rglob("*.txt") if file.is_file()}
    return sorted(one for one in folders if split_of(one.relative_to(path), splits) is not None)


def split_of(folder: Path, splits: Mapping[str, Sequence[str]]) -> str | None:
    """The split of a class's folder, "" outside of a split's; None if it is no class's.

    Args:
        folder: its path in the outermost folder.
        splits: split → words that name it.
    """
    known = {word: split for split, words in splits.items() for word in words}
    if any(part.startswith(".") for part in folder.parts):
        return None
    match [known.get(part.lower(), "") for part in folder.parts]:
        case ["unsupervised"] | [_, "unsupervised"]:
            return "unsupervised"
        case [""]:
            return ""
        case [split, _] if split:
            return split
    return None


def rows(folder: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """Each file's text, with the folder's name as its label.

    Raises:
        DataError: a file is not text, or another column than these is wanted.
    """
    require_columns(_COLUMNS, wanted, file=f"A folder of text files, {folder},")
    for file in sorted(folder.glob("*.txt")):
        row = {"text": "".join(read_lines(file)), "label": folder.name}
        yield file.name, [row[column] for column in wanted]


def folder_hash(folder: Path) -> str:
    """A SHA-256 of all text files in a folder and their names."""
    content = sha256()
    for file in sorted(folder.glob("*.txt")):
        content.update(f"{file.name}\0{sha256(file.read_bytes()).hexdigest()}\n".encode())
    return content.hexdigest()
