"""The study of distractors, on generated reviews in the place of IMDB's."""

import numpy as np
import pytest

from pipeline.core.files import read_table, write_csv
from pipeline.core.params import load_params
from pipeline.core.schema import read_yaml
from pipeline.documentation import study_tables
from pipeline.errors import ParamsError
from pipeline.studies.distractor import figure
from pipeline.studies.kept import Kept, Made, kept_path
from pipeline.studies.suggestion import cases, intervals
from pipeline.studies.suggestion.settings import PLACES, load_study
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import study_workspace
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
    folder = tmp_path / "files"
    write_csv(folder / "train.csv", reviews(120, 1))
    write_csv(folder / "test.csv", reviews(60, 2))
    write_csv(folder / "unsupervised.csv", unlabeled(200))
    return study_workspace(tmp_path, "distractor", STUDY)


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


def test_a_lead_is_compared_with_that_at_the_least_length(tmp_path):
    """On the same texts: the lead of 10 points at 120 tokens is 30 at 240, so it changed by 20."""
    part = Workspace(tmp_path).distractor_study
    part.base.mkdir(parents=True)
    part.params.write_text(STUDY.replace("[120]", "[240, 120]").replace("120, big", "240, big"))
    right = {  # of ten texts at three places
        120: {"bilstm": [7, 7], "bilstm_attention": [8, 8]},
        240: {"bilstm": [5, 5], "bilstm_attention": [8, 8]},
    }
    study = load_study(part.params)
    finished = []
    for case in study.cases:
        known = {
            "tfidf_logistic_regression": np.arange(30) % 10 < 6,
            "place": np.repeat(PLACES, 10),
        }
        cells = {"baselines": known} | {
            f"{model}-{seed}": {f"{model}-{seed}": np.arange(30) % 10 < number}
            for model, numbers in right[case.length].items()
            for seed, number in zip(study.seeds, numbers, strict=True)
        }
        for name, found in cells.items():
            Kept(kept_path(part, case.name, name), "p", "c").write(Made([{"rows": 64}], found))
            finished.append(f"{case.name}/{name}")
    measured = intervals.measure(part, load_params(PARAMS).evaluate, finished)
    found = {(row["length"], row["place"], row["model"]): row for row in measured}
    for place in ("any", *PLACES):
        assert float(found[240, place, "bilstm_attention"]["difference"]) == pytest.approx(0.3)
        assert float(found[240, place, "bilstm_attention"]["change"]) == pytest.approx(0.2)
        assert float(found[120, place, "bilstm_attention"]["change"]) == 0
        assert float(found[240, place, "tfidf_logistic_regression"]["change"]) == pytest.approx(0.2)
        assert float(found[240, place, "bilstm"]["change"]) == 0
    rows = sorted(
        ({key: str(row[key]) for key in row} for row in measured), key=lambda row: row["length"]
    )
    said = study_tables.at_length(rows, "240")
    assert said.startswith("At 240 tokens bilstm_attention is the best, with 80.0 %. Against the")
    assert "Compared with 120 tokens, these leads changed by: bilstm_attention +20.0 (" in said

    without = [name for name in finished if name != "imdb-80-120/bilstm-2"]
    rows = intervals.measure(part, load_params(PARAMS).evaluate, without)
    assert {row["runs"] for row in rows if row["model"] == "bilstm"} == {1}


def test_one_scale_holds_what_every_panel_shows(monkeypatch):
    """Also where the least accuracy is not in the first panel."""
    monkeypatch.setattr(figure, "png", lambda make: make())
    rows = [
        {
            "model": "bilstm",
            "place": place,
            "length": length,
            "accuracy": accuracy,
            "accuracy_low": accuracy - 0.05,
            "accuracy_high": accuracy + 0.05,
        }
        for place, accuracies in {
            "before": (0.8, 0.7),
            "around": (0.8, 0.5),
            "after": (0.9, 0.7),
        }.items()
        for length, accuracy in zip((200, 400), accuracies, strict=True)
    ]
    for axes in figure.draw(rows).axes:
        low, high = axes.get_ylim()
        assert low < 0.45
        assert high > 0.95


def test_the_tables_say_which_model_is_the_best_and_what_each_gains():
    """At every length, with what changed since the least one; for every number of texts."""
    numbers = {
        f"{name}{end}": "0.1"
        for name in ("difference", "change", "accuracy")
        for end in ("", "_low", "_high")
    }
    rows = [
        {**numbers, "length": length, "place": place, "model": model, "accuracy": accuracy}
        for length in ("200", "1600")
        for place in ("any", "after")
        for model, accuracy in {"bilstm": "0.6", "bilstm_max": "0.7"}.items()
    ]
    standing = (
        "bilstm_max is the best, with 70.0 %. Against the last state, in points: bilstm_max +10.0 "
        "(+10.0 to +10.0)."
    )
    after = "With the sentences after the review, the last state reaches 60.0 %."
    shortest, longest = study_tables.distractors(rows).splitlines()[-3::2]
    assert shortest == f"> At 200 tokens {standing} {after}"
    assert longest == (
        f"> At 1,600 tokens {standing} {after} Compared with 200 tokens, these leads changed by: "
        "bilstm_max +10.0 (+10.0 to +10.0)."
    )
    sized = [{**row, "rows": count} for count in ("202", "20003") for row in rows[:2]]
    fewest, most = study_tables.sizes(sized).splitlines()[-3::2]
    assert (fewest, most) == (f"> With 202 texts {standing}", f"> With 20,003 texts {standing}")
