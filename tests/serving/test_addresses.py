import shutil

import pytest

from pipeline import fingerprint
from pipeline.core.files import read_json, write_json
from pipeline.errors import ArtifactError
from pipeline.serving import addresses
from pipeline.serving.answers import ask
from pipeline.serving.model import LoadedParts
from pipeline.serving.questions import Question
from pipeline.workspace import Workspace
from tests.support.served import TEXTS, trained


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A workspace with one trained model."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(tmp_path / "project")
    models, encoded = trained(tmp_path / "made", "additive")
    shutil.copytree(encoded, workspace.encoded)
    shutil.copytree(models, workspace.model("bilstm", 1))
    card = read_json(workspace.model("bilstm", 1) / "model.json")
    card |= {"dataset": "demo", "model": "bilstm", "seed": 1}
    write_json(workspace.model("bilstm", 1) / "model.json", card)
    about = {key: card[key] for key in ("dataset", "classes", "vocabulary_size", "max_len")}
    write_json(workspace.encoded / "encoding.json", about)
    return workspace


def test_a_trained_folder_is_calibrated_as_the_served_model_is(project, tmp_path):
    """By the temperature of its seed, if `evaluate` fitted one."""
    folder = str(project.model("bilstm", 1))
    plain = LoadedParts(addresses.find_parts(project, folder, tmp_path / "a"))
    seeds = [{"seed": 1, "temperature": 3.0}, {"seed": 2, "temperature": 1.0}]
    write_json(project.comparison, {"calibration": {"bilstm": {"per_seed": seeds}}})
    flat = LoadedParts(addresses.find_parts(project, folder, tmp_path / "b"))
    question = [Question("the text", TEXTS[0])]
    (sharp,), (soft,) = (ask(model, question, explain=False) for model in (plain, flat))
    assert sharp.label == soft.label
    assert max(soft.probabilities.values()) < max(sharp.probabilities.values())


def test_a_model_of_other_data_is_refused(project, tmp_path):
    """Its tokens would mean something else."""
    about = read_json(project.encoded / "encoding.json")
    write_json(project.encoded / "encoding.json", {**about, "vocabulary_size": 7})
    with pytest.raises(ArtifactError, match="`vocabulary_size` is"):
        addresses.find_parts(project, str(project.model("bilstm", 1)), tmp_path / "a")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nowhere", "There is no model 'nowhere'"),
        ("models:/spotlight-demo@champion", "There is no champion yet"),
        ("models:/spotlight-demo/3", "no MLflow store yet"),
        ("0" * 32, "no MLflow store yet"),
    ],
)
def test_an_address_without_a_model_is_an_error(project, tmp_path, address, said):
    """With what to name instead; no store is made for it."""
    with pytest.raises(ArtifactError, match=said) as error:
        addresses.find_parts(project, address, tmp_path)
    assert error.value.fix
    assert not (project.root / "mlflow.db").exists()


def test_what_training_left_is_not_served(project, tmp_path):
    """MLflow's server needs a packed model; the error says which names have one."""
    with pytest.raises(ArtifactError, match="packed for MLflow is served") as error:
        addresses.find_packed(project, str(project.model("bilstm", 1)), tmp_path / "scratch")
    assert "models:/NAME@ALIAS" in error.value.fix


def test_a_folder_that_is_no_model_of_ours_is_refused(project, tmp_path):
    """Though MLflow could load it."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "MLmodel").write_text("flavors:\n  sklearn: {}\n")
    with pytest.raises(ArtifactError, match="no model of Spotlight"):
        addresses.find_parts(project, str(tmp_path / "other"), tmp_path)


def test_code_that_changed_since_a_model_was_packed_is_named(tmp_path):
    """What decides an answer; not the code around it."""
    parts = tmp_path / "artifacts" / "model"
    assert addresses.changed_code(parts) == []
    copy = tmp_path / "code" / "pipeline"
    shutil.copytree(fingerprint.PACKAGE, copy)
    (copy / "serving" / "inputs.py").write_text("# other")
    (copy / "commands" / "ui.py").write_text("# other")
    assert addresses.changed_code(parts) == []
    (copy / "models" / "attention.py").write_text("# other")
    (copy / "encoding" / "tokenizer.py").unlink()
    assert addresses.changed_code(parts) == ["encoding/tokenizer.py", "models/attention.py"]
