"""A cell that another node trains, under a pipeline whose stages need no library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

PIPELINE = """
stages:
  first:
    cmd: echo begun > first.txt
    outs: [first.txt]
  train:
    matrix: {model: [a], seed: [1, 2]}
    cmd: cat first.txt recipe.txt > ${item.model}-${item.seed}.txt
    deps: [first.txt, recipe.txt]
    outs: ["${item.model}-${item.seed}.txt"]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs a command in a project under git and DVC, with a remote."""
    scripts = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    project = tmp_path / "a project"
    project.mkdir()

    def ran(command: str, **variables: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=project,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,  # pytest shows the errors
            text=True,
            check=True,
        )
        return done.stdout

    (project / "dvc.yaml").write_text(PIPELINE)
    (project / "recipe.txt").write_text("plain\n")
    remote = tmp_path / "remote"
    ran("git init -q && dvc init -q && dvc config core.analytics false")
    ran(f"dvc remote add -q -d shared '{remote}' && git add -A && git commit -qm begin")
    return ran


def test_another_nodes_result_is_not_computed_again(run):
    """With what is not committed here; the cells that it has not run still are."""
    run(
        "echo changed > recipe.txt && dvc repro -q first && git add dvc.lock"
        " && dvc push -q && dvc push -q --run-cache"
    )
    run("dvc stage list --name-only | grep '^train@' > cells.txt")
    run(f"sh '{PROJECT}/deploy/cell.sh'", SLURM_ARRAY_TASK_ID="2")
    run("dvc fetch -q --run-cache")
    said = run("dvc repro --pull")
    assert "Stage 'train@a-2' is cached" in said
    assert "Running stage 'train@a-1'" in said
    assert run("cat a-2.txt") == "begun\nchanged\n"
