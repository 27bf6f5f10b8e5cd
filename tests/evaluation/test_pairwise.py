from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.predictions import Predictions
from pipeline.evaluation.champion import choose_champion
from pipeline.evaluation.pairwise import (
    BETTER,
    EQUAL,
    NOT_TOLD_APART,
    TOO_FEW_SEEDS,
    WORSE,
    Claim,
    compare_pairs,
    compared,
    mcnemar_tests,
)
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap, Difference, holm
from tests.support.model_results import QUICK, classified, regressor, result


def claim(
    estimate=0.021, p_value=0.001, *, own=None, seeds=(3, 3), task="binary", low=0.008, high=0.034
):
    """A claim about `attention` and `last`; no seeds means a deterministic model."""
    first, second = (
        ModelResult(name, tuple(range(count)), 1, (), ())
        for name, count in zip(("attention", "last"), seeds, strict=True)
    )
    difference = Difference(estimate, low, high, p_value if own is None else own)
    return Claim(first, second, difference, p_value, 3, 0.95, task)


def test_better_says_by_how_much_and_how_sure():
    """Name, size in percentage points, interval and what it rests on."""
    assert claim().verdict == BETTER
    assert claim().sentence == (
        "attention is better than last: +2.1 points of test accuracy (95 % interval +0.8 to "
        "+3.4, 3 seeds each)."
    )


def test_worse_is_the_mirror_image():
    """With a true minus sign."""
    found = claim(-0.021, low=-0.034, high=-0.008, seeds=(3, 0))
    assert found.verdict == WORSE
    assert found.sentence == (
        "attention is worse than last: −2.1 points of test accuracy (95 % interval −3.4 to "
        "−0.8, 3 seeds)."
    )


def test_not_told_apart_is_no_claim_of_equality():
    """It says what this data can't tell, and how large the difference may be."""
    found = claim(0.004, 0.3, low=-0.003, high=0.011, seeds=(3, 5))
    assert found.verdict == NOT_TOLD_APART
    assert found.sentence == (
        "attention and last are not told apart by this data: +0.4 points of test accuracy "
        "(95 % interval −0.3 to +1.1, 3 and 5 seeds)."
    )


def test_practically_equal_takes_a_test_of_its_own():
    """A small difference is not enough: the tests must say that it is within the margin."""
    near = replace(claim(0.001, 0.6, low=-0.002, high=0.004), margin=0.005)
    assert near.verdict == NOT_TOLD_APART
    found = replace(near, p_equal=0.01)
    assert found.verdict == EQUAL
    assert found.sentence.startswith(
        "attention and last are practically equal, within 0.5 points: +0.1 points of test accuracy"
    )
    assert found.power is None
    assert replace(claim(), margin=0.05, p_equal=0.01).verdict == BETTER


def test_what_it_would_take_to_tell_them_apart_is_said():
    """The smallest difference that is found with 80 % power, and the seeds for the observed one."""
    found = claim(0.012, 0.3, low=-0.01, high=0.03)
    seeds = replace(found, difference=replace(found.difference, seed_error=0.006, freedom=4))
    assert seeds.power == (
        "These rows and seeds would show a true difference of 2.2 points four times in five (80 % "
        "power). One as large as observed takes 7 seeds."
    )
    rows = replace(found, difference=replace(found.difference, row_error=0.006))
    assert "difference of 1.7 points four times in five" in rows.power
    assert rows.power.endswith("One as large as observed takes more test rows.")
    assert claim().power is None


def test_what_holms_correction_takes_back_is_explained():
    """The pair's own interval excludes zero, but three pairs were tested."""
    found = claim(p_value=0.09, own=0.03)
    assert found.verdict == NOT_TOLD_APART
    assert found.sentence.endswith("Holm's correction for 3 pairs leaves p = 0.09.")


@pytest.mark.parametrize("seeds", [(2, 3), (3, 2), (1, 0)])
def test_fewer_than_three_seeds_allow_no_claim(seeds):
    """However clear the difference looks; a deterministic model needs none."""
    found = claim(seeds=seeds)
    assert found.verdict == TOO_FEW_SEEDS
    assert found.sentence.startswith("Too few seeds for a claim about attention against last")
    assert "it takes 3 of each" in found.sentence
    assert claim(seeds=(3, 0)).verdict == BETTER
    assert claim(seeds=(1, 1)).sentence.endswith(", 1 seed each).")


def test_a_lower_error_is_better():
    """Regression: the score is an error, in the target's own unit."""
    found = claim(-0.0123456, low=-0.02, high=-0.004, task="regression")
    assert found.verdict == BETTER
    assert found.sentence == (
        "attention is better than last: −0.01235 test MSE (95 % interval −0.02 to −0.004, "
        "3 seeds each)."
    )


def test_each_model_is_compared_with_those_before_it():
    """Every pair once; what comes later stands first in its sentence."""
    results = [result(name, 0.8) for name in ("reference", "last", "attention")]
    names = [(first.name, second.name) for first, second in compared(results)]
    assert names == [("last", "reference"), ("attention", "reference"), ("attention", "last")]


def test_baselines_are_not_compared_with_one_another():
    """Their pairs would only cost the others power: the correction is for the pairs that count."""
    naive = [regressor(name, error, seeds=()) for name, error in (("mean", 9), ("last_value", 0.3))]
    trained = [regressor("last", 0.3), regressor("attention", 0.25)]
    pairs = compare_pairs([*naive, *trained], "regression", QUICK)
    assert {(pair["first"], pair["second"]) for pair in pairs} == {
        ("last", "mean"),
        ("last", "last_value"),
        ("attention", "mean"),
        ("attention", "last_value"),
        ("attention", "last"),
    }
    smallest = min(pair["p_value"] for pair in pairs)
    assert min(pair["p_value_holm"] for pair in pairs) == pytest.approx(5 * smallest)


def test_simulated_models_get_the_verdict_that_is_true():
    """Twenty points apart are told apart, the same accuracy isn't."""
    results = [
        result("reference", 0.9, seeds=(), rows=400),
        result("bad", 0.7, rows=400),
        result("good", 0.9, rows=400),
    ]
    verdicts = {
        (pair["first"], pair["second"]): pair["verdict"]
        for pair in compare_pairs(results, "binary", Bootstrap(0.95, 2000, 0))
    }
    assert verdicts == {
        ("bad", "reference"): WORSE,
        ("good", "reference"): NOT_TOLD_APART,
        ("good", "bad"): BETTER,
    }


def test_regressions_are_compared_by_squared_error():
    """The one with smaller errors is better; McNemar's test knows only right and wrong."""
    [pair] = compare_pairs([regressor("rough", 0.5), regressor("fine", 0.2)], "regression", QUICK)
    assert pair["verdict"] == BETTER
    assert pair["difference"] < 0
    assert pair["mcnemar"] == []


def test_verdicts_rest_on_holms_p_values():
    """All pairs are one family."""
    results = [result(name, accuracy) for name, accuracy in [("a", 0.8), ("b", 0.84), ("c", 0.9)]]
    pairs = compare_pairs(results, "binary", QUICK)
    adjusted = holm([pair["p_value"] for pair in pairs])
    assert [pair["p_value_holm"] for pair in pairs] == adjusted
    for pair in pairs:
        assert (pair["verdict"] == NOT_TOLD_APART) == (pair["p_value_holm"] >= 0.05)


def test_mcnemar_is_made_per_seed_and_corrected_over_pairs():
    """The deterministic model stands against each seed; a seed that one lacks is left out."""
    reference = result("reference", 0.7, seeds=())
    last, attention = result("last", 0.75, seeds=(1, 2)), result("attention", 0.8, seeds=(2, 3))
    tests = mcnemar_tests(compared([reference, last, attention]))
    seeds = [[test["seed"] for test in of_pair] for of_pair in tests]
    assert seeds == [[1, 2], [2, 3], [2]]
    of_seed_2 = [tests[0][1], tests[1][0], tests[2][0]]
    expected = holm([test["p_value"] for test in of_seed_2])
    assert [test["p_value_holm"] for test in of_seed_2] == expected
    # Each is of the runs with that very seed.
    right = [attention.test[0].labels == attention.test[0].targets]
    right.append(last.test[1].labels == last.test[1].targets)
    assert of_seed_2[2]["only_first_right"] == np.count_nonzero(right[0] & ~right[1])


# ── the champion ─────────────────────────────────────────────────────────────────────────


def test_champion_is_the_best_on_validation():
    """By the mean over seeds; and of its seeds the best one. A baseline is no candidate."""
    results = [result("reference", 0.99, seeds=()), result("last", 0.7), result("attention", 0.9)]
    champion = choose_champion(results, "binary")
    assert champion["model"] == "attention"
    assert set(champion["candidates"]) == {"last", "attention"}
    assert set(champion["baselines"]) == {"reference"}
    losses = [
        -np.log(run.outputs[np.arange(len(run)), run.targets]).mean()
        for run in results[2].validation
    ]
    assert champion["seed"] == 1 + int(np.argmin(losses))
    assert champion["validation"]["mean"] == pytest.approx(np.mean(losses))


def test_as_many_right_rows_do_not_make_a_tie():
    """The champion is the model with the smaller loss, whichever is listed first."""
    targets = np.array([0, 1, 1, 0])

    def sure(name, probability):
        outputs = np.where(targets[:, None] == [0, 1], probability, 1 - probability)
        run = Predictions(np.arange(4), targets, outputs.astype(np.float32))
        return ModelResult(name, (1,), 1, (run,), (run,))

    for models in (
        [sure("rough", 0.6), sure("fine", 0.9)],
        [sure("fine", 0.9), sure("rough", 0.6)],
    ):
        champion = choose_champion(models, "binary")
        assert (champion["model"], champion["chosen_by"]) == ("fine", "mean validation log_loss")


def test_of_equals_the_first_listed_is_champion():
    """A tie does not depend on names."""
    one = result("same", 0.8)
    twin = ModelResult("a_twin", one.seeds, 1, one.validation, one.test)
    assert choose_champion([one, twin], "binary")["model"] == "same"


def test_champion_of_a_regression_has_the_smallest_error():
    """There, less is better."""
    results = [regressor("rough", 0.5), regressor("fine", 0.2)]
    champion = choose_champion(results, "regression")
    assert (champion["model"], champion["chosen_by"]) == ("fine", "mean validation mse")


@given(st.integers(0, 2**32 - 1))
def test_no_test_row_takes_part_in_the_choice(seed):
    """Whatever the models say of the test rows, the champion and its seed stay."""
    rng = np.random.default_rng(seed)
    results = [result("last", 0.8), result("attention", 0.82)]
    disturbed = [
        ModelResult(
            one.name,
            one.seeds,
            1,
            one.validation,
            tuple(classified(run.targets, rng.random(len(run)) < rng.random()) for run in one.test),
        )
        for one in results
    ]
    assert choose_champion(disturbed, "binary") == choose_champion(results, "binary")
