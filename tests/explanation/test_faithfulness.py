"""The tests of the weights, on predictors whose truth is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences
from pipeline.explanation import documents, faithfulness
from pipeline.explanation.agreement import agreement
from pipeline.explanation.attended import attended_words
from pipeline.explanation.erasure import keep
from pipeline.explanation.evidence import evidence_steps
from pipeline.explanation.verdict import EVEN, verdict
from tests.support import strategies
from tests.support.toy_networks import GOOD, attending, bag, rows_of, spots_good


def measured(sequences, weights, predict, **rest):
    """The findings, without evidence unless it is given."""
    given = {"even": predict(sequences), "evidence": None, "confidence": 0.95, "seed": 0, **rest}
    return faithfulness.measure(sequences, weights, predict, **given)


@pytest.fixture
def corpus():
    """300 rows of 30 tokens, most of which hardly matter, and each token's importance."""
    rng = np.random.default_rng(0)
    importance = np.concatenate([rng.normal(0, 0.05, 45), [2.0, 1.5, 1.0, -1.0, -2.0]])
    return rows_of(*rng.integers(0, 50, (300, 30))), importance


def test_deletion_by_hand():
    """Without the good token the prediction falls from 0.9 to 0.5; alone it gives 0.9."""
    weights = [np.float32([0.1, 0.7, 0.1, 0.1])]
    deletion = measured(rows_of([1, GOOD, 2, 3]), weights, spots_good)["deletion"]
    assert deletion["comprehensiveness"]["attention"]["mean"] == pytest.approx(0.4)
    assert deletion["sufficiency"]["attention"]["mean"] == pytest.approx(0.0)
    assert deletion["comprehensiveness"]["by_share"]["attention"] == pytest.approx([0.4] * 5)


def test_deletion_rewards_weights_that_are_the_true_importance(corpus):
    """Weights proportional to a token's importance are far better than random."""
    sequences, importance = corpus
    rows = np.abs(importance[sequences.values]).reshape(300, 30)
    weights = list((rows / rows.sum(axis=1, keepdims=True)).astype(np.float32))
    deletion = measured(sequences, weights, bag(importance))["deletion"]
    assert deletion["comprehensiveness"]["gain"]["low"] > 0.1
    assert deletion["sufficiency"]["gain"]["high"] < -0.05


def test_deletion_finds_nothing_in_even_weights(corpus):
    """Weights that are all alike rank tokens by chance, so both gains' intervals hold 0."""
    sequences, importance = corpus
    even = [np.full(30, 1 / 30, np.float32)] * 300
    found = measured(sequences, even, bag(importance))
    assert found["evenness"]["entropy"]["mean"] == pytest.approx(1)
    for name in ("comprehensiveness", "sufficiency"):
        gain = found["deletion"][name]["gain"]
        assert gain["low"] < 0 < gain["high"]


def test_deletion_measures_regression_by_absolute_change():
    """A sum of values: taking away -3 changes it by 3."""

    def total(sequences):
        return np.add.reduceat(sequences.values, sequences.starts[:-1])[:, 0]

    sequences = Sequences(
        rows=np.arange(1),
        targets=np.zeros(1, np.float32),
        starts=np.array([0, 3]),
        values=np.float32([[-3], [0], [0]]),
    )
    weights = [np.float32([0.8, 0.1, 0.1])]
    deletion = measured(sequences, weights, total)["deletion"]
    assert deletion["comprehensiveness"]["attention"]["mean"] == pytest.approx(3)
    assert deletion["sufficiency"]["attention"]["mean"] == pytest.approx(0)


def test_deletion_leaves_out_rows_of_one_step():
    """Nothing can be taken from them."""
    weights = [np.float32([1]), np.float32([0.5, 0.5])]
    assert measured(rows_of([1], [1, GOOD]), weights, spots_good)["deletion"]["rows"] == 1
    assert measured(rows_of([1]), weights[:1], spots_good)["deletion"] is None


@given(strategies.sequences().filter(len), st.integers(0, 2**32 - 1))
def test_shortened_sequences_are_the_rows_without_their_other_steps(sequences, seed):
    """As a plain loop over rows would do it."""
    steps = np.random.default_rng(seed).random(len(sequences.values)) < 0.5
    kept = keep(sequences, steps)
    for row, (start, end) in enumerate(itertools.pairwise(sequences.starts)):
        own = kept.values[kept.starts[row] : kept.starts[row + 1]]
        assert own.tolist() == sequences.values[start:end][steps[start:end]].tolist()


def test_evidence_steps_are_tokens_that_share_a_character_with_a_passage():
    """A passage from 4 to 8 touches the second and the third token, not the first or fourth."""
    spans = np.int32([[0, 4], [4, 6], [7, 9], [9, 12], [0, 3]])
    sequences = rows_of([1, 2, 3, 4], [5], spans=spans)
    marked = evidence_steps(sequences, [[(4, 8)], []])
    assert marked.tolist() == [False, True, True, False, False]


def test_weight_on_the_evidence_by_hand():
    """One of four tokens is evidence and has 0.7 of the weight; the row without any is left out."""
    weights = [np.float32([0.1, 0.7, 0.1, 0.1]), np.float32([0.5, 0.5])]
    found = measured(
        rows_of([1, GOOD, 2, 3], [1, 2]), weights, spots_good,
        evidence=np.array([False, True, False, False, False, False]),
    )["evidence"]  # fmt: skip
    assert found["rows"] == 1
    assert found["mass"]["mean"] == pytest.approx(0.7)
    assert found["expected"]["mean"] == pytest.approx(0.25)
    assert found["precision"]["mean"] == pytest.approx(0.25)


def agreed(*runs):
    """The agreement of runs, each a list of its rows' weights."""
    return agreement(runs, confidence=0.95, seed=0)


def test_agreement_of_equal_reversed_and_disjoint_weights():
    """Equal: rho 1, no divergence. Reversed: rho -1. Disjoint: one bit."""
    one = [np.float32([0.5, 0.3, 0.2]), np.float32([0.6, 0.4])]
    reverse = [row[::-1] for row in one]
    assert agreed(one, one)["spearman"]["mean"] == pytest.approx(1)
    assert agreed(one, one)["divergence"]["mean"] == pytest.approx(0)
    assert agreed(one, reverse)["spearman"]["mean"] == pytest.approx(-1)
    left, right = [np.float32([1, 0, 0])], [np.float32([0, 0, 1])]
    assert agreed(left, right)["divergence"]["mean"] == pytest.approx(1)


def test_agreement_of_one_run_or_of_even_weights_is_undefined():
    """There is nothing to compare, or no order to compare."""
    even = [np.full(4, 0.25, np.float32)]
    assert agreed(even) is None
    assert agreed(even, even)["spearman"] is None


def test_agreement_of_unrelated_weights_is_that_of_shuffled_ones():
    """The divergence of independent weights lies where the shuffled comparison puts it."""
    rng = np.random.default_rng(1)
    runs = [list(rng.dirichlet(np.full(40, 0.3), 100).astype(np.float32)) for _ in range(2)]
    found = agreed(*runs)
    assert abs(found["spearman"]["mean"]) < 0.1
    difference = found["divergence"]["mean"] - found["divergence_shuffled"]["mean"]
    assert abs(difference) < 0.02


def test_attended_words_are_ranked_by_even_shares_in_their_predicted_class():
    """As "superb" gets 1.8 even shares in each of 20 rows of class 1: 36 / (20 + 5)."""
    texts = ["Superb film"] * 20 + ["Poor film"]
    spans = np.int32([[0, 6], [7, 11]] * 20 + [[0, 4], [5, 9]])
    sequences = rows_of(*[[1, 2]] * 21, spans=spans)
    outputs = np.float32([[0, 1]] * 20 + [[1, 0]])
    predictions = Predictions(sequences.rows, sequences.targets, outputs)
    weights = [np.float32([0.9, 0.1])] * 21
    words = attended_words(texts, sequences, [(weights, predictions)], ["neg", "pos"])
    assert words["pos"][0] == {"word": "superb", "share": 1.44, "count": 20}
    assert [word["word"] for word in words["neg"]] == ["poor", "film"]


def estimate(mean, low, high):
    """A mean with its interval."""
    return {"mean": mean, "low": low, "high": high}


def run(*, believable, evidence=False, effective=0.3, change=0.2):
    """One run's findings, clear or not."""
    evenness = {"effective": effective, "heaviest": 12.0, "change": change}
    gain = (0.2, 0.1, 0.3) if believable else (0.01, -0.1, 0.1)
    loss = tuple(-number for number in (gain[0], gain[2], gain[1]))
    mass = 0.6 if believable else 0.22
    return {
        "evenness": {name: estimate(value, value, value) for name, value in evenness.items()}
        | {"relative": False},
        "deletion": {
            "comprehensiveness": {
                "attention": estimate(0.25, 0.2, 0.3),
                "random": estimate(0.05, 0, 0.1),
                "gain": estimate(*gain),
            },
            "sufficiency": {"gain": estimate(*loss)},
        },
        "evidence": {
            "mass": estimate(mass, 0, 1),
            "expected": estimate(0.2, 0, 1),
            "excess": estimate(0.02, 0.01, 0.03),
        }
        if evidence
        else None,
    }


def agreeing(rho):
    """An agreement of three runs with a narrow interval."""
    return {"spearman": estimate(rho, rho - 0.01, rho + 0.01), "fits": 3}


@pytest.mark.parametrize(
    ("runs", "rho", "level"),
    [
        ([run(believable=True, evidence=True)] * 3, 0.8, "supported"),
        ([run(believable=True)] * 3, 0.3, "partly supported"),
        ([run(believable=True), run(believable=False)], 0.8, "partly supported"),
        ([run(believable=False, evidence=True)] * 3, -0.1, "not supported"),
    ],
)
def test_verdict_follows_from_every_test_and_every_seed(runs, rho, level):
    """Supported only if all is clear, not supported only if nothing is."""
    assert verdict(runs, agreeing(rho))[0] == level


def test_verdict_says_its_numbers():
    """Each sentence holds what it rests on."""
    runs = [run(believable=True, evidence=True), run(believable=False, evidence=True)]
    evenness, deletion, evidence, agreed_on = verdict(runs, agreeing(0.31))[1]
    for part in ("are not even", "over 30 %", "12.0 times an even share", "prediction by 0.200."):
        assert part in evenness
    for part in ("by 0.250", "by 0.050", "1 of 2 seeds"):
        assert part in deletion
    for part in ("41 %", "2.0 times", "1 of 2 seeds"):
        assert part in evidence
    for part in ("only loosely", "0.31"):
        assert part in agreed_on


def test_verdict_of_a_single_run_rests_on_the_tests_that_could_be_made():
    """Without evidence and with one seed, deletion alone decides."""
    level, sentences = verdict([run(believable=True)], None)
    assert (level, len(sentences)) == ("supported", 2)


@pytest.mark.parametrize(
    ("effective", "change", "level", "said"),
    [
        (0.95, 0.2, EVEN, "are even for every seed: they are spread over 95 %"),
        (0.95, 0.0, EVEN, "prediction by 0.000, which is no difference."),
        (0.89, 0.005, "partly supported", "prediction by 0.005, which is no difference."),
        (0.89, 0.01, "supported", "prediction by 0.010."),
    ],
)
def test_even_weights_and_those_that_make_no_difference_are_never_supported(
    effective, change, level, said
):
    """However clear the other tests are."""
    runs = [run(believable=True, evidence=True, effective=effective, change=change)] * 3
    found, sentences = verdict(runs, agreeing(0.9))
    assert found == level
    assert said in sentences[0]


def test_weights_that_are_even_for_some_seeds_are_at_best_partly_supported():
    """And it says for how many."""
    runs = [run(believable=True, effective=share) for share in (0.95, 0.3)]
    level, sentences = verdict(runs, agreeing(0.9))
    assert level == "partly supported"
    assert sentences[0].startswith("The weights are even for 1 of 2 seeds: ")


@pytest.mark.parametrize(("permuted", "level"), [(0.2, "supported"), (0.005, "partly supported")])
def test_weights_whose_order_makes_no_difference_are_at_best_partly_supported(permuted, level):
    """However clear the other tests are."""
    others = [{"permuted": estimate(permuted, 0, 1), "other_seed": estimate(0.07, 0, 1)}] * 2
    found, sentences = verdict([run(believable=True)] * 2, agreeing(0.9), None, others)
    assert found == level
    none = "" if level == "supported" else ", which is no difference"
    assert sentences[-2:] == [
        f"In a random order, the weights would change the prediction by {permuted:.3f}{none}.",
        "Another seed’s weights would change it by 0.070.",
    ]


SCORES = np.concatenate([np.linspace(-1, 1, 45), [4.0, 4.0, 4.0, 4.0, 4.0]])
VALUES = np.concatenate([np.zeros(45), [9.0, 8.0, 7.0, -8.0, -9.0]])
ROWS = rows_of(*np.random.default_rng(0).integers(0, 50, (300, 30)))


def judged(scores, runs):
    """The verdict on a network that attends with these scores, whose runs show these weights."""
    predict, _ = attending(scores, VALUES)
    evenly, _ = attending(0 * scores, VALUES)
    found = [measured(ROWS, weights, predict, even=evenly(ROWS)) for weights in runs]
    return verdict(found, agreed(*runs))


def test_weights_on_what_decides_are_supported():
    """Peaked where the values are, alike in each run."""
    level, sentences = judged(SCORES, [attending(SCORES, VALUES)[1](ROWS)] * 3)
    assert level == "supported"
    assert "no difference" not in sentences[0]


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_even_weights_say_nothing(spread):
    """Equal ones, and nearly equal ones, even if what little differs points the right way."""
    level, sentences = judged(spread * SCORES, [attending(spread * SCORES, VALUES)[1](ROWS)] * 3)
    assert level == "the weights say nothing: they are even"
    assert sentences[0].startswith("The weights are even for")


def test_random_weights_are_not_supported():
    """They are far from even, but each run's are others, and they point at nothing."""
    rng = np.random.default_rng(1)
    runs = [list(rng.dirichlet(np.full(30, 0.3), 300).astype(np.float32)) for _ in range(3)]
    level, sentences = judged(SCORES, runs)
    assert level == "not supported"
    assert not sentences[0].startswith("The weights are even for")


def test_evenness_by_hand():
    """Half the weight on each of two of four steps: two effective steps, twice an even share."""
    weights = [np.float32([0.5, 0.5, 0, 0]), np.float32([1])]
    evenly, _ = attending(np.zeros(9), np.arange(9.0))
    rows = rows_of([1, GOOD, 2, 3], [1])
    found = measured(rows, weights, spots_good, even=evenly(rows))["evenness"]
    assert found["entropy"]["mean"] == pytest.approx(0.5)
    assert found["effective"]["mean"] == pytest.approx(0.5)
    assert found["heaviest"]["mean"] == pytest.approx(2)
    one = 1 / (1 + np.exp(-(1 + GOOD + 2 + 3) / 4))
    assert found["change"]["mean"] == pytest.approx(one - 0.9, abs=1e-6)


def test_a_row_of_one_step_is_even():
    """There is nothing to spread."""
    found = measured(rows_of([1]), [np.float32([1])], spots_good)["evenness"]
    assert [found[name]["mean"] for name in ("entropy", "effective", "heaviest")] == [1, 1, 1]


def test_a_regressions_change_is_in_standard_deviations_of_its_predictions():
    """Predictions 0 and 2 deviate by 1 from their mean; equal weights move each by a half."""
    sequences = rows_of([0, 0], [2, 2])
    weights = [np.float32([0.5, 0.5])] * 2
    first = lambda rows: rows.values[rows.starts[:-1]].astype(np.float32)  # noqa: E731
    found = measured(sequences, weights, first, even=first(sequences) + 0.5)
    assert found["evenness"]["change"]["mean"] == pytest.approx(0.5)
    said = verdict([found], None)[1][0]
    assert said.endswith("change the prediction by 0.500 of its standard deviation.")


def test_document_gathers_models_with_verdict_and_limits():
    """What `faithfulness.json` holds: seeds as strings, the verdict, the limits."""
    summary = documents.summarize({1: run(believable=True)}, None)
    made = documents.document({"bilstm_attention": summary}, {}, confidence=0.95)
    assert made["models"]["bilstm_attention"]["level"] == "supported"
    assert list(made["models"]["bilstm_attention"]["seeds"]) == ["1"]
    assert "not make the highlights of a single text" in made["limits"]
