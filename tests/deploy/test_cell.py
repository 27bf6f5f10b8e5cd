"""Cells that other nodes train, under a pipeline whose stages need no library."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import cluster
from pipeline.__main__ import main
from pipeline.repository import PipelineError
from tests.support.dvc_command import run_dvc
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


def shell(folder, command, **variables):
    """Run a command of a shell; its output."""
    roles = {f"GIT_{role}_NAME": "A" for role in ("AUTHOR", "COMMITTER")}
    roles |= {f"GIT_{role}_EMAIL": "a@example.org" for role in ("AUTHOR", "COMMITTER")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, **roles, **variables, "PATH": path},
        stdout=subprocess.PIPE,  # pytest shows the errors
        text=True,
        check=True,
    )
    return done.stdout


def dvc_in(folder, *arguments):
    """Run a command of DVC; its output."""
    done = run_dvc(folder, *arguments, environment=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The folder of a project under git and DVC."""
    folder = tmp_path_factory.mktemp("begun")
    project = folder / "a project"
    project.mkdir()
    (project / "dvc.yaml").write_text(PIPELINE)
    (project / "recipe.txt").write_text("plain\n")
    shell(project, "git init -q")
    dvc_in(project, "init")
    dvc_in(project, "remote", "add", "-d", "shared", "/REMOTE")
    dvc_in(project, "repro", "first")
    shell(project, "git add -A && git commit -qm begin")
    return folder


@pytest.fixture
def run(begun, tmp_path, monkeypatch):
    """A function that runs a command in a copy of that project, with a remote of its own."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))  # a project of its own would bring `pipeline`
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "a project" / ".dvc" / "config"
    config.write_text(config.read_text().replace("/REMOTE", str(tmp_path / "remote")))
    ran = partial(shell, tmp_path / "a project")
    ran("git commit -qam remote")
    return ran


@pytest.fixture
def dvc(run, tmp_path):
    """A function that runs a command of DVC in that copy."""
    return partial(dvc_in, tmp_path / "a project")


def test_another_nodes_result_is_not_computed_again(run, dvc):
    """With what is not committed here; the cells that it has not run still are."""
    run("echo changed > recipe.txt")
    dvc("push", "--run-cache")
    cells = dvc("stage", "list", "--name-only").splitlines()
    run(f"printf '%s\\n' {' '.join(cells)} | grep '^train@' > cells.txt")
    run(f"sh '{PROJECT}/deploy/cell.sh'", SLURM_ARRAY_TASK_ID="2")
    dvc("fetch", "--run-cache")
    said = dvc("repro", "--pull")
    assert "Stage 'train@a-2' is cached" in said
    assert "Running stage 'train@a-1'" in said
    assert run("cat a-2.txt") == "begun\nchanged\n"


# ── a cluster ────────────────────────────────────────────────────────────────────────────

CELLS = ["train@a-1", "train@a-2"]


class OneNode:
    """As much of Ray as is used, on one node that does a task when it is asked for the result.

    Attributes:
        lost: cells whose nodes are gone.
    """

    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)

    exceptions = SimpleNamespace(RayError=ConnectionResetError)

    def __init__(self, lost=()):
        self.lost = lost

    def init(self, address, **_):
        if address != "ray://head:10001":
            raise ConnectionError("nobody answers")

    def put(self, value):
        return value

    def remote(self, **options):
        assert options["num_cpus"] == 2
        return lambda function: SimpleNamespace(remote=partial(partial, function))

    def wait(self, tasks):
        return tasks[:1], tasks[1:]

    def get(self, task):
        if any(cell in str(task.args[1]) for cell in self.lost):
            raise ConnectionResetError("the node died")
        return task()

    def shutdown(self):
        pass


def on_cluster(monkeypatch, ray, address="ray://head:10001"):
    """Run the project of the current folder on it."""
    monkeypatch.setitem(sys.modules, "ray", ray)
    cluster.repro_on_cluster(Path.cwd(), "train", address=address, before=["first"], threads=2)


def test_a_cluster_trains_what_is_stale_and_the_head_nothing(
    run, dvc, tmp_path, monkeypatch, capsys
):
    """In clones that have what is not committed here.

    A cell that loses its nodes is named with the reason, and stops no other: the next run trains it
    alone.
    """
    monkeypatch.chdir(tmp_path / "a project")
    run("echo changed > recipe.txt")
    with pytest.raises(PipelineError, match=r"1 of 2 cells failed: train@a-1.*\n.*the node died"):
        on_cluster(monkeypatch, OneNode(lost=CELLS[:1]))
    shown = capsys.readouterr().out
    assert "1 of 2: train@a-1 failed" in shown
    assert "2 of 2: train@a-2 ended" in shown
    assert "Stage 'train@a-2' is cached" in dvc("repro", "--pull", "train@a-2")
    on_cluster(monkeypatch, OneNode())
    assert "1 of 1: train@a-1 ended" in capsys.readouterr().out
    assert "Stage 'train@a-1' is cached" in dvc("repro", "--pull")
    assert run("cat a-1.txt a-2.txt") == "begun\nchanged\n" * 2


STOPPED = """
kept=.spotlight/checkpoints/a-1.npz
if [ -e $kept ]; then cat $kept > a-1.txt; exit; fi
echo "the first epoch" > $kept
for i in $(seq 600); do [ -e {there} ] && echo "no more steps" >&2 && exit 1; sleep 0.1; done
"""


def test_a_cell_goes_on_from_the_checkpoint_of_a_lost_node(run, dvc, tmp_path, monkeypatch):
    """It is on the remote while the cell trains, and is gone once its result is there.

    A cell that fails is named with the end of what it said.
    """
    monkeypatch.chdir(tmp_path / "a project")
    there = tmp_path / "remote" / "spotlight" / "checkpoints" / "a-1.npz"
    Path("train.sh").write_text(STOPPED.format(there=there))
    run("sed -i 's/seed: .1, 2./seed: [1]/; s/cmd: cat.*/cmd: sh train.sh/' dvc.yaml")
    run("git add train.sh && git commit -qm stopped")
    with pytest.raises(PipelineError, match=r"1 of 1 cells failed(.|\n)*no more steps"):
        on_cluster(monkeypatch, OneNode())
    assert there.read_text() == "the first epoch\n"
    on_cluster(monkeypatch, OneNode())
    assert "Stage 'train@a-1' is cached" in dvc("repro", "--pull")
    assert run("cat a-1.txt") == "the first epoch\n"
    assert not there.exists()


@pytest.mark.parametrize("name", ["train", "train@a", "train@-1", "a-1"])
def test_what_is_no_cell_is_told(name, capsys):
    """Before DVC is asked."""
    assert main(["cell", name]) == 1
    assert f"{name!r} is not a cell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (("true", None, ""), "needs Ray"),
        (("dvc remote remove shared", OneNode(), ""), "dvc push --run-cache failed"),
        (("true", OneNode(), "ray://nowhere:1"), "no Ray cluster at 'ray://nowhere:1'"),
    ],
)
def test_what_a_cluster_lacks_is_told(lacking, said, run, tmp_path, monkeypatch):
    """Before anything is trained."""
    prepare, ray, address = lacking
    monkeypatch.chdir(tmp_path / "a project")
    run(prepare)
    with pytest.raises(PipelineError, match=said):
        on_cluster(monkeypatch, ray, address)


SEARCH = """
import sys
if "--fail" in sys.argv:
    sys.exit("no such table")
with open({to!r}, "a") as told:
    print(*sys.argv[1:], open("first.txt").read().strip(), file=told)
"""


def test_a_search_runs_in_clones_that_have_the_data(run, tmp_path, monkeypatch):
    """On as many nodes as asked for, even if dvc.lock isn't in git; why they all failed is told."""
    monkeypatch.chdir(tmp_path / "a project")
    told = tmp_path / "told.txt"
    Path("pipeline").mkdir()
    Path("pipeline/__init__.py").touch()
    Path("pipeline/__main__.py").write_text(SEARCH.format(to=str(told)))
    run("git add pipeline && git rm -q --cached dvc.lock && git commit -qm search")
    search = partial(cluster.search_on_cluster, Path.cwd(), address="ray://head:10001", threads=2)
    monkeypatch.setitem(sys.modules, "ray", OneNode())
    search(["--storage", "postgresql://x"], workers=2)
    assert told.read_text() == "search --storage postgresql://x begun\n" * 2
    with pytest.raises(PipelineError, match=r"All workers failed(.|\n)*no such table"):
        search(["--fail"], workers=1)
