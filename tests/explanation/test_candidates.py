"""Scores of the steps, and their measures, by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.core.params import Explain
from pipeline.explanation import candidates
from pipeline.explanation.erasure import ranks
from pipeline.explanation.evidence import average_precision
from pipeline.explanation.measures import measure, measure_run
from pipeline.explanation.names import DETAILS
from pipeline.explanation.rows import Rows
from pipeline.explanation.untrained import untrained_weights
from tests.support.toy_networks import GOOD, bag, built, rows_of, series_of, spots_good

ROWS = rows_of([1, GOOD, 2, 3], [4], [GOOD, GOOD])


def test_leaving_out_the_token_that_decides_makes_the_prediction_fall():
    """From 0.9 to 0.5; of two such tokens, neither alone; a row of one has nothing to leave out."""
    assert candidates.leave_one_out(ROWS, spots_good) == pytest.approx([0, 0.4, 0, 0, 0, 0, 0])


def test_leave_one_out_is_what_a_plain_loop_gives():
    """Step by step."""
    rng = np.random.default_rng(0)
    rows = rows_of(*(rng.integers(0, 50, length) for length in (3, 1, 7, 2, 5)))
    predict = bag(rng.normal(size=50))
    found = candidates.leave_one_out(rows, predict)
    full = predict(rows)[2]
    own = rows.values[rows.starts[2] : rows.starts[3]]
    for step in range(7):
        without = predict(rows_of(np.delete(own, step)))[0]
        fall = full[full.argmax()] - without[full.argmax()]
        assert found[rows.starts[2] + step] == pytest.approx(fall, abs=1e-6)


def test_inverse_frequencies_count_texts_and_not_occurrences():
    """Token 1 is in both texts, token 2 in one, twice; token 3 in none."""
    found = candidates.inverse_frequencies(rows_of([1, 2, 2], [1]), 4)
    assert found[1:] == pytest.approx(np.log([3 / 3, 3 / 2, 3 / 1]))


def test_plain_controls_know_only_place_and_token():
    """Earlier steps rank higher; a series has no rare words."""
    rows = rows_of([1, 2, 1], [2])
    found = candidates.plain_controls(rows, np.float64([0, 5, 9]), seed=0)
    assert found["idf"].tolist() == [5, 9, 5, 9]
    assert found["position"].tolist() == [0, -1, -2, 0]
    assert found["random"].shape == (candidates.DRAWS, 4)
    assert "idf" not in candidates.plain_controls(rows, None, seed=0)


def test_average_precision_is_that_of_scikit_learn():
    """Row by row; the row without evidence is left out."""
    rng = np.random.default_rng(0)
    rows = rows_of([1] * 6, [1] * 4, [1] * 5)
    scores, evidence = rng.random(15), rng.random(15) < 0.5
    evidence[6:10] = False
    order = ranks(rows, scores, scores)
    expected = [average_precision_score(evidence[s], scores[s]) for s in (slice(6), slice(10, 15))]
    assert average_precision(rows, order, evidence) == pytest.approx(expected)
    assert average_precision(rows, order, np.zeros(15, bool)).shape == (0,)


def measured(scores, rows=ROWS, predict=spots_good, evidence=None):
    """The measures of these candidates."""
    return measure(rows, scores, predict, evidence=evidence, seed=0)


def test_rows_of_one_step_do_not_count():
    """Two rows remain; of one, or none, nothing can be said."""
    found = measured({"attention": np.arange(7.0)}, evidence=ROWS.values == GOOD)
    assert {name: len(value) for name, value in found["attention"].items()} == {
        "comprehensiveness": 2, "sufficiency": 2, "auprc": 2, "token_f1": 2, "iou_f1": 2,
    }  # fmt: skip
    assert measured({"attention": np.arange(4.0)}, rows_of([1, 2, 3], [GOOD])) is None
    assert measured({"attention": np.arange(1.0)}, rows_of([1])) is None


def test_equal_scores_are_ordered_by_chance():
    """Of 400 rows with the good token first, a quarter loses it first, and not all."""
    rows = rows_of(*[[GOOD, 1, 2, 3]] * 400)
    found = measured({"attention": np.zeros(1600)}, rows)["attention"]["comprehensiveness"]
    by_place = measured({"position": -np.tile(np.arange(4.0), 400)}, rows)["position"]
    assert by_place["comprehensiveness"].mean() == pytest.approx(0.4)
    assert 0.1 < found.mean() < 0.2


def test_for_a_number_size_counts_and_not_direction():
    """A method's -3 outranks its 1; changes are in standard deviations of the predictions."""
    rows = series_of([2, 2], features=1)
    values = np.float32([[-3], [1], [1], [0]])
    rows = type(rows)(rows.rows, np.zeros(2, np.float32), rows.starts, values)
    total = lambda given: np.add.reduceat(given.values, given.starts[:-1])[:, 0]  # noqa: E731
    found = measured({"gradient_input": values[:, 0].astype(float)}, rows, total)
    # predictions -2 and 1, with a standard deviation of 1.5; without the first steps 1 and 0
    changes = found["gradient_input"]["comprehensiveness"]
    assert changes == pytest.approx([3 / 1.5, 1 / 1.5])


@pytest.mark.parametrize(
    ("pooling", "kind", "expected"),
    [
        ("last", "text", {"idf"}),
        ("additive", "text", {"attention", "idf", "untrained_attention", "other_seed"}),
        ("dot_last", "series", {"attention", "other_seed"}),  # no variables to leave untrained
    ],
)
def test_each_network_has_the_candidates_that_it_can_have(pooling, kind, expected):
    """All are measured on the same rows."""
    sequences = ROWS if kind == "text" else series_of([4, 4, 4], features=3)
    found = measure_run(
        built(pooling, kind),
        Rows(np.arange(3), sequences, None, [[1], [], [0]]),  # no evidence in the second
        Explain(integration_steps=2, randomized_rows=3),
        idf=np.arange(20.0) if kind == "text" else None,
        other=built(pooling, kind, seed=2),
    )
    always = {"gradient_input", "gradient_norm", "integrated_gradients", "leave_one_out"}
    assert set(found.rows) == {*always, "position", "random", *expected}
    counted = 2 if kind == "text" else 3
    by_all = dict.fromkeys(("comprehensiveness", "sufficiency"), counted) | {"auprc": 2}
    by_all |= dict.fromkeys(DETAILS, counted) | {"token_f1": 2, "iou_f1": 2}
    if pooling == "last":
        del by_all["flip"]
    for measures in found.rows.values():
        assert {name: len(value) for name, value in measures.items()} == by_all
    levels = ["output", "encoder", *(["embedding"] if kind == "text" else [])]
    for remaining in found.randomized.values():
        assert {level: len(rows) for level, rows in remaining.items()} == dict.fromkeys(
            levels, counted
        )
    pairs = [("gradient_input", "leave_one_out")]
    if pooling != "last":
        pairs = [("attention", "gradient_input"), ("attention", "leave_one_out"), *pairs]
    assert list(found.orders) == pairs


def test_rows_of_one_step_are_not_explained_with_fresh_weights():
    """They have no order that could be compared."""
    rows = rows_of([4], [5], [1, GOOD, 2], [6], [7], [8], [2, 3], [9])
    found = measure_run(
        built("dot"), Rows(np.arange(8), rows, None, None),
        Explain(integration_steps=2, randomized_rows=2), idf=np.arange(20.0), other=None,
    )  # fmt: skip
    assert {len(left) for levels in found.randomized.values() for left in levels.values()} == {2}
    assert "other_seed" not in found.rows


@pytest.mark.parametrize("pooling", ["additive", "dot"])
def test_untrained_attention_is_drawn_anew_and_leaves_the_network_as_it_was(pooling):
    """Each draw differs, rows add up to 1, and the same seed gives the same draws."""
    network = built(pooling)
    before = [weight.copy() for weight in network.predictor.get_weights()]
    first, second = (untrained_weights(network.predictor, ROWS, draws=3, seed=5) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.ptp(first[:, :4], axis=0).min() > 0
    assert np.add.reduceat(first, ROWS.starts[:-1], axis=1) == pytest.approx(1)
    for weight, earlier in zip(network.predictor.get_weights(), before, strict=True):
        assert np.array_equal(weight, earlier)
