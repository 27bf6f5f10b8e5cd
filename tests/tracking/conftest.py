"""A store that holds a small project's runs, made once for the folder."""

import shutil
import sqlite3

import pytest
import sqlalchemy

from pipeline.tracking import store
from pipeline.workspace import Workspace
from tests.support import project_results as results
from tests.support.tracked import SETTINGS, finish

# after pipeline.tracking, which keeps MLflow quiet
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache  # isort: skip


@pytest.fixture(autouse=True)
def no_other_store(monkeypatch):
    """Neither the reader's own settings nor an earlier test's reach into a test."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="package", autouse=True)
def without_waiting_for_the_disk():
    """Nothing here has to outlive a power cut."""

    def set_up(connection, _):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", set_up)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", set_up)


@pytest.fixture(scope="package")
def database(tmp_path_factory):
    """An empty store: MLflow takes seconds to make one, so the tests copy it."""
    home = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.connect(store.locate(home))
    return home / "mlflow.db"


@pytest.fixture(scope="package")
def tracked(tmp_path_factory, database):
    """A workspace whose runs are in MLflow. For reading only."""
    root = tmp_path_factory.mktemp("tracked") / "Spot light 100%data #1? ü%20"
    root.mkdir()
    shutil.copy(database, root)
    workspace = results.write(root, SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        summary = finish(workspace)
    return workspace, summary


@pytest.fixture
def workspace(tmp_path, tracked):
    """A copy of the tracked workspace, to be changed."""
    # MLflow remembers where a run's artifacts are by the run's id, which the copy shares.
    _artifact_repos_cache.clear()
    root = tmp_path / "project"
    shutil.copytree(tracked[0].root, root)
    return Workspace(root)


@pytest.fixture
def untracked(tmp_path, database):
    """A workspace that MLflow knows nothing of."""
    shutil.copy(database, tmp_path)
    return results.write(tmp_path, SETTINGS)
