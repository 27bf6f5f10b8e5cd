"""The study of attention's options: each run is trained once, its tests are tabulated."""

import pytest

from pipeline.commands import attention_study
from pipeline.core.files import read_json
from pipeline.core.schema import read_yaml
from pipeline.documentation import study_tables
from pipeline.errors import ParamsError
from pipeline.studies.attention import runs
from pipeline.studies.attention.settings import load_study
from pipeline.workspace import Workspace
from tests.support.cells import in_this_process
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import change, study_workspace
from tests.support.tracked import study_runs

STUDY = """
texts:
  demo:
    train: 60
    test: 20
    encode: {max_len: 30}
    training: {embedding: 4, units: 3, epochs: 1, min_epochs: 1}
variants:
  softmax: {pooling: additive}
  sparsemax: {pooling: additive, attention: sparsemax}
seeds: [1]
seed: 0
explain: {samples: 2, faithfulness_rows: 8, candidate_rows: 4, integration_steps: 2}
threads: 1
"""
SMALL = {"source.train": 80, "source.test": 30}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A small study of a small demo."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for images in ("plot_images", "run_images"):  # test_plots.py has them
        monkeypatch.setattr(f"pipeline.evaluation.outputs.{images}", lambda *_: {})
    changes = {f"datasets.demo.{key}": value for key, value in SMALL.items()}
    return study_workspace(tmp_path, "attention", STUDY, {**changes, "evaluate.resamples": 100})


@pytest.mark.slow
def test_every_variant_is_trained_once_and_tested(workspace, monkeypatch):
    """Side by side; accuracy and the weights' tests by variant; finished runs are kept."""
    part = workspace.attention_study
    ran = in_this_process(monkeypatch)
    attention_study.run(workspace, source=[], jobs=2, only=None)
    assert [cell for *_, cell in ran] == ["demo/softmax-1", "demo/sparsemax-1"]
    found = read_json(part.results / "demo.json")
    assert found["rows"] == {"train": 48, "validation": 12, "test": 20}
    assert list(found["variants"]) == ["softmax", "sparsemax"]
    for name, one in found["variants"].items():
        assert 0 <= one["entropy"] <= 1
        assert -1 <= one["conicity"] <= 1
        assert one["comprehensiveness"]["low"] <= one["comprehensiveness"]["high"]
        assert one["average"] in study_tables.attention([found])
        assert ("difference" in one) == (name != "softmax")
    table = study_tables.attention([found])
    assert "| demo, 48 | `sparsemax` |" in table
    tracked = study_runs(workspace, "attention")
    assert set(tracked) == {"demo/softmax", "demo/sparsemax", "summary"}
    sparse = found["variants"]["sparsemax"]
    metrics = tracked["demo/sparsemax"].data.metrics
    assert metrics["accuracy/mean"] == sparse["accuracy"]["mean"]
    assert metrics["entropy"] == sparse["entropy"]
    assert tracked["demo/sparsemax"].data.params["average"] == sparse["average"]
    monkeypatch.setattr(runs, "encode", None)
    monkeypatch.setattr(
        "pipeline.studies.training.train_model", lambda *_, **__: pytest.fail("again")
    )
    attention_study.run(workspace, source=[], jobs=2, only=None)
    assert len(ran) == 2
    assert read_json(part.results / "demo.json") == found


@pytest.mark.parametrize(
    ("study", "source", "said"),
    [
        ({"texts": {"imbd": {}}}, [], "'imbd'"),
        ({"variants.sparsemax.attention": "hardmax"}, [], "`attention`"),
        ({"explain": {"rows": 3}}, [], "unknown key `explain.rows`"),
        ({}, ["ett=x"], "has no dataset 'ett'"),
        ({}, ["demo"], "a path is missing"),
    ],
)
def test_what_cannot_be_studied_is_refused(workspace, study, source, said):
    """Before anything is trained."""
    change(workspace.attention_study.base, study)
    with pytest.raises(ParamsError, match=said):
        attention_study.run(workspace, source=source, jobs=1, only=None)


def test_the_committed_study_is_valid():
    """Its datasets are entries of params.yaml, and its variants architectures."""
    study = load_study(Workspace(PROJECT).attention_study.params)
    document = read_yaml(PARAMS)
    for name, texts in study.texts.items():
        project = runs.project(document, study, name, texts)
        assert project["models"] == list(study.variants)
