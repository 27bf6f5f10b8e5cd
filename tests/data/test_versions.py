import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.data import versions
from pipeline.data.versions import Change, Side
from pipeline.errors import DataError
from tests.support.dvc_command import run_dvc
from tests.support.paths import PARAMS, PROJECT

ROWS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 1)), max_size=15)


def side(name: str, rows: list[tuple[str, int]], classes: tuple[str, ...] = ("neg", "pos")) -> Side:
    """A version of a text dataset with one split."""
    labels = Counter(classes[label] for _, label in rows)
    card = {
        "dataset": "own",
        "kind": "text",
        "classes": list(classes),
        "splits": {"train": {"labels": dict(labels), "characters": {"median": 1, "q95": 1}}},
    }
    table = pa.table(
        {
            "text": pa.array([text for text, _ in rows], pa.string()),
            "label": np.array([label for _, label in rows], np.int64),
        }
    )
    return Side(name, card, {"train": table})


@given(before=ROWS, after=ROWS)
def test_changes_account_for_every_row(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """Texts that both have are kept or relabeled, as often as both have them; order is none."""
    change = versions.compare_versions(side("old", before), side("new", after))["train"]
    old, new = (Counter(text for text, _ in rows) for rows in (before, after))
    assert change.rows == (len(before), len(after))
    assert change.removed == sum((old - new).values())
    assert change.added == sum((new - old).values())
    kept = sum((Counter(before) & Counter(after)).values())
    assert change.relabeled == sum((old & new).values()) - kept


def test_classes_are_compared_by_name() -> None:
    """Another order of the classes relabels nothing; a split that one side lacks is all new."""
    old = side("old", [("a", 0), ("b", 1)])
    new = side("new", [("a", 1), ("b", 0), ("c", 0)], classes=("pos", "neg"))
    change = versions.compare_versions(old, new)["train"]
    assert (change.added, change.removed, change.relabeled) == (1, 0, 0)
    assert change.labels == {"neg": (1, 1), "pos": (1, 2)}
    bare = Side("bare", {**old.card, "splits": {}}, {})
    assert versions.compare_versions(bare, new)["train"].added == 3


def test_series_are_compared_by_time() -> None:
    """A changed number is a changed answer; a new hour is a new row."""
    card = {
        "dataset": "own",
        "kind": "series",
        "classes": [],
        "layout": "steps",
        "features": ["x"],
        "target": "x",
        "time_column": "t",
        "splits": {"train": {}},
    }
    old = Side("old", card, {"train": pa.table({"t": [1, 2, 3], "x": [0.5, 1.5, 2.5]})})
    new = Side("new", card, {"train": pa.table({"t": [2, 3, 4], "x": [1.5, 9.5, 0.5]})})
    change = versions.compare_versions(old, new)["train"]
    assert (change.added, change.removed, change.relabeled) == (1, 1, 1)
    with pytest.raises(DataError, match="different columns"):
        versions.compare_versions(old, side("text", []))
    # Of several series, the same time is another row in each.
    card |= {"series_column": "shop"}
    rows = {"shop": ["a", "b", "a"], "t": [1, 1, 2], "x": [0.5, 1.5, 2.5]}
    old = Side("old", card, {"train": pa.table(rows)})
    new = Side("new", card, {"train": pa.table(rows | {"shop": ["a", "c", "a"]})})
    change = versions.compare_versions(old, new)["train"]
    assert (change.added, change.removed, change.relabeled) == (1, 1, 0)


def test_changes_are_told() -> None:
    """The counts, the balance, the lengths; and nothing where nothing changed."""
    old, new = side("HEAD~1", [("a", 0), ("b", 1)]), side("HEAD", [("a", 1), ("b", 1), ("c", 1)])
    changes = versions.compare_versions(old, new)
    assert changes["train"] == Change(
        rows=(2, 3),
        added=1,
        removed=0,
        relabeled=1,
        labels={"neg": (1, 0), "pos": (1, 3)},
        characters={"median": (1, 1), "q95": (1, 1)},
    )
    shown = versions.render_changes(old, new, changes)
    assert "'own', HEAD~1 → HEAD" in shown
    assert "neg 50.0% → 0.0%, pos 50.0% → 100.0%" in shown
    assert "the same rows" in versions.render_changes(old, old, versions.compare_versions(old, old))


# ── with git and DVC ─────────────────────────────────────────────────────────────────────

Run = Callable[..., str]
DVC_YAML = """
stages:
  download:
    cmd: "'{python}' -m pipeline download"
    params: [dataset, "datasets.${{dataset}}.source"]
    deps: ["data/own/${{dataset}}"]
    outs: [data/raw]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose pipeline is `download` alone, entered; its name is not plain ASCII."""
    root = tmp_path / "a projéct"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run("git", "init", "--quiet")
    run("git", "config", "user.email", "reader@example.org")
    run("git", "config", "user.name", "Reader")
    dvc("init", "--quiet")
    (root / "data" / "own").mkdir(parents=True)
    (root / "dvc.yaml").write_text(DVC_YAML.format(python=sys.executable))
    shutil.copy(PARAMS, root / "params.yaml")
    return root


def run(*command: str) -> str:
    """What a command says; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(*arguments: str) -> None:
    """Run a DVC command; it must end well."""
    done = run_dvc(Path.cwd(), *arguments, environment=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What our command line says, which ends with that exit code."""
    capsys.readouterr()
    assert main(["data", *arguments]) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown.out + shown.err


def commit(message: str) -> None:
    """Everything, as a commit."""
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", message)


def predictions(folder: Path, right: list[bool]) -> None:
    """A run's test predictions of which these are right."""
    outputs = np.array([[0.9, 0.1] if ok else [0.1, 0.9] for ok in right], np.float32)
    rows = np.arange(len(right))
    folder.mkdir(parents=True)
    write_predictions(folder / "test.parquet", Predictions(rows, np.zeros_like(rows), outputs))


@pytest.mark.slow
def test_own_file_goes_through_its_versions(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Added, edited, listed, compared: as the README tells it."""
    assert "No data version yet" in said(capsys)
    lines = [f'"Review number {n}, fine","{"neg" if n % 3 else "pos"}"' for n in range(60)]
    (tmp_path / "in.csv").write_text("\n".join(["review,mood", *lines]) + "\n")
    shown = said(capsys, "add", str(tmp_path / "in.csv"), "reviews")
    own = project / "data" / "own" / "reviews" / "in.csv"
    assert own.read_text() == (tmp_path / "in.csv").read_text()
    assert own.with_name("in.csv.dvc").exists()
    entry = "".join(line for line in shown.splitlines(keepends=True) if line.startswith("  "))
    entry = entry[entry.index("  reviews:") :]
    params = (project / "params.yaml").read_text()
    params = params.replace("dataset: demo", "dataset: reviews", 1)
    (project / "params.yaml").write_text(params.replace("datasets:\n", f"datasets:\n{entry}", 1))
    assert "already" in said(capsys, "add", str(tmp_path / "in.csv"), "reviews", code=3)

    dvc("repro")
    for seed in (1, 2, 3):
        for model in ("bilstm", "bilstm_attention"):
            predictions(project / "results" / "models" / f"{model}-{seed}", [True, False] * 6)
    references = project / "results" / "reference"
    predictions(references / "tfidf", [True, False] * 6)
    (references / "references.json").write_text('["tfidf"]')
    (project / "data" / "encoded").mkdir()
    (project / "data" / "encoded" / "encoding.json").write_text("{}")
    commit("first")

    lines[7] = lines[7].replace("neg", "pos")
    own.write_text("\n".join(["review,mood", *lines[:-2], '"A new one","neg"']) + "\n")
    shown = said(capsys, "diff", "HEAD")
    assert "have the same rows" in shown
    assert "in.csv has changed since: `make repro`" in shown
    dvc("repro")
    shown = said(capsys)
    assert shown.count("reviews") == 2
    assert "none yet" in shown
    shown = said(capsys, "diff", "HEAD")
    counts: dict[str, Any] = {
        line.split()[0]: [int(cell) for cell in line.replace("→", "").split()[1:6]]
        for line in shown.splitlines()
        if line.startswith(("  train  ", "  test  "))
    }
    before, after, added, removed, relabeled = np.sum(list(counts.values()), axis=0)
    assert (before, after) == (60, 59)
    assert after - before == added - removed
    assert 1 <= added <= 5
    assert relabeled == 1 or added > 1
    assert "in.csv has changed since" not in shown
    assert "both versions hold the same results" in shown  # nothing was trained on the new rows
    assert "points" not in shown

    for folder in (references / "tfidf", *(project / "results" / "models").iterdir()):
        shutil.rmtree(folder)
        predictions(folder, [True, True, True, False] * 3)
    shown = said(capsys, "diff", "HEAD")
    assert "tfidf: +25.0 points" in shown
    assert "bilstm_attention: +25.0 points of test accuracy (95 % interval" in shown
    commit("second")
    assert "none yet" not in said(capsys)

    assert "no git revision 'nonsense'" in said(capsys, "diff", "nonsense", code=3)
    shutil.rmtree(project / ".dvc" / "cache")
    assert "neither in DVC's cache nor" in said(capsys, "diff", "HEAD~1", code=3)
    assert "not in the cache" in said(capsys)


@pytest.mark.slow
def test_clone_without_the_data_lists_its_versions_all_the_same(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing was pulled, and DVC's cache holds other things."""
    own = project / "data" / "own" / "reviews"
    own.mkdir()
    rows = [f"Review number {n},{n % 2}" for n in range(20)]
    (own / "in.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    source = "{source: {kind: files, path: data/own/reviews/in.csv}"
    entry = f"  reviews: {source}, encode: {{vocabulary: 9, max_len: 9}}, training: {{}}}}\n"
    params = (project / "params.yaml").read_text().replace("dataset: demo", "dataset: reviews", 1)
    (project / "params.yaml").write_text(params.replace("datasets:\n", f"datasets:\n{entry}", 1))
    dvc("repro")
    commit("first")
    run("git", "clone", "--quiet", str(project), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    Path("other").write_text("something else")
    dvc("add", "other")
    assert "not in the cache" in said(capsys)
    assert "neither in DVC's cache nor" in said(capsys, "diff", "HEAD", code=3)


@pytest.mark.slow
def test_file_elsewhere_is_watched(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A source outside the project is no dependency of DVC's, so `data` looks at its SHA-256."""
    outside = tmp_path / "elsewhere.csv"
    outside.write_text("text,label\n" + "".join(f"row {n},{n % 2}\n" for n in range(20)))
    (project / "data" / "own" / "own").mkdir()
    (project / "data" / "own" / "own" / ".gitkeep").touch()
    entry = "  own:\n    source: {kind: files, path: ../elsewhere.csv}\n"
    entry += "    encode: {vocabulary: 100, max_len: 10}\n    training: {}\n"
    params = (project / "params.yaml").read_text().replace("dataset: demo", "dataset: own", 1)
    (project / "params.yaml").write_text(params.replace("datasets:\n", f"datasets:\n{entry}", 1))
    dvc("repro")
    assert "has changed" not in said(capsys)
    outside.write_text(outside.read_text() + "one more,1\n")
    assert "elsewhere.csv has changed since" in said(capsys)


@pytest.mark.slow
def test_runs_are_counted_by_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all experiments; where no store is, none is made."""
    from mlflow.entities import Dataset, DatasetInput

    from pipeline.tracking import runs, store

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert runs.runs_by_data(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    client = store.connect(store.locate(tmp_path))
    for experiment, digest in [("one", "a"), ("one", "b"), ("two", "a")]:
        place = store.experiment(client, store.locate(tmp_path), experiment)
        made = client.create_run(place)
        data = DatasetInput(Dataset("own", digest, "local", "{}"), [])
        client.log_inputs(made.info.run_id, [data])
    client.create_run(place)
    assert runs.runs_by_data(tmp_path) == {"a": 2, "b": 1}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert runs.runs_by_data(tmp_path) is None


@pytest.mark.parametrize("name", ["Reviews", "1st", "a b", "../x", ""])
def test_unusable_name_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is copied."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("text,label\na,1\n")
    assert "can't be called" in said(capsys, "add", "in.csv", name, code=3)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_file_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a name like it, and with what the command expects: params.yaml has no part in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").touch()
    message = said(capsys, "add", "review.csv", "reviews", code=3)
    assert "did you mean 'reviews.csv'?" in message
    assert "FILE=reviews.csv" in message
    assert "params.yaml" not in message
