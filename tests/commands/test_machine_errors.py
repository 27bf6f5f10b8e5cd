"""What the machine refuses is told in a sentence, whatever command meets it."""

import errno
import os
import resource
import shutil

import pytest

from pipeline import __main__ as command_line
from pipeline.commands import data, stages
from pipeline.core.files import doing, new_folder, write_json
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS

STAGES = [name for name in stages.STAGES if name != "reference"]  # it reads them last


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project with the parameters of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    return tmp_path


def said(capsys, *arguments):
    """What a command prints that fails."""
    assert command_line.main(arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: `{arguments[0]}` stopped")
    assert "\n  → " in shown
    return shown


@pytest.mark.parametrize("stage", STAGES)
def test_a_folder_in_place_of_the_parameters_stops_every_stage_with_a_word(project, capsys, stage):
    """The file is named."""
    (project / "params.yaml").unlink()
    (project / "params.yaml").mkdir()
    arguments = ["--model", "bilstm", "--seed", "1"] if stage == "train" else []
    shown = said(capsys, stage, *arguments)
    assert "params.yaml: Is a directory" in shown or "params.yaml)" in shown
    assert "move the folder away" in shown


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "can be written to"),
        (errno.EACCES, "chmod"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EFBIG, "ulimit -f"),
        (errno.ELOOP, "leads back to itself"),
        (errno.EIO, "run the command again"),
    ],
)
def test_each_refusal_has_a_remedy(project, monkeypatch, capsys, code, remedy):
    """And says which file, and what was being done."""

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    shown = said(capsys, "check")
    assert "while writing .spotlight/checked" in shown
    assert os.strerror(code) in shown
    assert remedy in shown


def test_a_full_disk_in_a_librarys_depths_names_the_folder_that_was_being_written(
    project, monkeypatch, capsys
):
    """A library's error names no file of ours."""

    def fill(workspace, **_):
        with new_folder(workspace.encoded):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stages, "run", fill)
    shown = said(capsys, "encode")
    assert "while writing data/encoded: No space left on device" in shown
    assert list((project / "data").iterdir()) == []


def test_too_many_open_files_is_an_error_of_the_machine_and_no_damage(project, capsys, monkeypatch):
    """Nothing is advised to be deleted."""
    write_json(project / "data" / "raw" / "card.json", {})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []

    def exhausted(workspace, **_):
        from pipeline.core.files import read_json

        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            while True:
                held.append(open(os.devnull))  # noqa: PTH123, SIM115
        except OSError:
            read_json(workspace.raw / "card.json")
        finally:
            for one in held:
                one.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    monkeypatch.setattr(stages, "run", exhausted)
    shown = said(capsys, "encode")
    assert "while reading data/raw/card.json: Too many open files" in shown
    assert "ulimit" in shown


def test_data_that_can_not_be_copied_is_named(project, monkeypatch, capsys):
    """`data add` on a full disk: the file, and nothing is left."""
    rows = [f"the review number {n} of {n} films,{n % 2}" for n in range(40)]
    (project / "reviews.csv").write_text("\n".join(["text,label", *rows]))

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    shown = said(capsys, "data", "add", "reviews.csv", "mine")
    assert "while writing data/own/mine: No space left on device" in shown
    assert list((project / "data" / "own").iterdir()) == []


def test_the_files_of_a_folder_that_can_not_be_copied_are_named(project, monkeypatch, capsys):
    """The first of them, with its own reason."""

    def fail(*_, **__):
        raise shutil.Error([("a/b.csv", "c", "Permission denied"), ("d", "e", "f")])

    monkeypatch.setattr(data, "show", fail)
    monkeypatch.setattr(stages, "run", fail)
    assert "Permission denied (a/b.csv)" in said(capsys, "encode")


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("maximum recursion depth")])
def test_too_little_memory_and_too_much_nesting_are_told_too(project, monkeypatch, capsys, error):
    """They come from any library."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(stages, "run", fail)
    said(capsys, "encode")


def test_the_outermost_deed_is_named(tmp_path):
    """The folder's name, and not that of a file in its temporary one."""
    with (
        pytest.raises(OSError, match="full") as caught,
        doing("writing data/encoded"),
        doing("writing data/.encoded.1-a.tmp/rows"),
    ):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.__notes__[-1] == "writing data/encoded"
    assert Workspace(tmp_path).encoded.name == "encoded"
