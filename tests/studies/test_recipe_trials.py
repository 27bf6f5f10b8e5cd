import csv

import mlflow
import pytest

from pipeline.__main__ import main
from pipeline.core.files import read_array, write_json
from pipeline.errors import ParamsError
from pipeline.stages import pretrain
from pipeline.studies.recipe import trials
from pipeline.training.loop import train_model
from tests.support.cells import in_this_process
from tests.support.project import change
from tests.support.training import add_ngrams

FILE = """
dataset: demo
models: [bilstm, bilstm_attention]
seed: 1
trials: 2
space:
  vectors: [false, true]
  averaging: [0.0, 0.9]
begin:
  plain: {}
  both: {vectors: true, averaging: 0.9}
"""
ENCODE = {"tokenizer": "words", "vocabulary": 20, "max_len": 9}


@pytest.fixture
def project(workspace, monkeypatch):
    """Encoded rows with word vectors, a search for them, an MLflow, and no test rows at all."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace.root}/mlflow.db")
    vectors = {"corpus": "train", "size": 6, "epochs": 2}
    change(workspace.root, {"datasets.demo.encode": {**ENCODE, "vectors": vectors}})
    pretrain.run(workspace)
    workspace.recipe_search.params.parent.mkdir(parents=True)
    workspace.recipe_search.params.write_text(FILE)
    (workspace.encoded / "test.parquet").unlink()
    split = {"rows": 48, "sha256": "0" * 64}
    card = {"dataset": "demo", "kind": "text", "classes": ["neg", "pos"], "source": {}}
    write_json(workspace.raw / "card.json", {**card, "splits": {"train": split}})
    return workspace


def read_trials(project):
    """The rows of the search's table."""
    with (project.recipe_search.results / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_search_is_kept_shown_and_not_repeated(project, capsys, monkeypatch):
    """A table beside its parameters, a run for each trial below one parent; test rows unread."""
    ran = in_this_process(monkeypatch, "pipeline.cells")
    monkeypatch.chdir(project.root)
    assert main(["search", "--jobs", "2"]) == 0
    database = f"sqlite:///{project.recipe_search.scratch}/trials.db"
    assert ran == [["search", "--study", "recipe", "--storage", database]] * 2
    assert not list(project.recipe_search.scratch.glob("checkpoints/*"))
    rows = read_trials(project)
    assert {row["trial"] for row in rows} == {"plain", "both"}
    assert [row["val_loss"] for row in rows] == sorted(row["val_loss"] for row in rows)
    assert {row["vectors"] for row in rows} == {"True", "False"}
    assert len({row["val_loss"] for row in rows}) == 2

    client = mlflow.MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'demo'")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"recipe search", "plain", "both"}
    parent = runs["recipe search"].info.run_id
    assert {runs[name].data.tags["mlflow.parentRunId"] for name in ("plain", "both")} == {parent}
    for row in rows:
        loss = runs[row["trial"]].data.metrics["validation/loss"]
        assert loss == pytest.approx(float(row["val_loss"]), abs=1e-4)

    for run in runs.values():
        client.delete_run(run.info.run_id)
    capsys.readouterr()
    trials.search_recipe(project, project.recipe_search, storage=database)
    assert "epoch" not in capsys.readouterr().out
    again = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in again} == set(runs)


def test_a_search_of_ones_own_has_its_own_folder(project, capsys, monkeypatch):
    """Parameters, results and the run are its own, and not those of the project's search."""
    monkeypatch.chdir(project.root)
    mine = project.root / "studies" / "mine"
    asked = ["search", "--study", "mine", "--trials", "1"]
    assert main(asked) == 2
    assert "no studies/mine/params.yaml" in capsys.readouterr().err
    assert not mine.exists()
    project.recipe_search.params.parent.rename(mine)
    assert main(asked) == 0
    assert (mine / "results" / "trials.csv").exists()
    assert not project.recipe_search.base.exists()
    client = mlflow.MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'demo'")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == {"mine search", "plain"}


@pytest.mark.parametrize(
    ("changed", "said"), [("space", "bilstm: trained before"), ("training", "epoch")]
)
def test_other_values_or_another_base_begin_anew(project, capsys, changed, said):
    """Trials of another space, or over other fixed settings, are not comparable."""
    path = project.recipe_search.params
    path.write_text(path.read_text().replace("[bilstm, bilstm_attention]", "[bilstm]"))
    trials.search_recipe(project, project.recipe_search, trials=1)
    if changed == "space":  # but the same training in it is not repeated
        path.write_text(path.read_text().replace("[0.0, 0.9]", "[0.0, 0.9, 0.95]"))
    else:
        small = {"embedding": 6, "units": 3, "epochs": 2, "min_epochs": 1}
        change(project.root, {"datasets.demo.training": small})
    capsys.readouterr()
    trials.search_recipe(project, project.recipe_search, trials=1)
    shown = capsys.readouterr().out
    assert "trial 1 of 1" in shown
    assert said in shown


@pytest.fixture
def trained(monkeypatch):
    """Of each network that a trial trains, layer → the weights that it begins with."""
    networks = []

    def train(network, *given, **options):
        networks.append({layer.name: layer.get_weights() for layer in network.layers})
        return train_model(network, *given, **options)

    monkeypatch.setattr(trials, "train_model", train)
    return networks


def test_an_interrupted_trial_goes_on_with_the_next_model(project, monkeypatch, trained):
    """In another process: the first model's result is kept, and that model is not trained again."""
    trials.search_recipe(project, project.recipe_search, trials=1)
    (row,) = read_trials(project)
    for file in project.recipe_search.scratch.glob("trials.*"):
        file.unlink()
    (again,) = project.recipe_search.scratch.glob("trained/bilstm_attention-*.json")
    again.unlink()
    trained.clear()
    trials.search_recipe(project, project.recipe_search, trials=1)
    assert ["attention" in layers for layers in trained] == [True]
    assert read_trials(project) == [row]


def test_a_trial_without_bigrams_has_no_trigrams_either(project, trained):
    """They are made of bigrams; the trial with them has both."""
    add_ngrams(project)
    change(project.root, {"datasets.demo.encode": {**ENCODE, "bigrams": 2, "trigrams": 1}})
    project.recipe_search.params.write_text(
        FILE.partition("space:")[0].replace("[bilstm, bilstm_attention]", "[bilstm]")
        + "space: {bigrams: [false, true]}\n"
        "begin: {without: {bigrams: false}, with: {bigrams: true}}\n"
    )
    trials.search_recipe(project, project.recipe_search, trials=2)
    without, both = map(set, trained)
    assert not {"bigrams", "trigrams"} & without
    assert {"bigrams", "trigrams"} < both


def test_what_the_space_does_not_name_is_as_in_params(project, trained):
    """The n-grams, too, and the word vectors that networks begin with."""
    add_ngrams(project)
    vectors = read_array(project.vectors / "vectors.npy")
    project.recipe_search.params.write_text(
        FILE.partition("space:")[0] + "space: {averaging: [0.0]}\nbegin: {plain: {}}\n"
    )
    trials.search_recipe(project, project.recipe_search, trials=1)
    assert ["trigrams" in layers for layers in trained] == [True, True]
    assert all((layers["embedding"][0] == vectors).all() for layers in trained)


def test_a_search_for_another_dataset_is_refused(project):
    """It says what to do."""
    path = project.recipe_search.params
    path.write_text(path.read_text().replace("dataset: demo", "dataset: imdb"))
    with pytest.raises(ParamsError, match="set `dataset: imdb`") as raised:
        trials.search_recipe(project, project.recipe_search)
    assert "dvc repro pretrain" in raised.value.fix


def test_no_trials_at_all_are_refused(project):
    """Before anything is trained."""
    with pytest.raises(ParamsError, match="--trials is 0"):
        trials.search_recipe(project, project.recipe_search, trials=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cluster", "local"], "needs --storage"),
        (["--cluster", "local", "--jobs", "2"], "needs --storage"),
        (["--cluster", "local", "--storage", "x", "--workers", "0"], "--workers is 0"),
    ],
)
def test_what_a_clusters_search_lacks_is_told(options, said, capsys):
    """Before anything is sent."""
    assert main(["search", *options]) == 2
    assert said in capsys.readouterr().err


def test_vectors_of_another_width_are_refused(project):
    """Before anything is trained."""
    vectors = {"corpus": "train", "size": 5, "epochs": 1}
    change(project.root, {"datasets.demo.encode": {**ENCODE, "vectors": vectors}})
    pretrain.run(project)
    path = project.recipe_search.params
    path.write_text(path.read_text().replace("plain: {}", "plain: {vectors: true}"))
    with pytest.raises(ParamsError, match="vectors have 5 features"):
        trials.search_recipe(project, project.recipe_search)
