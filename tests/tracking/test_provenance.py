import json
import subprocess

from pipeline.core.params import Recipe
from pipeline.core.sequences import NETWORK_INPUTS
from pipeline.tracking import provenance
from tests.support.tracked import SETTINGS, finish, runs_of


def test_a_run_tells_what_it_came_from(tracked):
    """Data by DVC's own hash, stage, threads, versions; parameters flat."""
    workspace, _ = tracked
    run = runs_of(workspace)["bilstm_attention-1"]
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.digest == "0123456789abcdef0123456789abcdef.dir"
    assert json.loads(used.dataset.source)["seed"] == 20
    tags = run.data.tags
    assert tags["dvc.stage"] == "train@bilstm_attention-1"
    assert tags["threads"] == str(SETTINGS.threads)
    assert tags["version.tensorflow"].startswith("2.")
    assert run.data.params["pooling"] == "additive"
    assert run.data.params["seed"] == "1"
    inputs = set(run.data.params) - {"model", "seed", "parameters", *Recipe.model_fields}
    assert inputs <= set(NETWORK_INPUTS)
    assert set(Recipe.model_fields) <= set(run.data.params)


def test_the_first_commit_that_made_a_run_stays(untracked):
    """A run that a later commit makes again is the same run."""
    root = untracked.root

    def commit():
        arguments = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]
        subprocess.run(["git", *arguments, "--allow-empty"], cwd=root, check=True)
        shown = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, stdout=-1)
        provenance.commit_tags.cache_clear()
        return shown.stdout.decode().strip()

    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / "code.py").write_text("1")
    subprocess.run(["git", "add", "code.py"], cwd=root, check=True)
    first = commit()
    finish(untracked)
    (root / "code.py").write_text("2")
    second = commit()
    assert finish(untracked).states["bilstm_attention-1"] == "unchanged"
    tags = runs_of(untracked)["bilstm_attention-1"].data.tags
    assert tags["mlflow.source.git.commit"] == first != second
    assert tags["mlflow.source.git.dirty"] == "false"
    assert provenance.commit_tags(root)["mlflow.source.git.dirty"] == "true"


def test_without_git_there_is_no_commit(tmp_path):
    """An unpacked archive is no repository."""
    assert provenance.commit_tags(tmp_path / "nowhere") == {}


def test_without_dvc_the_datas_version_is_its_content(untracked):
    """At most 36 characters, which MLflow allows."""
    untracked.lock.unlink()
    assert provenance.data_version(untracked).digest == f"{60:064x}"[:36]
