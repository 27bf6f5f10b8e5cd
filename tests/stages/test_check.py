import os
import shlex
import shutil
import sys

import pytest
from ruamel.yaml import YAML

from pipeline.core.files import write_text
from pipeline.errors import ParamsError
from pipeline.stages import check
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS
from tests.support.project import copy_project, dvc

yaml = YAML()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the two stages of dvc.yaml that meet names first, without their other deps.

    Instead of training, the second one fails and says what it was given.
    """
    root = tmp_path_factory.mktemp("project")
    copy_project(root)
    dvc(root, "init", "--no-scm", "-f", "-q")
    document = yaml.load((root / "dvc.yaml").read_text())
    stages = {name: document["stages"][name] for name in ("check", "train")}
    for stage in stages.values():
        stage["deps"] = [dep for dep in stage["deps"] if dep == ".spotlight/checked"]
    says = shlex.join([sys.executable, "-c", "import sys; sys.exit(str(sys.argv[1:]))"])
    stages["train"]["cmd"] = stages["train"]["cmd"].replace("python -m pipeline train", says)
    assert says in stages["train"]["cmd"]
    with (root / "dvc.yaml").open("w") as file:
        yaml.dump({"stages": stages}, file)
    return root


def change(project, **values):
    """The project's own parameters, but for these keys."""
    document = {**yaml.load(PARAMS.read_text()), **values}
    with (project / "params.yaml").open("w") as file:
        yaml.dump(document, file)


@pytest.mark.parametrize("name", ["bilstm;touch${IFS}pwned", "$(touch pwned)", "a\ntouch pwned"])
def test_no_shell_runs_a_models_name(project, name):
    """`dvc repro` by itself: the check refuses it, and the shell would get it as one word."""
    change(project, models=[name], seeds=[1], architectures={name: {"pooling": "last"}})
    ended = dvc(project, "repro", check=False)
    assert "failed to reproduce 'check'" in ended.stderr
    assert "`models.0`" in ended.stderr
    write_text(Workspace(project).checked, "as if it had been checked")
    ended = dvc(project, "repro", "--single-item", f"train@{name}-1", check=False)
    assert ended.returncode != 0
    word = repr(["--model", name, "--seed", "1"])
    assert word in ended.stderr or "\n" in name  # DVC gives the shell line by line
    assert not list(project.rglob("pwned*"))


def test_no_seed_leads_dvc_to_another_folder(project):
    """DVC removes a stage's outputs before it runs: the check comes before that."""
    change(project, models=["bilstm"], seeds=["1/../../../data/own"])
    ended = dvc(project, "repro", check=False)
    assert "failed to reproduce 'check'" in ended.stderr
    assert "`seeds.0`" in ended.stderr
    assert (project / "data" / "own" / "demo").is_dir()


def test_a_bare_dvc_repro_leaves_its_index_to_its_owner_alone(tmp_path):
    """DVC itself makes it, and the folder around it, writable to every user of the machine."""
    index = tmp_path / ".spotlight" / "dvc"
    before = os.umask(0)
    index.mkdir(parents=True)
    os.umask(before)
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    check.run(Workspace(tmp_path))
    assert index.stat().st_mode & 0o777 == 0o700
    assert index.parent.stat().st_mode & 0o777 == 0o755


def test_valid_parameters_leave_a_marker_that_never_changes(tmp_path):
    """Else an edit would train models again that it does not affect."""
    workspace = Workspace(tmp_path)
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    check.run(workspace)
    first = workspace.checked.read_bytes()
    write_text(workspace.params, PARAMS.read_text().replace("seeds: [1, 2, 3]", "seeds: [4]"))
    check.run(workspace)
    assert workspace.checked.read_bytes() == first


@pytest.mark.parametrize(
    ("encode", "models", "said"),
    [
        ({"vectors": {"corpus": "train", "size": 64}}, ["bilstm"], "an embedding of 48"),
        (
            {
                "vectors": {"corpus": "train", "size": 48},
                "language_model": {"units": 64, "epochs": 1},
            },
            ["bilstm"],
            "64 units .* bilstm has 32",
        ),
        (
            {
                "vectors": {"corpus": "train", "size": 48},
                "language_model": {"units": 32, "epochs": 1},
            },
            ["bilstm", "bilstm_wide"],
            "bilstm_wide has more, since it is widened",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_learned(
    tmp_path, encode, models, said
):
    """A language model would be learned for hours, and then no network could start from it."""
    document = yaml.load(PARAMS.read_text())
    document["datasets"]["demo"]["encode"] |= encode
    change(tmp_path, datasets=document["datasets"], models=models)
    with pytest.raises(ParamsError, match=said):
        check.run(Workspace(tmp_path))
