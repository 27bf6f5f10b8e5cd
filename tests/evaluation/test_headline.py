"""What the comparison says to use, from pairs whose outcome is made up."""

from typing import get_args

import pytest

from pipeline.core.params import Recipe
from pipeline.core.predictions import TFIDF
from pipeline.evaluation.headline import Unit, View, conclude
from pipeline.evaluation.pairwise import BETTER, NOT_TOLD_APART, TOO_FEW_SEEDS, WORSE
from pipeline.evaluation.results import ATTENTION, ModelResult
from pipeline.models.network import build_network

POINTS = Unit(regression=False, confidence=0.95)


def pair(first, second, verdict, sizes=(0.042, 0.029, 0.056)):
    """What `compare_pairs` says of two models; the sizes are those of a clear lead."""
    difference, low, high = sizes
    sentence = f"{first} is {verdict} than {second}."
    return {
        "first": first,
        "second": second,
        "verdict": verdict,
        "difference": difference,
        "low": low,
        "high": high,
        "sentence": sentence,
        "power": None,
    }


def concluded(pairs, networks, baselines=None, unit=POINTS):
    """The conclusion for models with these validation losses; the best network is champion."""
    baselines = {TFIDF: 0.5} if baselines is None else baselines
    results = [ModelResult(name, (), 1, (), ()) for name in baselines]
    results += [
        ModelResult(name, (1, 2, 3), 1, (), (), attention="attention" in name) for name in networks
    ]
    champion = min(networks, key=networks.get)
    losses = [{name: {"mean": loss} for name, loss in of.items()} for of in (networks, baselines)]
    document = {
        "model": champion,
        "validation": {"mean": networks[champion]},
        "candidates": losses[0],
        "baselines": losses[1],
    }
    return conclude(results, document, pairs, unit)


def lost(first, verdict=WORSE):
    """A pair that the first model loses to TF-IDF."""
    return pair(first, TFIDF, verdict, (-0.042, -0.056, -0.029))


def test_a_baseline_that_beats_the_only_network_is_the_one_to_use():
    """By how much, without signs, the lower end first."""
    found = concluded([lost("bilstm")], {"bilstm": 0.6})
    assert found["use"] == TFIDF
    assert found["headline"] == (
        "Use TF-IDF with logistic regression: it is better than bilstm by 4.2 points of test "
        "accuracy (95 % interval 2.9 to 5.6)."
    )


def test_a_baseline_that_beats_all_networks_says_so():
    """And attention against the last state is the second sentence."""
    pairs = [lost("bilstm"), lost("attention"), pair("attention", "bilstm", BETTER)]
    found = concluded(pairs, {"bilstm": 0.6, "attention": 0.55})
    assert found["headline"] == (
        "Use TF-IDF with logistic regression: it is better than every network here; it leads the "
        "best of them on validation, attention, by 4.2 points of test accuracy (95 % interval "
        "2.9 to 5.6). attention is better than bilstm."
    )


def test_a_baseline_that_beats_the_best_network_only_claims_no_more():
    """The other network is not told apart from it."""
    pairs = [lost("bilstm", NOT_TOLD_APART), lost("attention")]
    found = concluded(pairs, {"bilstm": 0.6, "attention": 0.55})
    assert found["use"] == TFIDF
    assert "better than attention, the best network on validation, by 4.2 points" in found["reason"]
    assert "every network" not in found["headline"]


def test_a_network_that_beats_the_baseline_is_the_one_to_use():
    """Whatever became of the others."""
    pairs = [lost("bilstm"), pair("attention", TFIDF, BETTER)]
    found = concluded(pairs, {"bilstm": 0.6, "attention": 0.4})
    assert found["use"] == "attention"
    assert found["reason"] == (
        "it is better than TF-IDF with logistic regression by 4.2 points of test accuracy "
        "(95 % interval 2.9 to 5.6)."
    )


@pytest.mark.parametrize(
    ("loss", "use", "other", "size"),
    [
        (0.4, "bilstm", "TF-IDF with logistic regression", "+0.4"),
        (0.6, TFIDF, "bilstm", "−0.4"),
    ],
)
def test_what_test_does_not_tell_apart_is_decided_on_validation(loss, use, other, size):
    """The size is seen from the model to use."""
    undecided = pair("bilstm", TFIDF, NOT_TOLD_APART, (0.004, -0.003, 0.011))
    found = concluded([undecided], {"bilstm": loss})
    ends = "−0.3 to +1.1" if use == "bilstm" else "−1.1 to +0.3"
    assert found["use"] == use
    assert found["reason"] == (
        f"it is better than {other} on validation, but on test it is not told apart from it: "
        f"{size} points of test accuracy (95 % interval {ends})."
    )


def test_too_few_seeds_make_no_claim_about_test():
    """However large the difference."""
    found = concluded([pair("bilstm", TFIDF, TOO_FEW_SEEDS)], {"bilstm": 0.4})
    assert "but it takes 3 seeds to tell them apart on test: +4.2 points" in found["reason"]


def test_a_series_is_judged_by_the_baseline_that_is_hardest_to_beat():
    """Better than the mean, but the last value is better; errors are written in full."""
    naive = {"mean": 0.9, "last_value": 0.2}
    networks = {"bilstm": 0.3}
    pairs = [
        pair("bilstm", "mean", BETTER, (-0.6, -0.7, -0.5)),
        pair("bilstm", "last_value", WORSE, (0.10004, 0.08, 0.12)),
    ]
    found = concluded(pairs, networks, naive, Unit(regression=True, confidence=0.9))
    assert found["use"] == "last_value"
    assert found["headline"] == (
        "Use the last value: it is better than bilstm by 0.1 test MSE (90 % interval 0.08 to 0.12)."
    )
    pairs[1] = pair("bilstm", "last_value", BETTER, (-0.1, -0.12, -0.08))
    found = concluded(pairs, networks, naive, Unit(regression=True, confidence=0.9))
    assert found["headline"] == (
        "Use bilstm: it is better than every baseline here; it leads the best of them on "
        "validation, the last value, by 0.1 test MSE (90 % interval 0.08 to 0.12)."
    )


@pytest.mark.parametrize("turned", [False, True])
def test_attention_is_compared_with_the_best_network_without_it(turned):
    """By validation, whichever of the two is listed first; the rest is told beside it."""
    ours = pair("bilstm", "attention", WORSE) if turned else pair("attention", "bilstm", BETTER)
    pairs = [ours, pair("max", "attention", NOT_TOLD_APART), pair("max", "bilstm", BETTER)]
    found = concluded(pairs, {"bilstm": 0.4, "attention": 0.3, "max": 0.5}, {})
    assert found["attention"] == {
        "model": "attention",
        "rival": "bilstm",
        "answer": "Yes, on this data.",
        "sentence": ours["sentence"],
    }
    assert found["others"] == "On test, attention is not told apart from max."
    assert found["headline"] == (
        f"Use attention: it is the best on validation. {ours['sentence']} {found['others']}"
    )


def test_without_attention_there_is_no_answer_about_it():
    """Only networks of the other kind were trained."""
    found = concluded([pair("max", "bilstm", BETTER)], {"bilstm": 0.4, "max": 0.3}, {})
    assert found["attention"] is None
    assert found["headline"] == (
        "Use max: it is the best on validation. On test, max is better than bilstm."
    )


@pytest.mark.parametrize("pooling", get_args(Recipe.model_fields["pooling"].annotation))
def test_attention_is_every_pooling_with_weights(pooling):
    """As the networks have it."""
    recipe = Recipe(
        pooling=pooling, embedding=2, units=2, dropout=0, batch_size=1, learning_rate=1, epochs=1,
        min_epochs=1, patience=1,
    )  # fmt: skip
    network = build_network(recipe, kind="text", task="binary", classes=2, vocabulary_size=4)
    assert (network.explainer is not None) == (pooling in ATTENTION)


def test_a_lead_near_zero_says_on_which_side_its_ends_are():
    """Whichever model's view it is."""
    view = View("bilstm", NOT_TOLD_APART, 0.003, -0.0002, 0.006)
    said = "0.3 points of test accuracy (95 % interval \N{MINUS SIGN}0.02 to 0.6)"
    assert POINTS.lead(view) == POINTS.lead(view.turned("bilstm_max")) == said
