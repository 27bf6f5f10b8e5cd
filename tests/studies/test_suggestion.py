"""The study of the suggested parameters, on a hundred rows."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.files import write_csv
from pipeline.core.params import load_params
from pipeline.core.schema import read_yaml
from pipeline.documentation import study_tables
from pipeline.errors import ParamsError
from pipeline.studies.kept import Kept, Made, read_right
from pipeline.studies.suggestion import cases, figure
from pipeline.studies.suggestion.settings import load_study
from pipeline.workspace import Workspace
from tests.support.cells import in_this_process
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import change, study_workspace

STUDY = """
models: [bilstm]
seeds: [1]
seed: 1
threads: 1
test: 40
texts: {demo: [96]}
series: {ett: [OT]}
"""
STEPS = {"train": 600, "validation": 200, "test": 200}


ENDS = {"": 0.0, "_low": -0.02, "_high": 0.01}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with a small study, and a series of a daily cycle in place of ETTh1."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    monkeypatch.setattr("pipeline.encoding.suggestion.MOST_EPOCHS", 1)
    steps = {f"datasets.ett.source.split.{k}": n for k, n in STEPS.items()}
    return study_workspace(tmp_path, "suggestion", STUDY, steps)


@pytest.fixture
def series(tmp_path):
    """A file with ETTh1's columns, an hour in each row."""
    steps = np.arange(1000)
    wave = np.sin(2 * np.pi * steps / 24)
    hours = np.datetime64("2016-07-01T00", "h") + steps
    names = read_yaml(PARAMS)["datasets"]["ett"]["source"]["features"]
    rows = [
        {"date": str(hour).replace("T", " ") + ":00:00", **dict.fromkeys(names, f"{value:.4f}")}
        for hour, value in zip(hours, wave, strict=True)
    ]
    write_csv(tmp_path / "steps.csv", rows)
    return tmp_path / "steps.csv"


@pytest.mark.slow
def test_each_case_is_trained_once(workspace, series, monkeypatch):
    """Side by side; baselines and models on both splits; what is finished is kept and tabulated."""
    part = workspace.suggestion_study
    ran = in_this_process(monkeypatch)
    rows = cases.run_study(workspace, part, {"ett": str(series)}, jobs=2)
    assert [cell for *_, cell in ran] == [
        "demo-96/baselines",
        "demo-96/bilstm-1",
        "ett-OT/baselines",
        "ett-OT/bilstm-1",
    ]
    assert {source for _, source, *_ in ran} == {f"--source=ett={series}"}
    assert [(row["dataset"], row["model"], row["metric"]) for row in rows] == [
        ("demo", "tfidf_logistic_regression", "accuracy"),
        ("demo", "nb_logistic_regression", "accuracy"),
        ("demo", "bilstm", "accuracy"),
        ("ett", "mean", "mse"),
        ("ett", "last_value", "mse"),
        ("ett", "seasonal", "mse"),
        ("ett", "ridge", "mse"),
        ("ett", "bilstm", "mse"),
    ]
    assert all(float(row[split]) >= 0 for row in rows for split in ("validation", "test"))
    with monkeypatch.context() as patched:
        shutil.rmtree(part.scratch)  # as on another machine, which has what is in git
        for name in ("_prepare", "_train"):
            patched.setattr(cases, name, lambda *_, **__: pytest.fail("made again"))
        assert cases.run_study(workspace, part, {}, jobs=2) == rows
        assert len(ran) == 4

    written = (part.results / "results.csv").read_text()
    assert len(written.splitlines()) == 1 + len(rows)
    table = study_tables.suggestion(
        [{key: str(value) for key, value in row.items()} for row in rows]
    )
    assert "| demo | 77 | accuracy, % | " in table
    assert "`seasonal`" in table

    # With one more seed, only that is trained, on the same data made again.
    part.params.write_text(STUDY.replace("[1]", "[1, 2]").replace("{ett: [OT]}", "{}"))
    more = cases.run_study(workspace, part, {}, jobs=2)
    assert [cell for *_, cell in ran[4:]] == ["demo-96/bilstm-2"]
    assert [row["seed"] for row in more] == ["", "", 1, 2]
    assert more[:3] == rows[:3]

    # With another recipe, what is trained has it, though the data are the same.
    change(workspace.root, {"training.dropout": 0.25})
    trained = []

    def train(own, _, model, seed):
        trained.append((seed, load_params(own.params).recipe(model).dropout))
        return Made([{"seed": seed}], {})

    monkeypatch.setattr(cases, "_train", train)
    cases.run_study(workspace, part, {})
    assert trained == [(1, 0.25), (2, 0.25)]


def test_what_is_kept_is_valid_for_its_parameters(tmp_path):
    """Other code is told apart, and counts unless all is wanted anew."""
    kept = Kept(tmp_path / "bilstm-1.json", parameters="p", code="c")
    assert not kept.valid
    kept.write(Made([{"test": "0.9"}], {"bilstm-1": np.array([True, False])}))
    assert kept.valid
    assert kept.current
    assert kept.rows() == [{"test": "0.9"}]
    assert read_right(kept.path)["bilstm-1"].tolist() == [True, False]
    assert not replace(kept, parameters="q").valid
    other = replace(kept, code="d")
    assert other.valid
    assert not other.current
    assert not replace(other, anew=True).valid
    assert replace(kept, anew=True).valid


def test_another_recipe_makes_another_cell(workspace):
    """What a training depends on changes its digest, and what it doesn't leaves it as it is."""

    def digests(**given):
        change(workspace.root, given)
        cells = cases.study_cells(workspace, workspace.suggestion_study, {"demo": "elsewhere"})
        return {name: cell.kept.parameters for name, cell in cells.items()}

    before = digests()
    assert digests(**{"architectures.bilstm_max.pooling": "mean"}) == before
    text = workspace.params.read_text()
    workspace.params.write_text(text.replace("  l2: 0.0", "  entropy: 0.0\n  l2: 0.0"))
    assert digests() == before
    changed = digests(**{"training.dropout": 0.25})
    assert {name for name in before if changed[name] != before[name]} == {
        "demo-96/bilstm-1",
        "ett-OT/bilstm-1",
    }


def test_a_changed_file_of_the_users_makes_other_cells(workspace):
    """In place, under the name that params.yaml has; where another copy is read, it doesn't."""
    file = workspace.root / read_yaml(PARAMS)["datasets"]["ett"]["source"]["path"]

    def changed(paths):
        found = []
        for content in (None, "a", "b"):
            if content:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            cells = cases.study_cells(workspace, workspace.suggestion_study, paths)
            found.append({name: cell.kept.parameters for name, cell in cells.items()})
        without, *others = found
        return [{name for name in without if one[name] != without[name]} for one in others], others

    of_ett = {"ett-OT/baselines", "ett-OT/bilstm-1"}
    differ, (first, second) = changed({})
    assert differ == [of_ett, of_ett]
    assert all(first[name] != second[name] for name in of_ett)
    file.unlink()
    assert changed({"ett": "elsewhere.csv"})[0] == [set(), set()]


def test_what_is_missing_is_named_when_nothing_is_to_be_trained(workspace, capsys):
    """And nothing is written."""
    assert cases.run_study(workspace, workspace.suggestion_study, {}, train=False) == []
    said = capsys.readouterr().out
    assert "4 of 4 cells are missing, the first is demo-96/baselines" in said
    assert not (workspace.suggestion_study.results / "results.csv").exists()


def test_an_unknown_cell_or_dataset_is_refused(workspace):
    """Before anything is trained."""
    with pytest.raises(ParamsError, match="--only demo-7: the study has no such cell") as raised:
        cases.run_study(workspace, workspace.suggestion_study, {}, only="demo-7")
    assert "demo-96/bilstm-1" in raised.value.fix
    with pytest.raises(ParamsError, match="'imbd'"):
        cases.run_study(workspace, workspace.suggestion_study, {"imbd": "x"})


@pytest.mark.parametrize("name", ["suggestion_study", "size_study"])
def test_the_committed_studies_are_valid(name):
    """Their datasets are entries of params.yaml."""
    study = load_study(getattr(Workspace(PROJECT), name).params)
    assert {case.dataset for case in study.cases} <= set(read_yaml(PARAMS)["datasets"])


def test_accuracy_by_size_is_tabulated_and_drawn():
    """With intervals; and in words, which is the best, and what is gained on the last state."""
    accuracies = {
        "nb_logistic_regression": (0.8, 0.1),
        "bilstm": (0.7, 0.0),
        "bilstm_attention": (0.75, 0.05),
    }
    rows = [
        {
            "model": model,
            "rows": number,
            **{f"accuracy{end}": f"{accuracy + move}" for end, move in ENDS.items()},
            **{f"difference{end}": f"{gain + move}" for end, move in ENDS.items()},
        }
        for number in ("200", "4000")
        for model, (accuracy, gain) in accuracies.items()
    ]
    table = study_tables.sizes(rows)
    assert "| accuracy on test, % | 200 texts | 4,000 texts |" in table
    assert "| `bilstm` | 70.0 (68.0 to 71.0) | 70.0 (68.0 to 71.0) |" in table
    assert "With 200 texts naive Bayes weights with logistic regression is the best" in table
    assert "in points: bilstm_attention +5.0 (+3.0 to +6.0)." in table
    assert figure.draw(rows).startswith(b"\x89PNG")
