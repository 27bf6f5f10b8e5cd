from types import SimpleNamespace

from pipeline import artifacts, repro
from pipeline.artifacts import Workspace
from pipeline.data import files


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


def test_a_changed_file_outside_the_project_is_noticed(tmp_path):
    """By its SHA-256; what DVC watches itself, another dataset's card or no card is no matter."""
    root = tmp_path / "project"
    own = root / "data" / "own" / "mine"
    own.mkdir(parents=True)
    settings = SimpleNamespace(dataset="mine")
    workspace = Workspace(root)
    assert repro.changed_source(workspace, settings) == []
    for folder, path, expected in [
        (tmp_path, "../in.csv", ["in.csv"]),
        (own, "data/own/mine/in.csv", []),
    ]:
        (folder / "in.csv").write_text("text,label\n")
        source = {"path": path, "files": files.hashes(folder / "in.csv")}
        artifacts.write_json(workspace.raw / "card.json", {"dataset": "mine", "source": source})
        assert repro.changed_source(workspace, settings) == []
        (folder / "in.csv").write_text("text,label\na,1\n")
        assert repro.changed_source(workspace, settings) == expected
        assert repro.changed_source(workspace, SimpleNamespace(dataset="other")) == []
    artifacts.write_json(
        workspace.raw / "card.json", {"dataset": "mine", "source": {"kind": "demo"}}
    )
    assert repro.changed_source(workspace, settings) == []


def test_small_measures_keep_their_digits():
    """A solved regression's error is not 0.0000; what could not be measured is a dash."""
    shown = {
        (0.93381, 0.00153): "0.9338 ± 0.0015",
        (0.0002, 0.000037): "2.0e-04 ± 3.7e-05",
        (-0.0023, None): "-0.0023",
        (0.0, None): "0.0000",
        (None, None): "–",
    }
    for (mean, sd), expected in shown.items():
        assert repro._cell({"mean": mean, "sd": sd}) == expected
