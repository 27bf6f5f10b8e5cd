import csv
import fnmatch
import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.files import (
    column_names,
    new_folder,
    read_csv,
    read_json,
    read_parts,
    read_rows,
    temporary_folder,
    write_csv,
    write_json,
)
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.sequences import read_sequences
from pipeline.errors import ArtifactError
from pipeline.evaluation.tables import to_csv
from pipeline.workspace import Workspace
from tests.support.paths import PROJECT


@pytest.mark.parametrize("shape", [(4, 2), (4, 5), (4,)])
def test_predictions_survive_the_file(tmp_path, shape):
    """Binary, multi-class and regression."""
    rng = np.random.default_rng(0)
    outputs = rng.random(shape).astype(np.float32)
    written = Predictions(np.arange(4), np.array([1, 0, 1, 1]), outputs)
    write_predictions(tmp_path / "test.parquet", written)
    read = read_predictions(tmp_path / "test.parquet")
    assert np.array_equal(read.outputs, outputs)
    assert np.array_equal(read.targets, written.targets)


@pytest.mark.parametrize("rows", [[], [0], [999, 1000, 2499], range(2500)])
def test_some_rows_are_those_of_the_whole(tmp_path, rows):
    """Wherever they stand: a table is read in parts."""
    table = pa.table({"row": np.arange(2500), "text": [f"text {row}" for row in range(2500)]})
    pq.write_table(table, tmp_path / "test.parquet", row_group_size=700)
    found = read_rows(tmp_path / "test.parquet", np.array(rows, np.int64), ["text"])
    assert found["text"].to_pylist() == [f"text {row}" for row in rows]


def test_a_table_that_is_read_in_parts_is_not_kept(tmp_path):
    """Of 40 MB, a few are held at a time."""
    letters = np.random.default_rng(0).bytes(20_000_000).hex()
    texts = [letters[start : start + 2000] for start in range(0, len(letters), 2000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "train.parquet", row_group_size=1000)

    tracemalloc.start()
    try:
        rows = sum(part.num_rows for part in read_parts(tmp_path / "train.parquet", ["text"]))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == len(texts)
    assert most < 10e6


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    """A failure in the middle leaves the earlier folder as it was, and no rest."""
    target = tmp_path / "out"
    with new_folder(target) as folder:
        (folder / "old").write_text("good")

    def fail_halfway():
        with new_folder(target) as folder:
            (folder / "new").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert [path.name for path in target.iterdir()] == ["old"]
    with new_folder(target) as folder:
        (folder / "new").write_text("whole")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """A full disk while writing leaves the earlier content."""
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "read", [read_json, read_csv, column_names, read_sequences, read_predictions]
)
def test_a_missing_or_damaged_file_says_how_to_make_it(tmp_path, read):
    """Never a traceback from a reader's depths."""
    with pytest.raises(ArtifactError, match="dvc repro"):
        read(tmp_path / "missing")
    (tmp_path / "damaged").write_bytes(b"PAR1 no more")
    with pytest.raises(ArtifactError, match="is damaged"):
        read(tmp_path / "damaged")


@pytest.mark.parametrize(
    ("read", "content", "reason"),
    [
        (read_json, "[1]", "it holds a list, not a dict"),
        (read_json, "null", "it holds a NoneType"),
        (read_json, "[" * 100_000 + "]" * 100_000, "it is nested too deeply"),
        (read_csv, "", "No columns"),
        (read_csv, "epoch,loss\n", "it has no row"),
    ],
)
def test_a_file_of_another_shape_is_damaged_too(tmp_path, read, content, reason):
    """A list in place of a card, a history without an epoch, JSON that nests without end."""
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(ArtifactError, match=reason):
        read(path)


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_what_is_written_has_the_users_own_rights(tmp_path, mask):
    """As his umask says: a group may read with him, or nobody."""
    before = os.umask(mask)
    try:
        write_json(tmp_path / "file", {})
        with new_folder(tmp_path / "folder") as folder:
            write_json(folder / "inside", {})
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~mask


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.core.files import new_folder, write_text
target = Path(sys.argv[1])
if len(sys.argv) > 2:
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    write_text(target, "half")
with new_folder(target) as folder:
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_kill_left_is_cleared_by_the_next_write(tmp_path, kind):
    """Of the same file or folder; what a living process is writing stays."""
    target = tmp_path / "out.json"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(target), *(["file"] if kind == "file" else [])],
        cwd=PROJECT,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    alive = left.with_name(f".out.json.{os.getppid()}-0a.tmp")
    other = left.with_name(left.name.replace("out", "other"))
    alive.touch()
    other.touch()
    write_json(target, {})
    assert set(tmp_path.iterdir()) == {target, alive, other}


def test_git_and_dvc_ignore_what_is_being_written(tmp_path):
    """Else a kill's leftover would be committed, or change a folder's hash."""
    with temporary_folder(tmp_path / "encoded") as folder:
        name = folder.name
    for ignored in (".gitignore", ".dvcignore", "studies/length/.dvcignore"):
        patterns = (PROJECT / ignored).read_text().split()
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), ignored


def test_home_is_the_projects_own_folder_under_dvc(tmp_path, monkeypatch):
    """`dvc exp run --temp` runs in a copy; paths of the user's start at the original."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert Workspace(tmp_path).home == tmp_path.resolve()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "original"))
    assert Workspace(tmp_path).home == tmp_path.resolve() / "original"


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_runs_no_class_name(tmp_path, text):
    """It is shown, behind an apostrophe; numbers keep their sign, and other texts stay."""
    rows = [{"class": text, "value": -1.5, "shown": "-0.25", "plain": "a"}]
    write_csv(tmp_path / "rows.csv", rows)
    written = io.StringIO((tmp_path / "rows.csv").read_bytes().decode(), newline="")
    (row,) = csv.DictReader(written)
    assert row == {"class": f"'{text}", "value": "-1.5", "shown": "-0.25", "plain": "a"}
    table = to_csv(pd.DataFrame({"actual": [text, "b"], "share": [-0.5, 0.25], "n": [-1, 2]}))
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert rows[0] == {"actual": f"'{text}", "share": "-0.5", "n": "-1"}
    assert rows[1] == {"actual": "b", "share": "0.25", "n": "2"}


def test_a_carriage_return_does_not_end_a_row(tmp_path):
    """Python's writer does not quote it."""
    write_csv(tmp_path / "rows.csv", [{"class": "a\rb", "n": 1}])
    assert (tmp_path / "rows.csv").read_bytes() == b"class,n\na b,1\n"
