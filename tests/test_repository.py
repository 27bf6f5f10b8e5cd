import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest
from dvc.lock import make_lock
from dvc.repo import Repo

from pipeline import termination
from pipeline.repository import dvc_repro, init_dvc, locked_hash, mend_after_kill
from tests.support.paths import PROJECT
from tests.support.project import dvc

PIPELINE = "stages: {a: {cmd: echo hello > out, outs: [out]}}"


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A project of one stage."""
    folder = tmp_path_factory.mktemp("begun")
    dvc(folder, "init", "--no-scm", "-q")
    (folder / "dvc.yaml").write_text(PIPELINE)
    return folder


@pytest.fixture
def scratch(begun, tmp_path):
    """The folder of DVC's locks in a copy of it."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / ".dvc" / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("left", ["", '{"write": {"/a', "[]"])
def test_a_lock_file_that_a_kill_left_half_written_is_dropped(tmp_path, scratch, capsys, left):
    """DVC itself refuses to run because of it; then it runs."""
    (scratch / "rwlock").write_text(left)
    assert "RWLock-file" in dvc(tmp_path, "repro", check=False).stderr
    mend_after_kill(tmp_path)
    assert "removed .dvc/tmp/rwlock" in capsys.readouterr().out
    dvc(tmp_path, "repro")
    assert (tmp_path / "out").read_text() == "hello\n"
    mend_after_kill(tmp_path)
    assert (scratch / "rwlock").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("lock", ["lock", "rwlock.lock"])
def test_a_lock_file_stays_while_somebody_may_be_writing_it(
    tmp_path, scratch, capsys, monkeypatch, lock
):
    """Whoever holds one of DVC's locks is asked first."""
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.05)  # seconds that it tries again
    (scratch / "rwlock").write_text("")
    with make_lock(str(scratch / lock)):
        mend_after_kill(tmp_path)
    assert (scratch / "rwlock").exists()
    assert capsys.readouterr().out == ""


def test_a_whole_lock_file_is_left_alone(tmp_path, scratch):
    """With whatever it holds."""
    content = json.dumps({"read": {}, "write": {"/a": {"pid": 1, "cmd": "x"}}})
    (scratch / "rwlock").write_text(content)
    mend_after_kill(tmp_path)
    assert (scratch / "rwlock").read_text() == content


@pytest.mark.parametrize("part", ["", "studies/length"])
def test_dvcs_index_is_in_the_project_and_its_owners_alone(tmp_path, part):
    """It holds pickles: by default all users of the machine can write them."""
    shutil.copytree(PROJECT / part / ".dvc", tmp_path / ".dvc", ignore=lambda *_: {"cache", "tmp"})
    init_dvc(tmp_path)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    dvc(tmp_path, "repro")
    index = tmp_path / ".spotlight" / "dvc"
    assert list(index.rglob("cache.db"))
    assert index.stat().st_mode & 0o777 == 0o700
    assert index.parent.stat().st_mode & 0o022 == 0
    with contextlib.chdir(tmp_path), contextlib.closing(Repo()) as repo:
        assert (tmp_path / repo.site_cache_dir).is_relative_to(index)


@pytest.mark.parametrize("left", ["", "schema: '2.0'\nstages:\n  a:\n    outs:\n    - pa", "{"])
@pytest.mark.parametrize("committed", [False, True])
def test_a_dvc_lock_that_a_kill_left_half_written_is_mended(
    tmp_path, scratch, capsys, left, committed
):
    """From git, or begun anew; DVC itself refuses to run because of it."""
    dvc(tmp_path, "repro")
    lock = tmp_path / "dvc.lock"
    whole = lock.read_bytes()
    if committed:
        for command in (["init", "-q"], ["add", "dvc.lock"], ["commit", "-q", "-m", "begin"]):
            git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *command]
            subprocess.run(git, cwd=tmp_path, check=True)
    lock.write_text(left)
    assert "dvc.lock" in dvc(tmp_path, "repro", check=False).stderr
    mend_after_kill(tmp_path)
    said = "restored dvc.lock" if committed else "removed dvc.lock"
    assert said in capsys.readouterr().out
    dvc(tmp_path, "repro")
    assert lock.read_bytes() == whole


def test_a_dvc_lock_with_the_marks_of_a_merge_is_left_to_the_user(tmp_path, scratch):
    """Who may want either side."""
    lock = tmp_path / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n")
    mend_after_kill(tmp_path)
    assert lock.read_text() == "<<<<<<< HEAD\n"


def test_who_was_killed_uses_nothing_even_before_its_parent_hears_of_it(tmp_path, scratch, capsys):
    """A container's first process may never ask; DVC would wait for the user."""
    with subprocess.Popen(["sleep", "60"]) as process:
        who = {"pid": process.pid, "cmd": "dvc repro"}
        record = {"read": {}, "write": {str(tmp_path / "out"): who}}
        (scratch / "rwlock").write_text(json.dumps(record))
        mend_after_kill(tmp_path)
        assert "is busy" in dvc(tmp_path, "repro", check=False).stderr
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        mend_after_kill(tmp_path)
        assert "removed .dvc/tmp/rwlock" in capsys.readouterr().out
        dvc(tmp_path, "repro")


# Stands for DVC, whose stage takes a moment to end.
SLOW = """
import os, signal, time

signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(os.getppid(), signal.SIGINT)
time.sleep(0.5)
open("ended", "x").close()
"""


def test_ctrl_c_waits_for_dvc(tmp_path, monkeypatch):
    """A kill could leave its files half-written, and its stage running."""
    found, others = termination.descendants, termination.descendants(os.getpid())
    monkeypatch.setattr(  # what other tests started may go on
        termination, "descendants", lambda process: [*{*found(process)} - {*others}]
    )
    (tmp_path / "dvc.py").write_text(SLOW)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            dvc_repro(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ("stages: {a: {outs: [{path: b, md5: c}]}}", "c"),
        ("stages: {a: {cmd: d}}", None),
        ("", None),
        ("[1]", None),
        ("stages: [a]", None),
        ("<<<<<<< HEAD\nstages:", None),
        ("stages: " + "[" * 1000, None),
    ],
)
def test_a_damaged_dvc_lock_has_no_hash(lock, expected):
    """DVC itself says that it is damaged."""
    assert locked_hash(lock, "b") == expected
