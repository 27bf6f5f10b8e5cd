"""Studies whose finished cells are in git: what their commands make of them."""

import csv
import shutil

import pytest

from pipeline.__main__ import main
from tests.support.paths import PROJECT

MEASURED = ("accuracy", "difference")
STUDIES = {
    "size-study": ("imdb-250", "accuracy_by_rows.png"),
    "distractor-study": ("imdb-5000-200", "accuracy_by_length.png"),
}


def rows_of(path):
    """A CSV file's rows: what each is of → its numbers."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        tuple(row[name] for name in row if name in {"rows", "length", "place", "model"}): {
            name: float(value) for name, value in row.items() if name.startswith(MEASURED)
        }
        for row in rows
    }


@pytest.mark.parametrize("command", STUDIES)
def test_a_kept_study_is_summarized_without_a_training(command, tmp_path, monkeypatch, capsys):
    """Of the cells that are there: intervals as in git, a figure, runs in MLflow; without data."""
    case, figure = STUDIES[command]
    name = command.removesuffix("-study")
    here = PROJECT / "studies" / name
    there = tmp_path / "studies" / name
    shutil.copytree(here / "results" / "cells" / case, there / "results" / "cells" / case)
    shutil.copy(here / "params.yaml", there)
    shutil.copy(PROJECT / "docs" / "results" / "imdb" / "params.yaml", tmp_path)
    shutil.copytree(PROJECT / "locks", tmp_path / "locks")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main([command, "--summarize"]) == 0
    said = capsys.readouterr().out
    assert "next: make docs (writes the table in docs/results.md)" in said
    assert f"MLflow, experiment '{command}': 18 runs (18 created)" in said
    made = rows_of(there / "results" / "intervals.csv")
    committed = rows_of(here / "results" / "intervals.csv")
    assert {model for *_, model in made} == {model for *_, model in committed}
    for what, numbers in made.items():
        assert numbers == pytest.approx(committed[what], abs=1e-5), what
    assert (there / "results" / figure).read_bytes().startswith(b"\x89PNG")
