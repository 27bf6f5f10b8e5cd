import io

import numpy as np
import pandas as pd
import pytest

from pipeline.core.predictions import Predictions
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.tables import to_csv
from tests.support.model_results import regressor, result, tables


def fixed(second, targets, seeds=()):
    """A model with those probabilities of class 1, one list per run."""
    runs = tuple(
        Predictions(np.arange(len(targets)), np.array(targets), np.stack([1 - p, p], axis=1))
        for p in np.array(second, np.float32)
    )
    return ModelResult("m", tuple(seeds), 1, runs, runs)


def test_each_task_has_its_tables():
    """Curves for classes, errors for numbers; learning curves and differences for both."""
    results = [result("tfidf", 0.7, seeds=()), result("bilstm", 0.8)]
    assert set(tables(results)[1]) == {
        "learning_curves",
        "differences",
        "roc",
        "precision_recall",
        "confusion",
        "reliability",
        "accuracy_by_length",
        "accuracy_by_position",
    }
    results = [regressor("naive", 0.7, seeds=()), regressor("bilstm", 0.3)]
    assert set(tables(results, "regression", ())[1]) == {
        "learning_curves",
        "differences",
        "predicted",
        "errors",
    }


def test_roc_by_hand():
    """Scores .9 and .4 of the positives, .6 and .1 of the negatives: up, right, up, right."""
    _, made = tables([fixed([[0.9, 0.4, 0.6, 0.1]], [1, 1, 0, 0])])
    roc = made["roc"].set_index("fpr")["tpr"]
    assert roc[0.0] == 0.5
    assert roc[0.25] == 0.5
    assert roc[0.75] == roc[1.0] == 1


def test_precision_recall_by_hand():
    """The first positive is found without error, the second after one negative: 2 of 3."""
    _, made = tables([fixed([[0.9, 0.4, 0.6, 0.1]], [1, 1, 0, 0])])
    precision = made["precision_recall"].set_index("recall")["precision"]
    assert precision[0.0] == 1
    assert precision[1.0] == pytest.approx(0.5)  # where every row is called positive


def test_curves_are_the_mean_of_the_fits_between_their_extremes():
    """A perfect and a reversed run: one half, between 0 and 1; and few enough points."""
    _, made = tables([fixed([[0.9, 0.8, 0.2, 0.1], [0.1, 0.2, 0.8, 0.9]], [1, 1, 0, 0], (1, 2))])
    middle = made["roc"].set_index("fpr").loc[0.5]
    assert (middle["tpr"], middle["low"], middle["high"]) == (0.5, 0, 1)
    assert len(made["roc"]) <= 200


def test_a_single_class_has_no_curves():
    """There is nothing to tell it from; the other tables remain."""
    _, made = tables([fixed([[0.9, 0.4, 0.6]], [1, 1, 1])])
    assert "roc" not in made
    assert "precision_recall" not in made
    assert "confusion" in made


def test_confusion_by_hand():
    """Mean rows over two runs, and their share of the actual class."""
    _, made = tables([fixed([[0.9, 0.4, 0.6], [0.9, 0.9, 0.1]], [1, 1, 0], (1, 2))])
    cells = made["confusion"].set_index(["actual", "predicted"])
    assert cells.loc[("pos", "pos"), "rows"] == 1.5
    assert cells.loc[("pos", "neg"), "share"] == 0.25
    assert cells.loc[("neg", "pos"), "share"] == 0.5


def test_learning_curves_have_every_epoch_of_every_seed():
    """In long form, so that a template can draw a line each."""
    results = [result("a", 0.8), result("b", 0.8)]
    table = tables(results)[1]["learning_curves"]
    assert list(table.columns[:3]) == ["model", "seed", "epoch"]
    assert len(table) == 2 * 3 * 3
    assert table[(table.model == "b") & (table.seed == 3)]["loss"].tolist() == [0.6, 0.4, 0.23]


def test_groups_and_bins_are_those_of_the_comparison():
    """The tables hold no figure of their own."""
    comparison, made = tables([result("a", 0.8), result("b", 0.9)])
    by_length = made["accuracy_by_length"]
    seen = comparison["by_length"]["models"]["b"]
    assert by_length[by_length.model == "b"]["accuracy"].tolist() == [g["accuracy"] for g in seen]
    after = comparison["calibration"]["a"]["reliability"]["after"]
    table = made["reliability"].query("model == 'a' and state == 'after'")
    assert table["rows"].tolist() == [bin_["rows"] for bin_ in after]
    assert made["differences"]["difference"].tolist() == [
        pair["difference"] for pair in comparison["pairs"]
    ]


def test_errors_of_a_regression_are_all_counted():
    """Shares add up to one, the largest errors in the outermost bins; few rows are shown."""
    results = [regressor("rough", 0.9, rows=3000), regressor("fine", 0.1, rows=3000)]
    _, made = tables(results, "regression", ())
    shares = made["errors"].groupby("model")["share"].sum()
    assert shares.to_dict() == pytest.approx({"rough": 1, "fine": 1})
    assert made["predicted"].groupby("model").size().to_dict() == {"rough": 500, "fine": 500}


def test_csv_is_stable_and_reads_back():
    """The same bytes from the same table; six digits."""
    table = pd.DataFrame({"model": ["a"], "value": [1 / 3]})
    assert to_csv(table) == "model,value\na,0.333333\n"
    assert pd.read_csv(io.StringIO(to_csv(table))).shape == (1, 2)
