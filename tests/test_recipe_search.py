import pytest

from pipeline import recipe_search
from pipeline.errors import ParamsError
from pipeline.recipe_search import Shown

FILE = """
dataset: demo
models: [bilstm, bilstm_attention]
seed: 1
trials: 5
space:
  dropout: [0.5, 0.2]
  vectors: [false, true]
begin:
  plain: {}
  with vectors: {vectors: true}
"""


@pytest.fixture
def search(tmp_path):
    """Two trials by name; after them Optuna chooses."""
    path = tmp_path / "params.yaml"
    path.write_text(FILE)
    return recipe_search.load(path)


def shown(loss):
    """What both models showed."""
    return [Shown(model, loss, 0.9, 2, 1.0) for model in ("bilstm", "bilstm_attention")]


def test_named_trials_come_first_and_then_optunas(search, tmp_path):
    """Each with a value for every key."""
    study = recipe_search.open_study(search, tmp_path / "trials.log", "f")
    asked = []
    for number in range(5):
        trial = recipe_search.next_trial(study, search)
        asked.append(trial.params)
        recipe_search.tell(study, trial, shown(0.5 - number / 10))
    assert asked[0] == {"dropout": 0.5, "vectors": False}
    assert asked[1] == {"dropout": 0.5, "vectors": True}
    rows = recipe_search.table(search, recipe_search.finished(study))
    assert [row["val_loss"] for row in rows] == ["0.1000", "0.2000", "0.3000", "0.4000", "0.5000"]
    assert rows[-1]["trial"] == "plain"
    assert rows[-1]["bilstm val_accuracy"] == "0.9000"


def test_an_interrupted_trial_is_run_again_and_done_ones_stay(search, tmp_path):
    """In another process: the study is opened anew."""
    study = recipe_search.open_study(search, tmp_path / "trials.log", "f")
    recipe_search.tell(study, recipe_search.next_trial(study, search), shown(0.4))
    killed = recipe_search.next_trial(study, search)

    again = recipe_search.open_study(search, tmp_path / "trials.log", "f")
    assert [recipe_search.name_of(t) for t in recipe_search.finished(again)] == ["plain"]
    resumed = recipe_search.next_trial(again, search)
    assert (resumed.number, resumed.params) == (killed.number, killed.params)
    recipe_search.tell(again, resumed, shown(0.3))
    assert len(recipe_search.finished(again)) == 2
    assert recipe_search.next_trial(again, search).number > resumed.number


def test_other_data_or_code_begins_anew(search, tmp_path):
    """Trials on other data are not comparable."""
    study = recipe_search.open_study(search, tmp_path / "trials.log", "f")
    recipe_search.tell(study, recipe_search.next_trial(study, search), shown(0.4))
    other = recipe_search.open_study(search, tmp_path / "trials.log", "g")
    assert recipe_search.finished(other) == []


def test_a_value_outside_the_space_is_refused(tmp_path):
    """With the trial's name and the key."""
    path = tmp_path / "params.yaml"
    path.write_text(FILE.replace("with vectors: {vectors: true}", "wide: {dropout: 0.9}"))
    with pytest.raises(ParamsError, match=r"begin\.wide: `dropout: 0\.9` is not in `space`"):
        recipe_search.load(path)
