import os
import subprocess
import sys
from types import SimpleNamespace

from pipeline import progress
from pipeline.commands import outcome, repro
from pipeline.core.files import write_json
from pipeline.data import readers
from pipeline.evaluation.reproduction import Gap
from pipeline.workspace import COMPLETE, Workspace
from tests.support.report_parts import believed


def metrics(accuracy, *, model="bilstm", sd=0.01):
    """A metrics.json of one model."""
    value = {"accuracy": {"mean": accuracy, "sd": sd}, "roc_auc": {"mean": None, "sd": None}}
    return {"dataset": "demo", "models": {model: {"seeds": 3, "test": value}}}


def compared(use, *, deterministic=False):
    """What the table takes of a comparison.json."""
    return {"use": use, "models": {"bilstm": {"deterministic": deterministic}}}


def test_the_table_has_a_line_for_each_model_with_its_spread():
    """Mean ± sd; a dash for what is undefined; no ± for a single run; ✓ for the one to use."""
    head, line = outcome.table(metrics(0.91234), compared("tfidf"), width=80)
    assert head == "test    seeds  accuracy, %  ROC AUC"
    assert line == "bilstm      3   91.2 ± 1.0        –"
    (_, line) = outcome.table(metrics(0.9, sd=None), compared("bilstm"), width=80)
    assert line.split() == ["bilstm", "✓", "3", "90.0", "–"]
    (_, line) = outcome.table(metrics(0.9), compared("", deterministic=True), width=80)
    assert line.split()[:2] == ["bilstm", "–"]


def test_the_table_continues_below_what_fits_the_terminal():
    """With the models' names again; nothing is cut, however narrow the terminal."""
    shown = list(outcome.table(metrics(0.91234), compared("tfidf"), width=30))
    assert shown == [
        "test    seeds  accuracy, %", "bilstm      3   91.2 ± 1.0", "",
        "test    ROC AUC", "bilstm        –",
    ]  # fmt: skip
    assert len(list(outcome.table(metrics(0.91234), compared("tfidf"), width=1))) == 8


def test_paragraphs_fit_the_terminal(monkeypatch):
    """In a log file a line stays a line; a command or a name is never broken."""
    assert progress.paragraph("a sentence " * 20).count("\n") == 0
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "16")
    assert progress.bullets(["two lines of words", "averylongname-that-stays"]) == (
        "- two lines of\n  words\n- averylongname-that-stays"
    )


def test_what_agrees_with_the_committed_metrics_says_how_closely():
    """The gap nearest to its tolerance; the same numbers need none."""
    same = Gap("bilstm", "accuracy", 0.0, 0.01)
    near = Gap("bilstm", "accuracy", 0.006, 0.01)
    assert outcome.agreement([same]) == "The metrics on test equal the committed ones."
    assert "agree" in outcome.agreement([near, same])
    assert "bilstm, accuracy: 0.006 of 0.01" in outcome.agreement([near, same])
    assert "None of these models" in outcome.agreement([])


def test_what_is_beyond_its_tolerance_is_listed():
    """All of it, and nothing else."""
    said = outcome.agreement([Gap("a", "f1", 0.2, 0.1), Gap("b", "f1", 0.05, 0.1)])
    assert said.startswith("Beyond the tolerance")
    assert "a, f1: 0.2 of 0.1" in said
    assert "b, f1" not in said


def test_results_that_differ_from_the_committed_ones_come_with_what_to_do(tmp_path):
    """Keep them, or go back; nothing where they are the same, or without git."""
    workspace = Workspace(tmp_path)
    assert outcome.what_changed(workspace) == ""
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
        (tmp_path / "results").mkdir(exist_ok=True)
        for name in outcome.OUTPUTS:
            (tmp_path / name).write_text("{}")
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    assert outcome.what_changed(workspace) == ""
    (tmp_path / "dvc.lock").write_text("{x}")
    said = outcome.what_changed(workspace)
    assert said.startswith("Changed by this run: dvc.lock. ")
    assert "git commit" in said
    assert "git restore" in said


def test_committed_metrics_that_can_not_be_read_are_compared_with_nothing(tmp_path, monkeypatch):
    """Such as a merge's marks."""
    workspace = Workspace(tmp_path)
    found = {}
    for shown in (None, "<<<<<<< HEAD\n{}", "[1]", "[" * 100_000, '{"dataset": "demo"}'):
        monkeypatch.setattr(outcome, "git", lambda *_, shown=shown: shown)
        found[shown] = outcome.committed_metrics(workspace)
    assert [shown for shown, metrics in found.items() if metrics] == ['{"dataset": "demo"}']


def test_only_a_complete_marker_says_when_mlflow_was_updated(tmp_path):
    """So what the stage has just recorded is not recorded again, and what it could not is."""
    workspace = Workspace(tmp_path)
    assert repro.last_tracked(workspace) is None
    workspace.scratch.mkdir()
    workspace.tracked.write_text("MLflow was out of reach\n")
    assert repro.last_tracked(workspace) is None
    found = set()
    for second in (1, 2):
        workspace.tracked.write_text(COMPLETE)
        os.utime(workspace.tracked, (second, second))
        found.add(repro.last_tracked(workspace))
    assert found == {10**9, 2 * 10**9}


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
        source = {"path": path, "files": readers.file_hashes(folder / "in.csv")}
        write_json(workspace.raw / "card.json", {"dataset": "mine", "source": source})
        assert repro.changed_source(workspace, settings) == []
        (folder / "in.csv").write_text("text,label\na,1\n")
        assert repro.changed_source(workspace, settings) == expected
        assert repro.changed_source(workspace, SimpleNamespace(dataset="other")) == []
    write_json(workspace.raw / "card.json", {"dataset": "mine", "source": {"kind": "demo"}})
    assert repro.changed_source(workspace, settings) == []


def test_the_trust_card_is_said_if_there_is_one(tmp_path, capsys):
    """Both verdicts and each figure; without tests of the weights, nothing."""
    workspace = Workspace(tmp_path)
    outcome.say_trust(workspace)
    assert capsys.readouterr().out == ""
    write_json(workspace.explanations / "faithfulness.json", believed())
    outcome.say_trust(workspace)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("Can the weights of bilstm_attention be trusted? - As a pointer to")
    assert "- As the reason for one prediction: No: other weights would have done." in said
    assert "- change with permuted weights: 0.31 (equal weights −0.02). How far the" in said
