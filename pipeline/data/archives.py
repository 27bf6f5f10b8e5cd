"""Unpacking an archive that someone else made, into a folder of ours."""

import contextlib
import functools
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from pipeline.data.text_files import most_bytes
from pipeline.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


_Open = Callable[[], IO[bytes]]


class _Member(NamedTuple):
    """What an archive says of a file in it."""

    name: str
    size: int
    link: bool
    open: _Open


@contextlib.contextmanager
def opened(path: Path, *, into: Path, wanted: Callable[[Path], object]) -> Iterator[Path]:
    """Yield `path`, or if it is an archive, what it holds: its only file, or a folder.

    Errors that are raised inside name the archive instead of the folder.

    Args:
        path: a file or folder.
        into: a folder for the content, which is not removed.
        wanted: whether a file of this name is unpacked.

    Raises:
        DataError: the archive is damaged, protected, or unsafe to unpack.
    """
    if not (path.is_file() and path.name.lower().endswith(SUFFIXES)):
        yield path
        return
    folder = into / "unpacked"
    folder.mkdir()
    try:
        _unpack(path, folder, wanted)
        yield _innermost(folder)
    except DataError as error:
        raise DataError(error.message.replace(str(folder), str(path)), fix=error.fix) from None


def _innermost(folder: Path) -> Path:
    """The only thing in a folder, and the only thing in that."""
    while folder.is_dir() and len(inner := list(folder.iterdir())) == 1:
        [folder] = inner
    return folder


def _unpack(path: Path, folder: Path, wanted: Callable[[Path], object]) -> None:
    """Unpack the wanted files; never outside the folder, never a link, never without limit."""
    left = min(most_bytes(path), shutil.disk_usage(folder).free)
    members = _zip_members if path.suffix.lower() == ".zip" else _tar_members
    try:
        for member in members(path):
            name = PurePosixPath(member.name.replace("\\", "/"))
            hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts if part != "..")
            if hidden or not wanted(Path(name.name)):
                continue
            if name.is_absolute() or ".." in name.parts:
                raise _unsafe(path, f"its file {member.name!r} would lie outside the folder")
            if member.link:
                raise _unsafe(path, f"its file {member.name!r} is a link")
            left -= member.size
            if left < 0:
                raise _unsafe(path, "its content needs far more room than text would")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as content, target.open("xb") as copy:
                shutil.copyfileobj(content, copy)
    except FileExistsError:
        raise _unsafe(path, f"its file {member.name!r} is there twice") from None
    except RuntimeError as error:  # zipfile's, of a password or a method that it doesn't know
        raise _unsafe(path, f"it can't be read: {error}") from None
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        OSError,
        zlib.error,
        lzma.LZMAError,
    ) as e:
        raise DataError(
            f"{path} can't be unpacked: {e}.", fix="copy or pack it again; it is damaged."
        ) from None


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                link = stat.S_ISLNK(info.external_attr >> 16)
                content = functools.partial(archive.open, info)
                yield _Member(info.filename, info.file_size, link, content)


def _tar_members(path: Path) -> Iterator[_Member]:
    with tarfile.open(path) as archive:
        for info in archive:
            if not info.isdir():
                # Devices, which have no content, count as links.
                content = functools.partial(archive.extractfile, info)
                yield _Member(info.name, info.size, not info.isfile(), cast(_Open, content))


def _unsafe(path: Path, fault: str) -> DataError:
    return DataError(
        f"{path} is not unpacked: {fault}.",
        fix="unpack it yourself, look at what it holds, and name the folder.",
    )
