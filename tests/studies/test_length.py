import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline.core.predictions import Predictions
from pipeline.errors import ArtifactError, ParamsError
from pipeline.evaluation.results import ModelResult
from pipeline.studies.length import corpus, figure, learning_figure, settings, summary
from pipeline.studies.length.settings import ATTENTION, BASELINE, POSITIONS
from pipeline.workspace import Workspace
from tests.support.paths import PROJECT

OWN = Workspace(PROJECT).length_study
STUDY = settings.load_study(OWN.params)
QUICK = STUDY.model_copy(
    update={
        "seeds": (1, 2, 3),
        "evaluate": STUDY.evaluate.model_copy(update={"resamples": 300}),
    }
)
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
    """One recipe, so that what is compared is the pooling; one model is wider besides."""
    recipes = {model: STUDY.recipe(model) for model in STUDY.models}
    assert [recipes[model].pooling for model in (BASELINE, ATTENTION)] == ["last", "additive"]
    same = {"pooling": "last", "widened": False}
    assert len({recipe.model_copy(update=same) for recipe in recipes.values()}) == 1


def test_a_remedy_is_given_to_the_last_state_and_to_attention():
    """The same, so that what is left between them isn't the remedy's."""
    for group in (STUDY.remedies, STUDY.more_data):
        helped = [model for model in group.models if STUDY.recipe(model).pooling == "last"]
        assert len(group.models) == 2 * len(helped)
        for model in helped:
            rival = STUDY.recipe(ATTENTION + model.removeprefix(BASELINE))
            assert STUDY.recipe(model) == rival.model_copy(update={"pooling": "last"})


def test_more_data_is_learned_from_in_as_many_steps():
    """An epoch of ten times the reviews is ten."""
    (model, _), factor = STUDY.more_data.models, settings.times(STUDY.more_data.length)
    assert factor * STUDY.recipe(model).epochs == STUDY.recipe(BASELINE).epochs


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
        ({"corpora": ["40-60", "110-140", "230-270"]}, "lacks 230-270x10"),
        ({"remedies": {"length": "230-270", "models": ["bilstm_fed"]}}, "bilstm_fed"),
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


def test_ten_times_the_data_has_the_same_held_out_reviews(reviews):
    """So runs on either are compared pairwise; what is learned from begins with the same ones."""
    small = STUDY.corpus.model_copy(update={"train": 60, "validation": 30, "test": 40})
    more = corpus.generate(small, f"{LONGEST}x10")
    assert len(more["train"]) == 600
    assert all(more[name] == reviews[LONGEST][name] for name in more.keys() - {"train"})


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
            for model in models
        ]
        for length, models in STUDY.trained.items()
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
        lengths = [*STUDY.lengths, STUDY.more_data.length]
        share = min(1, lengths.index(length) / (len(STUDY.lengths) - 1))
        return 0.9 + share * (longest.get(model, others) - 0.9)

    return accuracy


def history(*losses):
    """`history.csv` of a run with these validation losses."""
    return pd.DataFrame({"epoch": np.arange(1, 1 + len(losses)), "val_loss": losses})


def summarized(results, study=QUICK):
    """The summary of results whose runs all learned in the second epoch."""
    histories = {
        (length, model): [history(0.69, 0.5)] * len(study.seeds)
        for length, models in study.trained.items()
        for model in models
    }
    curves = {"0": {"distance": [-5.0, 5.0], "norm": [1e-9, 1e-6]}}
    flow = {BASELINE: curves, ATTENTION: {"0": {"distance": [-5.0, 5.0], "norm": [0.01, 0.01]}}}
    return summary.summary_document(results, histories, flow, study)


@pytest.fixture(scope="module")
def held():
    """The summary of models of which the last state alone falls with length."""
    return summarized(simulated(falling(baseline=0.7, attention=0.89)))


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
    found = summarized(simulated(accuracy))
    assert found["verdict"] == verdict
    assert said in found["answer"]
    for model in STUDY.models:
        assert model in found["answer"]


def test_without_seeds_enough_nothing_is_claimed():
    """Two seeds a model."""
    two = QUICK.model_copy(update={"seeds": (1, 2)})
    results = simulated(falling(baseline=0.6, attention=0.9), seeds=(1, 2))
    found = summarized(results, two)
    assert found["verdict"] == "too few seeds for a claim"
    assert "Too few seeds" in found["answer"]


def test_predictions_of_other_rows_are_refused():
    """They can't be compared pairwise."""
    results = simulated(falling(baseline=0.9, attention=0.9), rows=60)
    fewer = simulated(falling(baseline=0.9, attention=0.9), rows=50)
    place = (LONGEST, "end")
    results[place] = [results[place][0], *fewer[place][1:]]
    with pytest.raises(ArtifactError, match="are for other rows"):
        summarized(results)


def test_the_same_summary_gives_the_same_bytes(held):
    """The figure and the table for dvc plots depend on it alone."""
    assert figure.draw(held) == figure.draw(held)
    assert learning_figure.draw(held) == learning_figure.draw(held)
    table = summary.accuracy_table(held)
    assert list(table.columns) == ["words", *STUDY.models]
    assert table["words"].tolist() == [np.mean(settings.words(length)) for length in STUDY.lengths]
