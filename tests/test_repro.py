from pipeline import repro


def metrics(accuracy, *, model="bilstm", sd=0.01):
    """A metrics.json of one model."""
    value = {"accuracy": {"mean": accuracy, "sd": sd}, "roc_auc": {"mean": None, "sd": None}}
    return {"dataset": "demo", "models": {model: {"seeds": 3, "test": value}}}


def test_the_table_has_a_line_for_each_model_with_its_spread():
    """Mean ± sd; a dash for what is undefined; no ± for a single fit."""
    head, line = repro._table(metrics(0.91234))
    assert head.split() == ["test", "seeds", "accuracy", "roc_auc"]
    assert line.split() == ["bilstm", "3", "0.9123", "±", "0.0100", "–"]
    assert "±" not in "".join(repro._table(metrics(0.9, sd=None)))


def test_the_difference_from_the_committed_metrics_stands_beside_the_tolerance():
    """The largest one, and which it is."""
    within = repro._difference(metrics(0.90), metrics(0.915))
    assert "0.015000 (bilstm, accuracy), within the tolerance of 0.02" in within
    assert "BEYOND" in repro._difference(metrics(0.90), metrics(0.95))


def test_a_model_that_is_not_committed_is_not_compared():
    """Another choice of models is no deviation."""
    assert "no model" in repro._difference(metrics(0.9), metrics(0.5, model="other"))
