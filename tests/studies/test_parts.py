"""The study of a recipe's parts, on small texts."""

import csv
import pickle
import shutil

import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.core.params import load_params
from pipeline.core.schema import read_yaml
from pipeline.documentation import study_tables
from pipeline.errors import ArtifactError, ParamsError
from pipeline.studies.kept import Kept, Made, kept_path
from pipeline.studies.parts import costs as costs_of
from pipeline.studies.parts import runs
from pipeline.studies.parts.settings import load_study
from pipeline.studies.parts.summary import summarize
from pipeline.studies.processes import timed
from pipeline.workspace import Workspace
from tests.support.cells import in_this_process
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import change, study_workspace

STUDY = """
dataset: demo
threads: 1
base:
  encode: {vocabulary: 300, max_len: 40, vectors: {corpus: train, size: 8, epochs: 1}}
  training: {embedding: 8, units: 4, epochs: 1, min_epochs: 1}
parts:
  adversarial: {training: {adversarial: 0.03}}
  language_model: {encode: {language_model: {units: 4, epochs: 1, samples: 16}}}
  other: {encode: {language_model: {seed: 1}}}
cases:
  plain: {models: [bilstm_attention], seeds: [1, 2]}
  adversarial: {parts: [adversarial], models: [bilstm_attention], seeds: [1]}
  all: {parts: [adversarial, language_model], models: [bilstm], seeds: [1]}
"""
AGAIN = """
  repeated: {models: [bilstm_attention, bilstm], seeds: [1, 2, 3], repeats: plain}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with a small corpus and study."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    small = {"datasets.demo.source.train": 96, "datasets.demo.source.test": 40}
    return study_workspace(tmp_path, "parts", STUDY, small)


@pytest.mark.slow
def test_each_case_is_trained_on_data_that_others_share(workspace, monkeypatch, capsys):
    """Side by side; the summary has every case, with its gain on the first."""
    ran = in_this_process(monkeypatch)
    monkeypatch.chdir(workspace.root)
    assert main(["parts-study", "--jobs", "2"]) == 0
    part = workspace.parts_study
    cells = [cell for *_, cell in ran]
    assert cells == [
        "plain/baselines",
        "plain/bilstm_attention-1",
        "plain/bilstm_attention-2",
        "adversarial/bilstm_attention-1",
        "all/bilstm-1",
    ]
    # One set of texts, encoded once, from which networks begin in two ways.
    made = sorted(path.name.partition("-")[0] for path in part.scratch.iterdir())
    assert [name for name in made if name != "jobs"] == ["encoded", "texts", "vectors", "vectors"]
    monkeypatch.setattr(costs_of, "alone", _here)
    assert main(["parts-study", "--costs"]) == 0
    results, costs = (_rows(part.results / f"{name}.csv") for name in ("intervals", "costs"))
    assert [row["case"] for row in costs] == ["plain", "adversarial", "all"]
    assert all(int(row["step_cpu_ms"]) > 0 < int(row["peak_memory_mb"]) for row in costs)
    monkeypatch.setattr(costs_of, "alone", lambda *_: pytest.fail("measured"))
    assert main(["parts-study", "--costs"]) == 0
    assert _rows(part.results / "costs.csv") == costs
    summary = study_tables.parts(results, costs)
    assert "| – | `nb_logistic_regression` | – |" in summary
    assert "| `plain` | `bilstm_attention` | 2 |" in summary
    assert "| `all` | `bilstm` | 1 |" in summary
    best = study_tables.best_parts(results, costs, read_yaml(part.params))
    assert best == ""  # none has three seeds
    assert "nb_logistic_regression" in capsys.readouterr().out
    # From git alone, nothing is made again.
    shutil.rmtree(part.scratch)
    monkeypatch.setattr(runs.Training, "__call__", lambda _: pytest.fail("made again"))
    before = (part.results / "intervals.csv").read_text()
    assert main(["parts-study"]) == 0
    assert (part.results / "intervals.csv").read_text() == before


def _here(module, function, training):
    """Instead of a process of its own, which takes seconds to start and can be given the same."""
    assert module == costs_of.__name__.removeprefix("pipeline.studies.")
    return timed(getattr(costs_of, function), pickle.loads(pickle.dumps(training))), 100.0


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_case_has_what_its_parts_change(workspace):
    """Key by key, later parts over earlier ones; what others name stays."""
    study = load_study(workspace.parts_study.params)
    case = study.cases["all"].model_copy(update={"parts": ("language_model", "other")})
    entry = runs.case_params(read_yaml(PARAMS), study, case)["datasets"]["demo"]
    assert entry["encode"]["language_model"] == {"units": 4, "epochs": 1, "samples": 16, "seed": 1}
    assert entry["encode"]["vectors"]["size"] == 8
    assert entry["training"]["clip_norm"] == 1.0
    assert "adversarial" not in entry["training"]


def test_changed_files_of_the_users_make_other_data_and_cells(workspace):
    """A text that moves to another class's folder, too; but not where another copy is read."""
    part, own = workspace.parts_study, workspace.root / "data" / "own" / "texts"
    source = {"kind": "files", "path": "data/own/texts"}
    change(workspace.root, {"datasets.demo": {**_demo(), "source": source}})
    for name in ("neg/1.txt", "neg/2.txt", "pos/3.txt"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(name)
    found = []
    for path in (None, None, None, "elsewhere", "elsewhere"):
        cells = runs.study_cells(workspace, part, {"demo": path} if path else {})
        learned = cells["plain/bilstm_attention-1"].make.data.learned.root
        found.append({learned, *(cell.kept.parameters for cell in cells.values())})
        first, moved = own / "neg" / "2.txt", own / "pos" / "2.txt"
        if len(found) in {2, 4}:
            shutil.move(*((first, moved) if first.exists() else (moved, first)))
    assert found[0] == found[1]
    assert not found[1] & found[2]
    assert found[3] == found[4]


def _demo():
    return read_yaml(PARAMS)["datasets"]["demo"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("parts: [adversarial]", "parts: [adversary]"), "names the part 'adversary'"),
        (("dataset: demo", "dataset: dmeo"), "dmeo"),
        (("adversarial: 0.03", "adversarial: 3"), "adversarial"),
        (("vocabulary: 300", "vocabulary: {most: 300}"), "vocabulary"),
        (("seeds: [1, 2]}", "seeds: [1], repeats: all}"), "repeats 'all', which is no case above"),
        (("dataset: demo", "dataset: adding"), "'adding', a dataset of numbers"),
    ],
)
def test_a_mistake_is_named_before_anything_is_trained(workspace, wrong, said):
    """A part, a dataset and a value."""
    part = workspace.parts_study
    part.params.write_text(STUDY.replace(*wrong))
    with pytest.raises(ParamsError, match=said):
        runs.study_cells(workspace, part, {})


def test_a_gain_is_that_on_the_same_model_in_the_first_case(workspace):
    """By which rows are right; of a model that the first case lacks, nothing is said."""
    right = {
        ("plain", "bilstm_attention", 1): 6,
        ("plain", "bilstm_attention", 2): 8,
        ("adversarial", "bilstm_attention", 1): 9,
        ("all", "bilstm", 1): 10,
    }
    part = workspace.parts_study
    rows = np.arange(40)
    known = {"nb": rows % 10 < 5, "group": rows // 10, "length": np.where(rows % 10 < 8, 5, 9)}
    Kept(kept_path(part, "plain", "baselines"), "p", "c").write(Made([], known))
    rows = [{"case": "", "model": "nb", "seed": "", "validation": "0.5", "epochs": ""}]
    for (case, model, seed), tenths in right.items():
        made = Made([], {"test": np.arange(40) % 10 < tenths})
        Kept(kept_path(part, case, f"{model}-{seed}"), "p", "c").write(made)
        row = {"case": case, "model": model, "seed": seed, "validation": f"0.{seed}", "epochs": 1}
        rows.append(row)
    of_nb, plain, adversarial, other = summarize(part, load_params(PARAMS).evaluate, rows)
    assert [float(one["accuracy"]) for one in (of_nb, plain, adversarial, other)] == pytest.approx(
        [0.5, 0.7, 0.9, 1.0]
    )
    assert (plain["runs"], plain["validation"]) == (2, "0.15")
    assert float(plain["accuracy_sd"]) == pytest.approx(0.02**0.5, rel=1e-5)
    assert float(adversarial["difference"]) == pytest.approx(0.2)
    # The longest are the last two of ten: with 6, 8 and 9 right, none, none and one of the two.
    assert [float(one["longest"]) for one in (of_nb, plain, adversarial, other)] == [0, 0, 0.5, 1]
    assert float(adversarial["longest_gain"]) == 0.5
    assert of_nb["over_linear"] == of_nb["longest_over_linear"] == ""
    trained = (plain, adversarial, other)
    assert [float(one["over_linear"]) for one in trained] == pytest.approx([0.2, 0.4, 0.5])
    assert [float(one["longest_over_linear"]) for one in trained] == [0, 0.5, 1]
    ends = {"longest_gain": "-0.04", "longest_gain_low": "-0.06", "longest_gain_high": "-0.02"}
    written = [
        {key: str(value) for key, value in (one | add).items()}
        for one, add in ((of_nb, {}), (plain, {}), (adversarial, ends))
    ]
    told = "`plain`, in points: `bilstm_attention` of `adversarial` −4.0 (−6.0 to −2.0); no other"
    table = study_tables.parts(written, [])
    assert told in table
    assert "- Against `nb`, in points: `bilstm_attention` of `adversarial` +40.0 (" in table
    written[2]["longest_gain_high"] = "0.02"
    table = study_tables.parts(written, [])
    assert "longest twentieth alone, against `plain`" not in table
    assert "longest twentieth alone, against `nb`, in points: `bilstm_attention` of `adv" in table
    assert [one["difference"] for one in (of_nb, plain, other)] == ["", "", ""]


def test_another_pretraining_is_compared_with_the_case_that_it_repeats(workspace):
    """Its gain, the variance that it adds, and leads within the case, worked out by hand."""
    part = workspace.parts_study
    part.params.write_text(STUDY + AGAIN)
    known = {"group": np.arange(40), "length": np.arange(40)}
    Kept(kept_path(part, "plain", "baselines"), "p", "c").write(Made([], known))
    rows = []
    for case, model, tenths in [
        ("plain", "bilstm_attention", (5, 7)),
        ("repeated", "bilstm_attention", (8, 9, 10)),
        ("repeated", "bilstm", (8, 8, 8)),
    ]:
        for seed, right in enumerate(tenths, start=1):
            made = Made([], {"test": np.arange(40) % 10 < right})
            Kept(kept_path(part, case, f"{model}-{seed}"), "p", "c").write(made)
            row = {"case": case, "model": model, "seed": seed, "validation": "0.5", "epochs": "4"}
            rows.append(row)
    plain, attention, last = summarize(part, load_params(PARAMS).evaluate, rows)
    assert float(attention["difference"]) == pytest.approx(0.3)
    # Sizes 2 and 3, means .6 and .9: between (.108 - .04 / 3) / 2.4
    assert float(attention["repeat_sd"]) == pytest.approx(0.1986, abs=1e-4)
    assert float(last["lead"]) == pytest.approx(-0.1)
    assert (plain["lead"], attention["lead"], last["difference"]) == ("", "", "")
    assert [one["repeats"] for one in (plain, attention)] == ["", "plain"]
    assert plain["repeat_sd"] == ""
    written = [{key: str(value) for key, value in one.items()} for one in (plain, attention, last)]
    said = study_tables.parts(written, [])
    assert "- `repeated`: `bilstm` against `bilstm_attention`, in points: −10.0 (" in said
    assert "over such repetitions is estimated at 19.86." in said


def test_the_best_parts_are_a_recipe_of_their_own_and_train_within_an_hour(workspace):
    """Not a repetition, two seeds, another validation split, or more than sixty CPU minutes."""
    part = workspace.parts_study
    part.params.write_text(STUDY + AGAIN)
    study = read_yaml(part.params)
    found = {"model": "bilstm_attention", "runs": "3", "epochs": "4", "validation": "0.9"}
    found |= {"case": "all", "repeats": ""}
    found |= {"accuracy": "0.9", "accuracy_low": "0.8", "accuracy_high": "0.95"}
    found |= {"ensemble_and_linear": "0.93"}
    costs = [{"case": "all", "model": "bilstm_attention", "epoch_cpu_minutes": "15.0"}]
    best = study_tables.best_parts([found], costs, study)
    assert "on one core is `all`, with which bilstm_attention reaches 90.0 (80.0 to 95.0) %" in best
    assert best.endswith("; the mean of all its seeds and a linear baseline, 93.0 %.")
    for other in ({"runs": "2"}, {"epochs": "5"}, {"case": "repeated", "repeats": "plain"}):
        assert study_tables.best_parts([{**found, **other}], costs, study) == ""
    assert study_tables.best_parts([found], [], study) == ""  # what it costs is not known
    study["parts"]["adversarial"]["encode"] = {"validation_share": 0.05}  # one of that case's parts
    assert study_tables.best_parts([found], costs, study) == ""


def test_an_ensemble_is_the_mean_of_probabilities(workspace):
    """Of three classes: the first one's is what is left; earlier cells have none."""
    part = workspace.parts_study
    part.params.write_text(STUDY + AGAIN)
    # The second baseline is better on validation, and it is wrong of the second row alone.
    outputs = {"tf p1": [0, 0, 0], "tf p2": [0, 0, 0], "nb p1": [0.3, 0, 0], "nb p2": [0.3, 0.1, 1]}
    known = {name: np.array(values, np.float16) for name, values in outputs.items()}
    known |= {"tf": np.arange(3) == 0, "nb": np.arange(3) != 1}
    known |= {"group": np.arange(3), "length": np.ones(3)}
    Kept(kept_path(part, "plain", "baselines"), "p", "c").write(Made([], known))
    target = np.array([0, 1, 2])
    # <float16>[n, classes - 1]; alone, each run is right in two rows or one
    both = [[(0.1, 0.2), (0.2, 0.5), (0.1, 0.8)], [(0.3, 0.4), (0.7, 0.2), (0.1, 0.2)]]
    rows = [
        {"case": "", "model": "tf", "seed": "", "validation": "0.7", "epochs": ""},
        {"case": "", "model": "nb", "seed": "", "validation": "0.8", "epochs": ""},
    ]
    for seed, found in enumerate(np.array(both, np.float16), start=1):
        right = np.column_stack([1 - found.sum(axis=1), found]).argmax(axis=1) == target
        made = Made([], {"test": right, "target": target, "p1": found[:, 0], "p2": found[:, 1]})
        Kept(kept_path(part, "plain", f"bilstm_attention-{seed}"), "p", "c").write(made)
        about = {"case": "plain", "model": "bilstm_attention", "seed": seed}
        rows.append({**about, "validation": "0.5", "epochs": 1})
    *_, plain = summarize(part, load_params(PARAMS).evaluate, rows)
    assert (float(plain["accuracy"]), plain["ensemble"]) == (pytest.approx(0.5), "1")
    # Of the second row's mean, the first class has (.2 + .9) / 2.
    assert float(plain["ensemble_and_linear"]) == pytest.approx(2 / 3, abs=1e-5)


def test_baselines_of_an_earlier_version_are_named(workspace):
    """They lack the lengths of the test rows."""
    part = workspace.parts_study
    Kept(kept_path(part, "plain", "baselines"), "p", "c").write(Made([], {"group": np.arange(3)}))
    with pytest.raises(ArtifactError, match="doesn't know the lengths"):
        summarize(part, load_params(PARAMS).evaluate, [])


def test_the_committed_study_is_valid():
    """Its cases can be trained."""
    workspace = Workspace(PROJECT)
    assert runs.study_cells(workspace, workspace.parts_study, {})
