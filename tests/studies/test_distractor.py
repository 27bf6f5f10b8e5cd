"""The study of distractors, on generated reviews in the place of IMDB's."""

import shutil

import numpy as np
import pytest

from pipeline.core.files import read_table, write_csv
from pipeline.core.params import load_params
from pipeline.core.schema import read_yaml
from pipeline.documentation import study_tables
from pipeline.errors import ParamsError
from pipeline.studies.distractor import figure
from pipeline.studies.suggestion import cases, intervals
from pipeline.studies.suggestion.settings import PLACES, load_study
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS, PROJECT
from tests.support.reviews import reviews, unlabeled

STUDY = """
models: [bilstm, bilstm_attention]
seeds: [1, 2]
seed: 1
threads: 1
test: 20
texts: {imdb: [80]}
series: {}
distractors: {longest: 90, lengths: [120], neutral: 1.0}
encode: {vocabulary: 200, max_len: 120, bigrams: 0, vectors: null}
training: {embedding: 4, units: 3, adversarial: 0.0, epochs: 1, min_epochs: 1}
"""


@pytest.mark.parametrize(
    ("given", "instead", "said"),
    [
        ("max_len: 120", "max_len: 100", "set `max_len` to 120"),
        ("longest: 90", "longest: 120", "must be above `longest`"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(tmp_path, given, instead, said):
    """No text may be cut, and each needs room for sentences."""
    path = tmp_path / "params.yaml"
    path.write_text(STUDY.replace(given, instead))
    with pytest.raises(ParamsError, match=said):
        load_study(path)


def test_the_committed_study_is_valid():
    """Its dataset is an entry of params.yaml that has unlabeled texts."""
    study = load_study(Workspace(PROJECT).distractor_study.params)
    datasets = read_yaml(PARAMS)["datasets"]
    assert [case.length for case in study.cases] == [200, 400, 800, 1600]
    assert all(datasets[case.dataset]["source"]["unsupervised"] for case in study.cases)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with a small study, and files with reviews."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    shutil.copytree(PROJECT / "locks", tmp_path / "locks")
    folder = tmp_path / "files"
    write_csv(folder / "train.csv", reviews(120, 1))
    write_csv(folder / "test.csv", reviews(60, 2))
    write_csv(folder / "unsupervised.csv", unlabeled(200))
    made = Workspace(tmp_path)
    made.distractor_study.base.mkdir(parents=True)
    made.distractor_study.params.write_text(STUDY)
    return made


@pytest.mark.slow
def test_each_run_is_measured_at_every_place(workspace, monkeypatch):
    """Rows, intervals, table and figure; a finished run is kept."""
    part, paths = workspace.distractor_study, {"imdb": str(workspace.root / "files")}
    rows = cases.run_study(workspace, part, paths)
    runs = ["tfidf_logistic_regression", "nb_logistic_regression", *["bilstm"] * 2]
    runs += ["bilstm_attention"] * 2
    assert [(row["model"], row["place"]) for row in rows] == [
        (model, place) for model in runs for place in PLACES
    ]
    assert {row["length"] for row in rows} == {120}
    assert all(row["train"] for row in rows if row["seed"])
    for name in ("_prepare", "_train"):
        monkeypatch.setattr(cases, name, lambda *_: pytest.fail("made again"))
    assert cases.run_study(workspace, part, paths) == rows

    own = Workspace(part.scratch / "imdb-80-120")
    assert read_table(own.raw / "test.parquet").num_rows == 60
    assert not list((own.scratch / "checkpoints").glob("*"))
    evaluate = load_params(workspace.params).evaluate
    finished = set(cases.study_cells(workspace, part, paths))
    measured = intervals.measure(part, evaluate, finished)
    of_run = [float(r["test"]) for r in rows if (r["model"], r["place"]) == ("bilstm", "after")]
    found = {(row["place"], row["model"]): row for row in measured}
    mean = found["after", "bilstm"]
    assert float(mean["accuracy"]) == pytest.approx(np.mean(of_run), abs=1e-5)
    assert float(mean["accuracy_low"]) <= float(mean["accuracy"]) <= float(mean["accuracy_high"])
    assert mean["runs"] == 2
    assert float(mean["difference"]) == 0
    table = study_tables.distractors([{key: str(row[key]) for key in row} for row in measured])
    assert "| 120 | after | " in table
    assert figure.draw(measured).startswith(b"\x89PNG")

    half = finished - {"imdb-80-120/bilstm_attention-2"}
    assert {row["runs"] for row in intervals.measure(part, evaluate, half)} == {1}
    assert not intervals.measure(part, evaluate, finished - {"imdb-80-120/baselines"})
