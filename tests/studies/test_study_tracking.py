"""Kept cells in MLflow."""

import numpy as np
import pytest

from pipeline.commands.studies import say_tracked
from pipeline.errors import ArtifactError, TrackingError
from pipeline.studies.kept import Cell, Kept, Made, kept_path
from pipeline.studies.tracking import track_cells
from tests.support.project import change, study_workspace
from tests.support.tracked import study_runs

BASELINE = {"metric": "accuracy", "model": "nb", "seed": "", "validation": "0.7", "rows": 96}
RUN = {**BASELINE, "model": "bilstm", "seed": 2, "best_epoch": 3, "seconds": 60, "device": "CPU"}


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A workspace and its study's cells: baselines, a finished training, and one to be run."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = study_workspace(tmp_path, "size", "", {})
    part = workspace.size_study
    made = {
        "baselines": [{**BASELINE, "place": place, "test": "0.6"} for place in ("before", "after")],
        "bilstm-2": [{**RUN, "test": "0.8"}],
        "bilstm-3": None,
    }
    cells = {}
    for name, rows in made.items():
        kept = Kept(kept_path(part, "few", name), parameters="p", code="c")
        if rows:
            kept.write(Made(rows, {"test": np.ones(4, bool)}))
        cells[f"few/{name}"] = Cell(kept, lambda: None, lambda: pytest.fail("made"))
    (part.results / "results.csv").write_text("a\n")
    return workspace, cells


def test_mlflow_holds_what_a_study_has_kept(cells):
    """Each finished model once; made again by other code, it is another run beside the first."""
    workspace, given = cells
    part = workspace.size_study
    first = track_cells(workspace, part, given, paths={}, dataset="demo")
    assert first.states == dict.fromkeys(["few/nb", "few/bilstm-2", "summary"], "created")
    again = track_cells(workspace, part, given, paths={}, dataset="demo")
    assert set(again.states.values()) == {"unchanged"}
    runs = study_runs(workspace, "size")
    baseline, trained = runs["few/nb"].data, runs["few/bilstm-2"].data
    assert baseline.metrics == {
        "validation/accuracy": 0.7,
        "test_before/accuracy": 0.6,
        "test_after/accuracy": 0.6,
    }
    assert baseline.params == {"case": "few", "model": "nb", "rows": "96"}
    assert (baseline.tags["kind"], trained.tags["kind"]) == ("reference", "run")
    assert trained.metrics == {
        "validation/accuracy": 0.7,
        "test/accuracy": 0.8,
        "best_epoch": 3,
        "usage/wall_seconds": 60,
    }
    about = {"case": "few", "model": "bilstm", "seed": "2", "rows": "96", "device": "CPU"}
    assert trained.params == about
    (used,) = runs["few/nb"].inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.source_type) == ("demo", "code")
    given["few/bilstm-2"].kept.path.write_text(
        given["few/bilstm-2"].kept.path.read_text().replace('"c"', '"other"')
    )
    anew = track_cells(workspace, part, given, paths={}, dataset="demo")
    assert [name for name, state in anew.states.items() if state == "created"] == ["few/bilstm-2"]


def test_mlflow_tells_a_users_file_from_what_it_was(cells):
    """The same name in params.yaml, and another version of the data."""
    workspace, given = cells
    change(workspace.root, {"datasets.demo.source": {"kind": "files", "path": "texts.csv"}})
    for name in ("few/baselines", "few/bilstm-2"):
        (workspace.root / "texts.csv").write_text(name)
        track_cells(workspace, workspace.size_study, {name: given[name]}, paths={}, dataset="demo")
    runs = study_runs(workspace, "size")
    digests = {
        used.dataset.digest
        for name in ("few/nb", "few/bilstm-2")
        for used in runs[name].inputs.dataset_inputs
    }
    assert len(digests) == 2


def test_without_mlflow_there_is_a_warning(capsys):
    """The study's files hold all of it; another error is one."""

    def fails():
        raise TrackingError("MLflow at x can't be reached.", fix="start it.")

    say_tracked(fails)
    assert "warning: MLflow at x can't be reached." in capsys.readouterr().out

    def damaged():
        raise ArtifactError("a.json is damaged.", fix="remove it.")

    with pytest.raises(ArtifactError):
        say_tracked(damaged)
