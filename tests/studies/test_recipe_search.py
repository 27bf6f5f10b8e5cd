import pytest

from pipeline.errors import ParamsError
from pipeline.studies.recipe import search as recipe
from pipeline.studies.recipe.search import TrialResult

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
    return recipe.load_search(path)


def shown(loss):
    """What both models showed."""
    return [TrialResult(model, loss, 0.9, 2, 1.0) for model in ("bilstm", "bilstm_attention")]


def test_named_trials_come_first_and_then_optunas(search, tmp_path):
    """Each with a value for every key."""
    study = recipe.open_study(search, tmp_path / "trials.log", "f")
    asked = []
    for number in range(5):
        trial = recipe.next_trial(study, search)
        asked.append(trial.params)
        recipe.tell(study, trial, shown(0.5 - number / 10))
    assert asked[0] == {"dropout": 0.5, "vectors": False}
    assert asked[1] == {"dropout": 0.5, "vectors": True}
    rows = recipe.table(search, recipe.finished(study))
    assert [row["val_loss"] for row in rows] == ["0.1000", "0.2000", "0.3000", "0.4000", "0.5000"]
    assert rows[-1]["trial"] == "plain"
    assert rows[-1]["bilstm val_accuracy"] == "0.9000"


def test_an_interrupted_trial_is_run_again_and_done_ones_stay(search, tmp_path):
    """In another process: the study is opened anew."""
    study = recipe.open_study(search, tmp_path / "trials.log", "f")
    recipe.tell(study, recipe.next_trial(study, search), shown(0.4))
    killed = recipe.next_trial(study, search)

    again = recipe.open_study(search, tmp_path / "trials.log", "f")
    assert [recipe.name_of(t) for t in recipe.finished(again)] == ["plain"]
    resumed = recipe.next_trial(again, search)
    assert (resumed.user_attrs, resumed.params) == (killed.user_attrs, killed.params)
    recipe.tell(again, resumed, shown(0.3))
    assert [recipe.name_of(trial) for trial in recipe.finished(again)] == ["plain", "with vectors"]

    chosen = recipe.next_trial(again, search)  # by Optuna, and killed again
    again = recipe.open_study(search, tmp_path / "trials.log", "f")
    resumed = recipe.next_trial(again, search)
    recipe.tell(again, resumed, shown(0.2))
    assert resumed.params == chosen.params
    assert recipe.name_of(recipe.finished(again)[-1]) == f"trial {chosen.number}"


def test_other_data_or_code_begins_anew(search, tmp_path):
    """Trials on other data are not comparable."""
    study = recipe.open_study(search, tmp_path / "trials.log", "f")
    recipe.tell(study, recipe.next_trial(study, search), shown(0.4))
    other = recipe.open_study(search, tmp_path / "trials.log", "g")
    assert recipe.finished(other) == []


def test_a_value_outside_the_space_is_refused(tmp_path):
    """With the trial's name and the key."""
    path = tmp_path / "params.yaml"
    path.write_text(FILE.replace("with vectors: {vectors: true}", "wide: {dropout: 0.9}"))
    with pytest.raises(ParamsError, match=r"begin\.wide: `dropout: 0\.9` is not in `space`"):
        recipe.load_search(path)
