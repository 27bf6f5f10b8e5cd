import os
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.core.files import read_json
from pipeline.core.predictions import Predictions
from pipeline.errors import ArtifactError, ParamsError
from pipeline.evaluation.results import ModelResult
from pipeline.studies.length import corpus, figure, settings, summary
from pipeline.studies.length.settings import ATTENTION, BASELINE, POSITIONS
from pipeline.workspace import Workspace
from tests.support.dependencies import unlisted_and_unused
from tests.support.paths import PROJECT

OWN = Workspace(PROJECT).length_study
STUDY = settings.load_study(OWN.params)
QUICK = STUDY.model_copy(update={"evaluate": STUDY.evaluate.model_copy(update={"resamples": 300})})
SHORTEST, LONGEST = STUDY.lengths[0], STUDY.lengths[-1]
ROWS = 600


# ── the parameters ───────────────────────────────────────────────────────────────────────


def changed(tmp_path, **changes):
    """The study's own file with other values."""
    document = {**YAML(typ="safe").load(OWN.params.read_text()), **changes}
    path = tmp_path / "params.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    return path


def test_the_models_differ_in_their_pooling_alone():
    """One recipe, so that what is compared is the pooling."""
    recipes = {model: STUDY.recipe(model) for model in STUDY.models}
    assert [recipes[model].pooling for model in (BASELINE, ATTENTION)] == ["last", "additive"]
    assert len({recipe.model_copy(update={"pooling": "last"}) for recipe in recipes.values()}) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lengths": ["110-140", "40-60"]}, "from short to long"),
        ({"lengths": ["40-60", "50-80"]}, "must not overlap"),
        ({"lengths": ["40-60"]}, "lengths"),
        ({"lengths": ["40", "60"]}, "lengths"),
        ({"models": ["bilstm", "bilstm_max"]}, "name both"),
        ({"seeds": [1, 1]}, "named twice"),
        ({"models": ["bilstm", "bilstm_attention", "bilstm_min"]}, "bilstm_min"),
        ({"epochs": 3}, "unknown key `epochs`"),
    ],
)
def test_a_mistake_in_the_parameters_is_one_clear_error(tmp_path, changes, said):
    """What is wrong, before anything is trained."""
    with pytest.raises(ParamsError, match=said):
        settings.load_study(changed(tmp_path, **changes))


# ── the corpus ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def reviews():
    """Small corpora of the shortest and the longest reviews."""
    small = STUDY.corpus.model_copy(update={"train": 60, "validation": 30, "test": 40})
    return {length: corpus.generate(small, length) for length in (SHORTEST, LONGEST)}


def test_a_test_review_differs_in_its_length_and_the_place_of_its_evidence_alone(reviews):
    """Same label and grade at every length and position: so they can be compared pairwise."""
    tests = [
        [(review.label, review.grade) for review in splits[settings.test_name(position)]]
        for splits in reviews.values()
        for position in POSITIONS
    ]
    assert all(test == tests[0] for test in tests)


def test_lengths_and_places_are_what_was_asked_for(reviews):
    """Words within the range; evidence in the first, middle and last third."""
    for length, splits in reviews.items():
        fewest, most = settings.words(length)
        for found in splits.values():
            assert all(fewest <= len(review.text.split()) <= most for review in found)
    for position, low, high in (("start", 0, 0.2), ("middle", 0.35, 0.65), ("end", 0.8, 1)):
        found = reviews[LONGEST][settings.test_name(position)]
        middles = [np.mean(review.evidence) / len(review.text) for review in found]
        assert low <= min(middles)
        assert max(middles) <= high


def test_no_test_review_is_learnt_from_and_none_is_cut(reviews):
    """Nor one of validation; and the vocabulary is the training reviews'."""
    splits = reviews[LONGEST]
    for held_out in splits.keys() - {"train"}:
        texts = {review.text for review in splits[held_out]}
        assert not texts & {review.text for review in splits["train"]}
    encoded, about = corpus.encode(splits, length=LONGEST, vocabulary=300)
    assert about["vocabulary_size"] == 300
    for name, sequences in encoded.items():
        assert about["splits"][name]["truncated_rows"] == 0
        assert sequences.lengths.min() >= settings.words(LONGEST)[0]


# ── the summary, against known answers ───────────────────────────────────────────────────


def simulated(accuracy, *, seeds=(1, 2, 3), rows=ROWS):
    """Runs that are right with the probability `accuracy(length, position, model)`."""
    rng = np.random.default_rng(7)
    targets = np.arange(rows) % 2
    luck = rng.random(rows)  # a row is hard or easy for all alike

    def fit(probability):
        right = 0.5 * luck + 0.5 * rng.random(rows) < _quantile(probability)
        second = np.where(right == (targets == 1), 0.9, 0.1)
        outputs = np.stack([1 - second, second], axis=1).astype(np.float32)
        return Predictions(np.arange(rows), targets, outputs)

    return {
        (length, position): [
            ModelResult(
                model,
                seeds,
                1,
                tuple(fit(0.9) for _ in seeds),
                tuple(fit(accuracy(length, position, model)) for _ in seeds),
            )
            for model in STUDY.models
        ]
        for length in STUDY.lengths
        for position in POSITIONS
    }


def _quantile(probability):
    """Of the mean of two uniform numbers."""
    if probability <= 0.5:
        return (probability / 2) ** 0.5
    return 1 - ((1 - probability) / 2) ** 0.5


def falling(*, baseline, attention, others=0.9):
    """Accuracies that go from 0.9 at the shortest to the given one at the longest."""
    longest = {BASELINE: baseline, ATTENTION: attention}

    def accuracy(length, position, model):
        share = STUDY.lengths.index(length) / (len(STUDY.lengths) - 1)
        return 0.9 + share * (longest.get(model, others) - 0.9)

    return accuracy


@pytest.fixture(scope="module")
def held():
    """The summary of models of which the last state alone falls with length."""
    return summary.summary_document(simulated(falling(baseline=0.7, attention=0.89)), QUICK)


def test_accuracies_and_advantages_are_those_simulated(held):
    """Every interval of these holds the accuracy from which it was drawn."""
    for length, models in held["accuracy"]["anywhere"].items():
        for model, found in models.items():
            true = falling(baseline=0.7, attention=0.89)(length, "anywhere", model)
            assert found["low"] - 0.01 <= true <= found["high"] + 0.01
            assert found["high"] - found["low"] < 0.12
    at = {
        one["length"]: one
        for one in held["advantages"]
        if (one["against"], one["position"]) == (BASELINE, "anywhere")
    }
    assert at[SHORTEST]["verdict"] == "not told apart by this data"
    assert at[LONGEST]["verdict"] == "better"
    assert at[LONGEST]["low"] < 0.19 < at[LONGEST]["high"]
    assert at[LONGEST]["p_value_holm"] >= at[LONGEST]["p_value"]


def test_the_change_with_length_is_measured(held):
    """Of each model, and of the advantage, each with its interval."""
    changes = held["changes"]
    assert (changes["from"], changes["to"]) == (SHORTEST, LONGEST)
    fell = changes["models"][BASELINE]
    assert fell["low"] < fell["change"] < fell["high"] < 0
    assert fell["change"] == pytest.approx(-0.2, abs=0.04)
    grown = changes["advantages"][0]
    assert grown["against"] == BASELINE
    assert 0 < grown["low"] < grown["difference"] < grown["high"]
    assert grown["difference"] == pytest.approx(0.19, abs=0.04)
    assert grown["verdict"] == "better"


@pytest.mark.parametrize(
    ("accuracy", "verdict", "said"),
    [
        (falling(baseline=0.7, attention=0.89), "holds", "its advantage grows with length"),
        (falling(baseline=0.85, attention=0.85), "not shown", "not borne out"),
        (falling(baseline=0.9, attention=0.75), "contradicted", "contradicted"),
        (
            lambda length, position, model: 0.9 if model == ATTENTION else 0.7,
            "holds in part",
            "not measurably more",
        ),
        (
            lambda length, position, model: {ATTENTION: 0.9}.get(
                model, 0.8 if length == LONGEST else 0.6
            ),
            "holds in part",
            "by less than on the shortest",
        ),
    ],
)
def test_the_answer_says_what_was_found_whichever_way_it_falls(accuracy, verdict, said):
    """A verdict, and the figures that it rests on."""
    found = summary.summary_document(simulated(accuracy), QUICK)
    assert found["verdict"] == verdict
    assert said in found["answer"]
    for model in STUDY.models:
        assert model in found["answer"]


def test_without_seeds_enough_nothing_is_claimed():
    """Two seeds a model."""
    two = QUICK.model_copy(update={"seeds": (1, 2)})
    results = simulated(falling(baseline=0.6, attention=0.9), seeds=(1, 2))
    found = summary.summary_document(results, two)
    assert found["verdict"] == "too few seeds for a claim"
    assert "Too few seeds" in found["answer"]


def test_predictions_of_other_rows_are_refused():
    """They can't be compared pairwise."""
    results = simulated(falling(baseline=0.9, attention=0.9), rows=60)
    fewer = simulated(falling(baseline=0.9, attention=0.9), rows=50)
    place = (LONGEST, "end")
    results[place] = [results[place][0], *fewer[place][1:]]
    with pytest.raises(ArtifactError, match="are for other rows"):
        summary.summary_document(results, QUICK)


def test_the_same_summary_gives_the_same_bytes(held):
    """The figure and the table for dvc plots depend on it alone."""
    assert figure.draw(held) == figure.draw(held)
    table = summary.accuracy_table(held)
    assert list(table.columns) == ["words", *STUDY.models]
    assert table["words"].tolist() == [np.mean(settings.words(length)) for length in STUDY.lengths]


# ── its pipeline ─────────────────────────────────────────────────────────────────────────

PIPELINE = YAML(typ="safe").load(OWN.pipeline.read_text())["stages"]


@pytest.mark.parametrize("stage", ["corpus", "train", "summary"])
def test_a_stage_depends_on_every_module_that_can_change_its_output(stage):
    """The `deps` are the imports, as in the main pipeline."""
    listed = [dep.removeprefix("../../") for dep in PIPELINE[stage]["deps"]]
    code = [dep for dep in listed if dep.startswith("pipeline/")]
    module = f"pipeline.studies.length.stages.{stage}"
    assert unlisted_and_unused(module, code) == (set(), set())
    # Outside of its repository DVC would hash a folder with Python's caches in it.
    assert all((PROJECT / dep).is_file() for dep in code)
    assert "locks/run.txt" in listed


def test_every_parameter_of_the_file_is_some_stages():
    """Listed by a stage that reads it, or in the stages' names."""
    text = OWN.pipeline.read_text()
    for key in YAML(typ="safe").load(OWN.params.read_text()):
        assert key in text, key


def test_a_failing_stage_leaves_its_earlier_output():
    """DVC deletes outputs before a stage runs, unless they persist."""
    for stage in PIPELINE.values():
        for output in stage["outs"]:
            (options,) = output.values()
            assert options["persist"]


# ── all of it, small ─────────────────────────────────────────────────────────────────────

SMALL = {
    "lengths": ["40-50", "60-70"],
    "models": [BASELINE, ATTENTION],
    "seeds": [1],
    "corpus": {"train": 64, "validation": 20, "test": 20, "seed": 1, "noise": 0, "vocabulary": 90},
    "training": {
        "embedding": 4,
        "units": 3,
        "dropout": 0.0,
        "batch_size": 32,
        "learning_rate": 0.01,
        "epochs": 1,
        "min_epochs": 1,
        "patience": 1,
    },
}
SCRIPT = """
from pipeline.studies.length.settings import load_study
from pipeline.studies.length.stages import corpus, summary, train
from pipeline.workspace import Workspace
workspace = Workspace.current()
wanted = load_study(workspace.length_study.params)
for length in wanted.lengths:
    corpus.run(workspace, length)
for run in wanted.runs:
    train.run(workspace, *run)
summary.run(workspace)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that its stages have run. Their number of threads is a process's own."""
    root = tmp_path_factory.mktemp("study")
    study = Workspace(root).length_study
    study.base.mkdir(parents=True)
    changed(study.base, **SMALL)
    (root / "locks").mkdir()
    (root / "locks" / "run.txt").touch()
    (study.models / "taken-out-1").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return study


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stages_leave_a_summary_and_no_run_that_was_not_asked_for(finished):
    """Each run with its predictions at every position; the figure; no scratch."""
    runs = {f"{length}-{model}-1" for length in SMALL["lengths"] for model in SMALL["models"]}
    assert {path.name for path in finished.models.iterdir()} == runs
    for run in runs:
        tests = {path.stem for path in (finished.models / run).glob("*.parquet")}
        assert tests == {"validation", *map(settings.test_name, POSITIONS)}
    assert not list((finished.scratch / "checkpoints").glob("*"))
    found = read_json(finished.summary)
    assert found["verdict"] == "too few seeds for a claim"
    assert (finished.results / "accuracy_by_length.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mlflow_holds_every_run_once(finished, monkeypatch):
    """In an experiment of its own; a second time there is nothing to do."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    from pipeline.studies.length.tracking import track_study

    wanted = settings.load_study(finished.params)
    first = track_study(finished, wanted)
    results = {f"{length}-{model}" for length in SMALL["lengths"] for model in SMALL["models"]}
    assert set(first.states) == results | {f"{result}-1" for result in results} | {"summary"}
    assert set(first.states.values()) == {"created"}
    assert set(track_study(finished, wanted).states.values()) == {"unchanged"}

    client = mlflow.MlflowClient(tracking_uri=first.store)
    experiment = client.get_experiment_by_name("length-study").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert runs[f"demo · 60-70-{BASELINE} · seed 1"].data.params["length"] == "60-70"
    curve = client.get_metric_history(runs["summary"].info.run_id, f"accuracy anywhere/{ATTENTION}")
    assert [point.step for point in curve] == [45, 65]
