import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from pipeline.commands import reproduce
from pipeline.errors import ArtifactError, DataError
from pipeline.tracking.recorded import RecordedRun
from pipeline.workspace import Workspace

MACHINE = {"version.numpy": "2.4.0", "processor": "one"}
KNOWN = RecordedRun(
    title="demo · bilstm · seed 3",
    card={
        "dataset": "demo",
        "model": "bilstm",
        "seed": 3,
        "threads": 4,
        "recipe": {"units": 7, "pooling": "last"},
    },
    commit="0123456789abcdef",
    dirty=False,
    changes=None,
    data="abc.dir",
    environment=MACHINE,
    metrics={"test/accuracy": 0.5, "test/f1": 0.25, "validation/f1": 0.1},
    files={},
)


def test_the_same_bytes_are_told_from_others(tmp_path):
    """By file; one that is missing is not the same."""
    for folder, content in (("a", "x"), ("b", "x")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "history.csv").write_text(content)
        (tmp_path / folder / "model.weights.h5").write_text(folder)
    (tmp_path / "a" / "test.parquet").touch()
    known = {path.name: path for path in (tmp_path / "a").iterdir()}
    assert reproduce.compare_files(known, tmp_path / "b").splitlines() == [
        "the same bytes: history.csv",
        "other bytes: model.weights.h5, test.parquet",
    ]


def test_each_metric_that_moved_is_shown_with_its_difference():
    """The widest first; the rest is not."""
    again = {"test/accuracy": 0.51, "test/f1": 0.0, "validation/f1": 0.1, "test/ece": 0.3}
    moved = reproduce.differences(KNOWN.metrics, again)
    assert moved == [("test/f1", 0.25, 0.0), ("test/accuracy", 0.5, 0.51)]
    shown = reproduce.explain(KNOWN, moved, MACHINE, same_identity=True)
    assert shown[0].split() == ["test/f1", "0.250000", "→", "0.000000", "(-0.250000)"]
    assert "4 threads" in shown[-1]
    assert reproduce.explain(KNOWN, [], MACHINE, same_identity=True) == [
        "every metric has the same value"
    ]


@pytest.mark.parametrize(
    ("changes", "identity", "said"),
    [
        ({"environment": {"version.numpy": "2.3.0"}}, True, "numpy was 2.3.0, is 2.4.0"),
        ({"environment": {"processor": "two"}}, True, "processor was two, is one"),
        ({"dirty": True}, False, "changes that were not recorded"),
        ({}, False, "are not those of the run (another fingerprint)."),
    ],
)
def test_why_a_metric_may_differ_is_said(changes, identity, said):
    """Only what is known to differ."""
    moved = [("test/f1", 0.25, 0.0)]
    known = replace(KNOWN, **changes)
    shown = "\n".join(reproduce.explain(known, moved, MACHINE, same_identity=identity))
    assert said in shown


@pytest.fixture
def asked(monkeypatch):
    """What DVC is asked, and answers for some of it: words → exit code."""
    calls, codes = [], {}

    def dvc(_, *arguments):
        calls.append(" ".join(arguments))
        code = codes.get(arguments[0], 0)
        return SimpleNamespace(returncode=code, stderr="ERROR: gone\n" * code)

    monkeypatch.setattr(reproduce, "_dvc", dvc)
    return calls, codes


@pytest.fixture
def tree(tmp_path):
    """A worktree with other parameters than the run's, and a lock with other data."""
    folder = tmp_path / "tree"
    (folder / ".dvc").mkdir(parents=True)
    (folder / "params.yaml").write_text(
        "dataset: imdb # of the commit\nmodels: [a, b]\nseeds: [1]\nthreads: 2\n"
        "architectures:\n  bilstm: {pooling: last}\n"
    )
    (folder / "dvc.lock").write_text(
        "stages: {download: {cmd: x, outs: [{path: data/raw, md5: other.dir}]}}\n"
    )
    return folder


def test_the_worktree_gets_the_runs_parameters_and_data(asked, tree, tmp_path):
    """The recipe as a whole; data from this project's cache, without asking a remote."""
    calls, _ = asked
    reproduce.set_up(KNOWN, Workspace(tmp_path), tree)
    settings = YAML(typ="safe").load(tree / "params.yaml")
    assert settings == {
        "dataset": "demo",
        "models": ["bilstm"],
        "seeds": [3],
        "threads": 4,
        "architectures": {"bilstm": {"units": 7, "pooling": "last"}},
    }
    lock = YAML(typ="safe").load(tree / "dvc.lock")
    assert lock["stages"]["download"]["outs"][0]["md5"] == "abc.dir"
    cache = os.path.relpath(tmp_path / ".dvc" / "cache", tree)
    assert calls == [f"cache dir --local {cache}", "checkout data/raw"]


@pytest.mark.parametrize("same", [True, False])
def test_what_numba_compiled_of_the_same_code_is_not_compiled_again(tree, tmp_path, same):
    """With the time that it is valid for; if one module differs, others may contain its code."""
    project = tmp_path / "project"
    for root, other in ((project, "a"), (tree, "a" if same else "b")):
        compiled = root / "pipeline" / "models" / "__pycache__"
        compiled.mkdir(parents=True)
        (compiled.parent / "one.py").write_text("same")
        (compiled.parent / "other.py").write_text(other)
    names = {"one.f-1.py311.nbi", "one.f-1.py311.1.nbc", "other.f-1.py311.nbi"}
    for name in {*names, "gone.f.nbi"}:
        (project / "pipeline" / "models" / "__pycache__" / name).touch()
    os.utime(project / "pipeline" / "models" / "one.py", (1, 1))
    reproduce.copy_compiled(project, tree)
    models = tree / "pipeline" / "models"
    assert {path.name for path in (models / "__pycache__").iterdir()} == (names if same else set())
    assert ((models / "one.py").stat().st_mtime == 1) == same


def test_data_that_is_gone_is_an_error(asked, tree, tmp_path):
    """Which data, and where it was looked for."""
    calls, codes = asked
    codes |= {"checkout": 1, "pull": 1}
    with pytest.raises(
        DataError,
        match=r"abc.dir, is not in .*cache\) and no remote .*\. DVC says: ERROR: gone",
    ):
        reproduce.set_up(KNOWN, Workspace(tmp_path), tree)
    assert "pull data/raw" in calls


def test_data_that_only_the_remote_has_is_pulled(asked, tree, tmp_path):
    """Also if the remote is a folder, named relative to the project."""
    calls, codes = asked
    codes["checkout"] = 1
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "['remote \"there\"']\n    url = s3://bucket\n['remote \"here\"']\n    url = ../remote\n"
    )
    reproduce.set_up(KNOWN, Workspace(tmp_path), tree)
    moved = f"remote modify --local here url {os.path.relpath(tmp_path / 'remote', tree)}"
    assert calls[-2:] == [moved, "pull data/raw"]


def test_the_remote_that_lacks_the_data_is_named(asked, tree, tmp_path):
    """Of several, the one that DVC asks."""
    _, codes = asked
    codes |= {"checkout": 1, "pull": 1}
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "[core]\n    remote = second\n"
        "['remote \"first\"']\n    url = s3://a\n['remote \"second\"']\n    url = s3://b\n"
    )
    with pytest.raises(DataError, match="nor on the remote 'second'"):
        reproduce.set_up(KNOWN, Workspace(tmp_path), tree)


def test_a_patch_that_does_not_apply_is_an_error(tmp_path, monkeypatch):
    """With the commit that it was made for."""
    monkeypatch.setattr(reproduce, "git", lambda _, *words: None if "apply" in words else "/tree")
    (tmp_path / "changes.patch").touch()
    known = replace(KNOWN, changes=tmp_path / "changes.patch")
    with pytest.raises(ArtifactError, match="0123456789ab"):
        reproduce.apply_changes(known, tmp_path)


def test_changes_that_were_not_recorded_are_told(tmp_path, capsys):
    """The commit alone is not the run."""
    reproduce.apply_changes(replace(KNOWN, dirty=True), tmp_path)
    assert "neither committed nor recorded" in capsys.readouterr().out
