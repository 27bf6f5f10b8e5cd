"""Reading lines of text files: plain or gzipped, in UTF-8 or, if they say so, UTF-16."""

import codecs
import functools
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from pipeline.core.texts import SAMPLE, conversion
from pipeline.errors import DataError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ROOM = 2**30  # bytes that any compressed file may hold
RATIO = 100  # times its own size that it may hold; text is compressed to a tenth


def most_bytes(file: Path) -> int:
    """How many bytes of text a compressed file may hold."""
    return max(ROOM, RATIO * file.stat().st_size)


def read_lines(file: Path) -> Iterator[str]:
    """The lines with their ends: line feed, carriage return, or both.

    Raises:
        DataError: the file is damaged, neither UTF-8 nor marked UTF-16, or contains a NUL.
    """
    try:
        if file.suffix.lower() == ".gz":
            _check_size(file, most_bytes(file))
        with (
            _open(file) as content,
            io.TextIOWrapper(content, _encoding(content), newline="") as lines,
        ):
            for number, line in enumerate(lines, start=1):
                if "\0" in line:
                    raise DataError(
                        f"{file}, line {number}: a NUL byte, which text never contains.",
                        fix="export it again as a text file in UTF-8. If it is UTF-16: "
                        "iconv -f UTF-16 -t UTF-8 OLD > NEW",
                    )
                yield line
    except UnicodeDecodeError as error:
        raise _not_utf8(file) or DataError(
            f"{file} is not valid {error.encoding}: {error.reason}.", fix="save it as UTF-8."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{file} can't be unpacked: {error}.", fix="copy or compress it again; it is damaged."
        ) from None


@functools.lru_cache
def _check_size(file: Path, left: int) -> None:
    """Refuse a gzipped file that holds too many bytes, before a line of it is in memory."""
    with _open(file) as content:
        while part := content.read(2**20):
            left -= len(part)
            if left < 0:
                raise DataError(
                    f"{file} holds far more than text of its size would.",
                    fix="unpack it yourself, and look at what it holds.",
                )


def _open(file: Path) -> IO[bytes]:
    if file.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(file))
    return file.open("rb")


def _encoding(content: IO[bytes]) -> str:
    start = content.peek(4)  # type: ignore[attr-defined]  # both kinds of file have it
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")


def _not_utf8(file: Path) -> DataError | None:
    """The error for the first line that is not UTF-8."""
    with _open(file) as lines:
        if _encoding(lines) == "utf-16":
            return None
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return DataError(
                    f"{file}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x}).",
                    fix=conversion(line + lines.read(SAMPLE)),
                )
    return None
