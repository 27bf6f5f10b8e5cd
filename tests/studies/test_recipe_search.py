import time

import pytest
from sqlalchemy.exc import IntegrityError

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


class Gone(BaseException):
    """Stands for the end of the process."""


def ran(study, search, result):
    """Run a trial that shows a loss, or raises an exception; returns what it was asked to try."""
    asked = []

    def train(values):
        asked.append(values)
        if isinstance(result, BaseException):
            raise result
        return shown(result)

    if isinstance(result, BaseException):
        with pytest.raises(type(result)):
            recipe.run_trial(study, search, train)
    else:
        recipe.run_trial(study, search, train)
    return asked[0]


def test_named_trials_come_first_and_then_optunas(search, tmp_path):
    """Each with a value for every key."""
    study = recipe.open_study(search, tmp_path / "trials.log", "f")
    asked = [ran(study, search, 0.5 - number / 10) for number in range(5)]
    assert asked[0] == {"dropout": 0.5, "vectors": False}
    assert asked[1] == {"dropout": 0.5, "vectors": True}
    assert recipe.begun(study) == 5
    rows = recipe.table(search, recipe.finished(study))
    assert [row["val_loss"] for row in rows] == ["0.1000", "0.2000", "0.3000", "0.4000", "0.5000"]
    assert rows[-1]["trial"] == "plain"
    assert rows[-1]["bilstm val_accuracy"] == "0.9000"


@pytest.mark.parametrize("end", [Gone, KeyboardInterrupt])
def test_an_interrupted_trial_is_run_again_and_done_ones_stay(search, tmp_path, end):
    """In another process: the study is opened anew."""
    study = recipe.open_study(search, tmp_path / "trials.log", "f")
    ran(study, search, 0.4)
    interrupted = ran(study, search, end())

    again = recipe.open_study(search, tmp_path / "trials.log", "f")
    assert [recipe.name_of(trial) for trial in recipe.finished(again)] == ["plain"]
    assert ran(again, search, 0.3) == interrupted
    assert [recipe.name_of(trial) for trial in recipe.finished(again)] == ["plain", "with vectors"]

    chosen = ran(again, search, end())  # by Optuna
    number = again.trials[-1].number if end is Gone else again.trials[-2].number
    again = recipe.open_study(search, tmp_path / "trials.log", "f")
    assert ran(again, search, 0.2) == chosen
    assert recipe.name_of(recipe.finished(again)[-1]) == f"trial {number}"


def test_other_data_or_code_begins_anew(search, tmp_path):
    """Trials on other data are not comparable."""
    study = recipe.open_study(search, tmp_path / "trials.log", "f")
    ran(study, search, 0.4)
    assert recipe.finished(recipe.open_study(search, tmp_path / "trials.log", "g")) == []


def test_processes_share_a_database_and_a_killed_one_loses_no_trial(search, tmp_path, monkeypatch):
    """Each takes another trial; one that is heard of no more is run again by the next process."""
    monkeypatch.setattr(recipe, "HEARTBEAT", 1)
    address = f"sqlite:///{tmp_path}/trials.db"
    one, other = (recipe.open_study(search, address, "f") for _ in range(2))
    asked = []

    def train(values):
        assert recipe.begun(one) == 1
        asked.append(ran(other, search, 0.3))
        asked.append(values)
        return shown(0.4)

    recipe.run_trial(one, search, train)
    assert [each["vectors"] for each in asked] == [True, False]

    killed = ran(other, search, Gone())
    assert recipe.begun(one) == 3
    deadline = time.monotonic() + 30
    while recipe.begun(one) == 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ran(one, search, 0.2) == killed
    assert len(recipe.finished(other)) == 3


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "the address can't be used: Could not parse"),
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:9/x", r"me:\*\*\*@127.0.0.1:9/x can't be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(search, address, said):
    """Without the password."""
    with pytest.raises(ParamsError, match=said) as raised:
        recipe.open_study(search, address, "f")
    assert "secret" not in str(raised.value)


def test_searches_that_begin_at_once_wait_for_the_tables(search, tmp_path, monkeypatch):
    """The one that is later fails while the first makes them, as PostgreSQL tells it."""
    told = "duplicate key value … DETAIL: Key (typname)=(studies) already exists."
    errors = [IntegrityError("CREATE TABLE studies", None, Exception(told))]
    opened = recipe.RDBStorage

    def late(*args, **options):
        if errors:
            raise errors.pop()
        return opened(*args, **options)

    monkeypatch.setattr(recipe, "RDBStorage", late)
    monkeypatch.setattr("time.sleep", lambda _: None)
    study = recipe.open_study(search, f"sqlite:///{tmp_path}/trials.db", "f")
    assert len(study.trials) == 2
    assert not errors


def test_a_value_outside_the_space_is_refused(tmp_path):
    """With the trial's name and the key."""
    path = tmp_path / "params.yaml"
    path.write_text(FILE.replace("with vectors: {vectors: true}", "wide: {dropout: 0.9}"))
    with pytest.raises(ParamsError, match=r"begin\.wide: `dropout: 0\.9` is not in `space`"):
        recipe.load_search(path)
