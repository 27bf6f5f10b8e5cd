"""Numbers and lists in words, by example."""

import pytest

from pipeline.evaluation.wording import (
    compact,
    listed,
    mean_and_sd,
    metric_and_sd,
    points,
    signed_difference,
    table_rows,
)


@pytest.mark.parametrize(
    ("value", "regression", "shown"),
    [
        (0.0213, False, "+2.1"),
        (-0.0213, False, "\N{MINUS SIGN}2.1"),
        (-0.012345, True, "\N{MINUS SIGN}0.01235"),
        (0.0, False, "+0.0"),
        (-0.0001, False, "\N{MINUS SIGN}0.01"),
        (0.00049, False, "+0.05"),
        (0.0005, False, "+0.1"),
        (-0.00001, False, "+0.0"),
        (-0.0, True, "+0"),
    ],
)
def test_a_difference_has_its_sign(value, regression, shown):
    """Points of accuracy, or four digits; a minus sign, not a hyphen."""
    assert signed_difference(value, regression=regression) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0213, "2.1"), (-0.0004, "\N{MINUS SIGN}0.04"), (0.0001, "0.01"), (0.0, "0.0")],
)
def test_an_end_near_zero_says_on_which_side_it_is(share, shown):
    """Without a plus sign, as where the words say which model leads."""
    assert points(share) == shown


@pytest.mark.parametrize(
    ("mean", "sd", "shown"),
    [(0.5, 0.25, "0.50 ± 0.25"), (0.5, None, "0.50"), (None, None, "undefined")],
)
def test_a_mean_has_its_deviation_where_there_is_one(mean, sd, shown):
    """A deterministic model has none, and a metric can be undefined."""
    assert mean_and_sd(mean, sd, "{:.2f}".format, undefined="undefined") == shown


@pytest.mark.parametrize(
    ("mean", "sd", "shown"),
    [
        (0.2345, 0.0123, "0.234 ± 0.012"),
        (0.0000231, 0.0000059, "0.0000231 ± 0.0000059"),
        (-0.0456, None, "−0.0456"),
        (0.0, 0.0, "0.000 ± 0.000"),
        (None, None, "–"),
    ],
)
def test_small_errors_keep_three_significant_digits(mean, sd, shown):
    """An error far below 1 does not read as 0.000."""
    assert metric_and_sd({"mean": mean, "sd": sd}, "mse") == shown


def test_what_is_best_at_1_has_three_decimals():
    """A forecast that explains nothing has an R² of 0.000, without a sign."""
    assert metric_and_sd({"mean": -0.0000000116, "sd": None}, "r2") == "0.000"
    assert metric_and_sd({"mean": 0.0456, "sd": 0.0123}, "r2") == "0.046 ± 0.012"


def test_shares_are_in_percent():
    """With one decimal."""
    assert metric_and_sd({"mean": 0.9123, "sd": 0.0123}, "accuracy") == "91.2 ± 1.2"


@pytest.mark.parametrize(
    ("items", "shown"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_items_are_listed_in_words(items, shown):
    """With commas, and "and" before the last."""
    assert listed(items) == shown


@pytest.mark.parametrize(
    ("numbers", "shown"), [((4,), "4"), ((1, 2, 3), "1-3"), ((3, 1, 2), "1-3"), ((1, 5), "1, 5")]
)
def test_numbers_in_a_row_are_a_range(numbers, shown):
    """Short enough for a table."""
    assert compact(numbers) == shown


def test_a_table_has_each_ensemble_below_its_model():
    """A baseline has none, and neither have the documents of earlier versions."""
    ensemble = {"parameters": 30, "test": {"accuracy": 0.95}}
    models = {
        "tfidf": {"seeds": 1, "parameters": 5, "ensemble": None},
        "bilstm": {"seeds": 3, "parameters": 10, "test": {"accuracy": 0.9}, "ensemble": ensemble},
        "earlier": {"seeds": 3, "parameters": 10},
    }
    rows = dict(table_rows(models))
    assert list(rows) == ["tfidf", "bilstm", "bilstm, ensemble", "earlier"]
    assert rows["bilstm, ensemble"]["seeds"] == 3
    assert rows["bilstm, ensemble"]["test"] == {"accuracy": 0.95}
