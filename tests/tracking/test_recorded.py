import subprocess

import pytest

from pipeline.errors import ArtifactError
from pipeline.repository import PipelineError, git, worktree
from pipeline.tracking import provenance, recorded
from tests.support import project_results as results
from tests.support.tracked import SETTINGS, connected, finish, paths, runs_of


def forget():
    """What a process remembers of the folder while it does not change."""
    provenance.commit_tags.cache_clear()
    provenance.changes.cache_clear()


def commit(root):
    """A commit of what is there."""
    git_as = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "code.py"], cwd=root, check=True)
    subprocess.run([*git_as, "commit", "-qm", "x"], cwd=root, check=True)
    forget()


@pytest.fixture
def project(untracked):
    """A workspace in a git repository, with code in it."""
    (untracked.root / "code.py").write_text("first\n")
    commit(untracked.root)
    return untracked


def read(workspace, tmp_path, name="bilstm_attention-1"):
    """What is recorded of a run."""
    identity = runs_of(workspace)[name].info.run_id
    folder = tmp_path / "files"
    folder.mkdir()
    return recorded.read_run(workspace, identity, folder)


def test_a_run_is_read_with_its_files_and_metrics(project, tmp_path):
    """As they were recorded; a clean commit has no changes."""
    finish(project)
    known = read(project, tmp_path)
    assert known.commit == git(project.root, "rev-parse", "HEAD").strip()
    assert (known.dirty, known.changes) == (False, None)
    assert known.data == "0123456789abcdef0123456789abcdef.dir"
    assert known.environment == provenance.environment()
    folder = project.model("bilstm_attention", 1)
    assert known.metrics == recorded.metrics_of(folder, known.card)
    for name in ("history.csv", "test.parquet", "validation.parquet"):
        assert known.files[name].read_bytes() == (folder / name).read_bytes()


def test_uncommitted_changes_are_recorded_when_the_run_begins(project, tmp_path):
    """As a patch that git applies to the commit, whatever bytes are in it."""
    changed = b"second \xff\r\n"
    (project.root / "code.py").write_bytes(changed)
    forget()
    finish(project)
    (project.root / "code.py").write_text("third\n")
    forget()
    finish(project)  # a later call leaves the patch alone
    known = read(project, tmp_path)
    assert known.dirty
    with worktree(project.root, known.commit, scratch=project.scratch) as tree:
        assert (tree / "code.py").read_text() == "first\n"
        assert git(tree, "apply", str(known.changes)) is not None
        assert (tree / "code.py").read_bytes() == changed
    assert git(project.root, "worktree", "list").count("\n") == 1
    client, runs = connected(project), runs_of(project)
    with_patch = {name for name, run in runs.items() if "changes.patch" in set(paths(client, run))}
    assert with_patch == {"bilstm_attention-1", "bilstm_attention-2"}


def test_too_many_changes_are_not_recorded(project, tmp_path):
    """The run still says that there were some."""
    (project.root / "code.py").write_text("x\n" * 600_000)
    forget()
    finish(project)
    known = read(project, tmp_path)
    assert (known.dirty, known.changes) == (True, None)


def test_a_run_that_cannot_be_trained_again_is_an_error(project, tmp_path):
    """All seeds together, a baseline, an unknown id, data without DVC's hash."""
    finish(project)
    runs = runs_of(project)
    with pytest.raises(ArtifactError, match="is not of one model") as error:
        recorded.read_run(project, runs["bilstm_attention"].info.run_id, tmp_path)
    assert runs["bilstm_attention-1"].info.run_id in error.value.fix
    for identity, said in [
        (runs["comparison"].info.run_id, "is not of one model"),
        ("0" * 32, "MLflow has no run"),
        ("no id at all", "MLflow has no run"),
    ]:
        with pytest.raises(ArtifactError, match=said):
            recorded.read_run(project, identity, tmp_path)


def test_without_git_there_is_no_commit(untracked, tmp_path):
    """And without DVC no data to fetch."""
    finish(untracked)
    with pytest.raises(ArtifactError, match="has no commit"):
        read(untracked, tmp_path)


def test_without_dvc_there_is_no_data(project, tmp_path):
    """The hash of the rows alone can't be fetched."""
    project.lock.unlink()
    finish(project)
    with pytest.raises(ArtifactError, match="no hash of its data from DVC"):
        read(project, tmp_path)


def test_a_commit_that_is_gone_is_an_error(project):
    """And nothing is left behind."""
    with (
        pytest.raises(PipelineError, match="can't check out"),
        worktree(project.root, "0" * 40, scratch=project.scratch),
    ):
        pass
    assert not list(project.scratch.glob("worktree-*"))


def test_no_store_is_made_for_the_question(tmp_path):
    """There is no run to find in it."""
    workspace = results.write(tmp_path, SETTINGS)
    with pytest.raises(ArtifactError, match="no MLflow store yet"):
        recorded.read_run(workspace, "0" * 32, tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
