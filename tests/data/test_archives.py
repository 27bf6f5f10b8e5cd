import gzip
import io
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.files import sha256
from pipeline.core.sources import FilesSource
from pipeline.data import readers, sources, text_files
from pipeline.data.sources import Corpus
from pipeline.errors import DataError

ROWS = "text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(20))
OTHER = ROWS.replace("text ", "other ")
Pack = Callable[[Path, Mapping[str, str]], None]


def pack_zip(path: Path, files: Mapping[str, str]) -> None:
    """A zip archive of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def pack_tar(path: Path, files: Mapping[str, str]) -> None:
    """A tar archive of these files, compressed as its name says."""
    mode = {".tar": "w", ".xz": "w:xz", ".bz2": "w:bz2"}.get(path.suffix, "w:gz")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))


PACKERS: dict[str, Pack] = {
    "a.zip": pack_zip,
    "a.tar.gz": pack_tar,
    "a.tgz": pack_tar,
    "a.tar": pack_tar,
    "a.tar.bz2": pack_tar,
    "a.tar.xz": pack_tar,
}


def load(folder: Path, name: str, **changes: Any) -> Corpus:
    """A file or folder in `folder` as a corpus."""
    cache = Path(tempfile.mkdtemp(dir=folder))
    source = FilesSource(kind="files", path=name, **changes)
    return sources.load_corpus("own", source, home=folder, cache=cache)


@pytest.mark.parametrize("name", PACKERS)
def test_archive_of_one_file(name: str, tmp_path: Path) -> None:
    """Read as the file would be; the card records the archive."""
    PACKERS[name](tmp_path / name, {"top/reviews_test.csv": ROWS, "top/README.md": "hello"})
    corpus = load(tmp_path, name)
    assert sum(map(len, corpus.splits.values())) == 20
    assert corpus.origin["files"] == {name: sha256(tmp_path / name)}
    assert corpus.origin["path"] == name
    assert readers.changed_files(corpus.origin, home=tmp_path) == []


@pytest.mark.parametrize("name", PACKERS)
def test_archive_of_several_files(name: str, tmp_path: Path) -> None:
    """Their names tell the splits; what macOS adds is no data."""
    files = {"top/train.csv": ROWS, "top/test.csv": OTHER, "__MACOSX/top/._train.csv": "\0"}
    PACKERS[name](tmp_path / name, files)
    corpus = load(tmp_path, name)
    assert {split: len(table) for split, table in corpus.splits.items()} == {
        "train": 20,
        "test": 20,
    }


def test_gzipped_files(tmp_path: Path) -> None:
    """One alone, and several in a folder."""
    (tmp_path / "c").mkdir()
    for name, content in {"train.csv.gz": ROWS, "test.csv.gz": OTHER}.items():
        (tmp_path / "c" / name).write_bytes(gzip.compress(content.encode()))
    assert set(load(tmp_path, "c").splits) == {"train", "test"}
    assert sum(map(len, load(tmp_path, "c/train.csv.gz").splits.values())) == 20


def test_errors_name_the_archive(tmp_path: Path) -> None:
    """The folder that it is unpacked to is gone when a person reads them."""
    pack_zip(tmp_path / "a.zip", {"b/train.csv": ROWS + "a,b,c\n", "b/test.csv": ROWS})
    with pytest.raises(DataError) as error:
        load(tmp_path, "a.zip")
    assert f"{tmp_path}/a.zip/b/train.csv, line 22: 3 fields" in str(error.value)
    pack_zip(tmp_path / "a.zip", {"notes.md": "hello"})
    with pytest.raises(DataError, match=r"a\.zip has no data files"):
        load(tmp_path, "a.zip")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize(
    "inside", ["../evil.csv", "/tmp/evil.csv", "b/../../evil.csv", "..\\evil.csv"]
)
def test_nothing_is_unpacked_elsewhere(name: str, inside: str, tmp_path: Path) -> None:
    """A name that leads out of the folder is refused."""
    (tmp_path / "home").mkdir()
    PACKERS[name](tmp_path / "home" / name, {"good.csv": ROWS, inside: ROWS})
    with pytest.raises(DataError, match="would lie outside the folder"):
        load(tmp_path / "home", name)
    assert not list(tmp_path.rglob("evil.csv"))


def test_links_are_refused(tmp_path: Path) -> None:
    """They could point to any file of the user's."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo(f"link{int(kind)}.csv")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        member = zipfile.ZipInfo("link.csv")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(member, "/etc/passwd")
    for name in ("a.tar", "a.zip"):
        with pytest.raises(DataError, match=r"'link\d?\.csv' is a link"):
            load(tmp_path, name)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.csv.gz"])
def test_content_out_of_proportion_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes must not fill the disk."""
    monkeypatch.setattr(text_files, "ROOM", 1000)
    content = "text,label\n" + "a" * 10_000_000
    if name in PACKERS:
        PACKERS[name](tmp_path / name, {"a.csv": content})
    else:
        (tmp_path / name).write_bytes(gzip.compress(content.encode()))
    with pytest.raises(DataError, match="far more"):
        load(tmp_path, name)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    """One of the two would be lost."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.csv"))
    with pytest.raises(DataError, match=r"'a\.csv' is there twice"):
        load(tmp_path, "a.tar")


def test_damaged_and_protected_archives_are_refused(tmp_path: Path) -> None:
    """Cut off, not an archive at all, or encrypted."""
    for name, pack in PACKERS.items():
        pack(tmp_path / name, {"a.csv": ROWS * 50})
        content = (tmp_path / name).read_bytes()
        for damaged in (content[: len(content) // 2], b"no archive"):
            (tmp_path / name).write_bytes(damaged)
            with pytest.raises(DataError, match="can't be unpacked"):
                load(tmp_path, name)
    pack_zip(tmp_path / "a.zip", {"a.csv": ROWS})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[6] |= 1  # the flag of an encrypted file, there and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        load(tmp_path, "a.zip")
