"""Cells side by side, under a pipeline whose stages need no library."""

import time

import pytest

from pipeline.cells import repro_cells, stale_cells
from pipeline.repository import PipelineError, init_dvc
from tests.support.project import dvc

PIPELINE = """
stages:
  first:
    cmd: echo begun > first.txt
    outs: [first.txt]
  work:
    matrix: {cell: [a, b, c]}
    cmd: python work.py ${item.cell}
    deps: [first.txt, work.py]
    outs: ["${item.cell}.txt"]
  last:
    cmd: cat a.txt b.txt c.txt > last.txt
    deps: [a.txt, b.txt, c.txt]
    outs: [last.txt]
"""
# Each cell says when it began and ended, and waits for a second one to begin.
WORK = """
import pathlib, sys, time
name = sys.argv[1]
pathlib.Path(f"{name}.began").touch()
end = time.monotonic() + 10
while len(list(pathlib.Path(".").glob("*.began"))) < 2 and time.monotonic() < end:
    time.sleep(0.02)
if pathlib.Path(f"{name}.fails").exists():
    sys.exit(f"the cell {name} has no luck")
pathlib.Path(f"{name}.txt").write_text(name)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with three cells, under DVC without git."""
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    init_dvc(tmp_path)
    return tmp_path


def run(project, jobs=2):
    """The cells of `work`."""
    repro_cells(
        project, "work", jobs=jobs, before=["first"], threads=1, logs=project / ".spotlight"
    )


def test_cells_run_next_to_each_other_and_those_that_fail_stop_only_themselves(project, capsys):
    """Each waits until another has begun. The error names those that failed, and quotes the first.

    The next run repeats these alone; afterwards DVC, by itself, runs only what comes after them.
    """
    for cell in "bc":
        (project / f"{cell}.fails").touch()
    with pytest.raises(PipelineError, match="2 of 3 cells failed: work@b, work@c") as caught:
        run(project)
    assert "the cell b has no luck" in str(caught.value)
    assert "the cell c has no luck" not in str(caught.value)
    assert "3 of 3: work@" in capsys.readouterr().out
    assert (project / "first.txt").exists()
    assert stale_cells(project, "work") == ["work@b", "work@c"]
    for cell in "bc":
        (project / f"{cell}.fails").unlink()
    run(project)
    assert "2 of 2: work@" in capsys.readouterr().out
    assert not (project / "last.txt").exists()
    assert stale_cells(project, "work") == []
    shown = dvc(project, "repro").stdout
    assert "Running stage 'last'" in shown
    assert "Running stage 'work" not in shown
    assert (project / "last.txt").read_text() == "abc"


def test_what_runs_is_ended_with_the_command(project, monkeypatch):
    """Ctrl-C leaves no process behind."""
    (project / "work.py").write_text("import time; time.sleep(60)")
    begun = time.monotonic()

    def interrupted(processes, timeout=None):
        raise KeyboardInterrupt

    import psutil

    waited = psutil.wait_procs
    monkeypatch.setattr(
        psutil, "wait_procs",
        lambda processes, timeout: waited(processes, timeout=timeout)
        if timeout > 1 else interrupted(processes),
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        run(project)
    assert time.monotonic() - begun < 40
    assert not [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(project)]
