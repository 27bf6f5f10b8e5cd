import json

import numpy as np
import pytest

from pipeline.errors import ArtifactError
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.results import ModelResult
from tests.support.model_results import QUICK, classified, regressor, result

RESULTS = [result("last", 0.8), result("attention", 0.84), result("tfidf", 0.75, seeds=())]


def compare(results, **changes):
    """The comparison of models on 200 rows of lengths 1 to 200."""
    values = {
        "dataset": "demo",
        "task": "binary",
        "classes": ["neg", "pos"],
        "lengths": np.arange(200) + 1,
        "positions": np.arange(200) / 200,
        "length_bins": 4,
        "bootstrap": QUICK,
    }
    return comparison_document(results, **(values | changes))


def test_document_is_complete_and_ready_for_json():
    """What the report, the registry and the samples read is there."""
    document = compare(RESULTS)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["metric"] == "accuracy"
    assert document["rows"] == {"validation": 200, "test": 200}
    assert document["method"] == {
        "confidence": 0.95,
        "resamples": 300,
        "seed": 0,
        "block": 1,
        "margin": None,
        "groups": None,
        "minimum_seeds": 3,
    }
    assert len(document["pairs"]) == len(document["disagreements"]) == 3
    assert len(document["by_length"]["bins"]) == 4
    assert len(document["by_position"]["bins"]) == 5
    assert document["use"] in document["models"]
    assert document["reason"] in document["headline"]


def test_same_values_give_the_same_document():
    """The bootstrap is seeded."""
    assert compare(RESULTS) == compare(RESULTS)


def test_baselines_come_first():
    """It is what the others are measured against, wherever it was listed."""
    document = compare(RESULTS)
    assert list(document["models"]) == ["tfidf", "last", "attention"]
    assert [(pair["first"], pair["second"]) for pair in document["pairs"]] == [
        ("last", "tfidf"),
        ("attention", "tfidf"),
        ("attention", "last"),
    ]


def test_a_regression_is_compared_by_its_errors():
    """No classes, no calibration, no accuracy by anything."""
    document = compare(
        [regressor("rough", 0.5), regressor("fine", 0.2)], task="regression", classes=[]
    )
    assert (document["metric"], document["higher_is_better"]) == ("mse", False)
    assert document["champion"]["model"] == "fine"
    assert document["calibration"] is document["by_length"] is document["by_position"] is None
    json.dumps(document, allow_nan=False)


def test_more_classes_have_a_table_each():
    """Precision, recall and F1 of each class, by its name."""
    document = compare(
        [result("m", 0.8, classes=4)],
        task="multiclass",
        classes=["a", "b", "c", "d"],
        positions=None,
    )
    table = document["models"]["m"]["per_class"]
    assert [row["class"] for row in table] == ["a", "b", "c", "d"]
    assert sum(row["rows"] for row in table) == 200
    assert document["pairs"] == []


def test_no_test_row_takes_part_in_selection_or_calibration():
    """Test outputs turned upside down change what is measured, and nothing that is chosen.

    Turning the validation outputs instead changes the choices, so that this test can fail.
    """

    def turned(runs):
        return tuple(classified(run.targets, run.labels != run.targets, seed=9) for run in runs)

    def chosen(document):
        temperatures = {
            name: [run["temperature"] for run in described["per_seed"]]
            for name, described in document["calibration"].items()
        }
        return document["champion"], temperatures

    plain = compare(RESULTS)
    test_turned = compare(
        [ModelResult(a.name, a.seeds, a.parameters, a.validation, turned(a.test)) for a in RESULTS]
    )
    assert chosen(test_turned) == chosen(plain)
    assert test_turned["models"]["last"]["test"] != plain["models"]["last"]["test"]
    validation_turned = compare(
        [ModelResult(a.name, a.seeds, a.parameters, turned(a.validation), a.test) for a in RESULTS]
    )
    assert chosen(validation_turned)[0]["model"] != chosen(plain)[0]["model"]
    assert chosen(validation_turned)[1] != chosen(plain)[1]


def test_predictions_of_other_rows_are_refused():
    """Before anything is computed from them."""
    with pytest.raises(ArtifactError, match="are for other rows"):
        compare([result("last", 0.8), result("attention", 0.8, rows=150)])
