import http.server
import json
import shutil
import threading

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import store
from pipeline.workspace import Workspace
from tests.support import project_results as results
from tests.support.tracked import SETTINGS, connected, finish, paths, runs_of


def test_the_store_is_inside_the_project_and_absolute(tmp_path):
    """Whatever the current folder, so that `dvc exp run --temp` finds it too."""
    found = store.locate(tmp_path)
    assert found.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert found.artifacts == tmp_path / "mlartifacts"


def test_no_folder_is_made_beside_the_project(tmp_path):
    """As MLflow does for a blank that is written as %20."""
    home = tmp_path / "eine Übung"
    home.mkdir()
    store.connect(store.locate(home))
    assert list(tmp_path.iterdir()) == [home]


@pytest.mark.parametrize("name", ["100%data", "a%20b #c", "why? ünï 日本"])
def test_the_store_is_made_in_a_folder_of_any_name(name, tmp_path):
    """Though `%20`, `#` and `?` mean something in an address."""
    home = tmp_path / name
    home.mkdir()
    found = store.locate(home)
    client = store.connect(found)
    run = client.create_run(store.experiment(client, found, "demo"))
    client.log_text(run.info.run_id, "kept", "note.txt")
    assert sorted(file.name for file in home.iterdir()) == ["mlartifacts", "mlflow.db"]
    again = store.connect(store.locate(home))
    assert list(paths(again, run)) == ["note.txt"]


def test_under_a_temporary_experiment_the_store_is_the_projects(tmp_path, untracked, monkeypatch):
    """`dvc exp run --temp` copies the workspace elsewhere, and DVC_ROOT tells where it was."""
    elsewhere = tmp_path / "copy"
    results.write(elsewhere, SETTINGS)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("DVC_EXP_NAME", "quick-fox")
    finish(Workspace(elsewhere))
    assert not (elsewhere / "mlflow.db").exists()
    run = runs_of(untracked)["bilstm_attention-1"]
    assert run.data.tags["dvc.experiment"] == "quick-fox"


def test_a_server_decides_where_artifacts_go(tmp_path, monkeypatch):
    """MLFLOW_TRACKING_URI overrides everything."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    found = store.locate(tmp_path)
    assert (found.artifacts, found.database) == (None, None)


def test_a_database_that_another_process_made_meanwhile_stays(database, tmp_path, monkeypatch):
    """Parallel first starts end with one store, and nothing half-made beside it."""
    goal = tmp_path / "mlflow.db"

    class OvertakenClient:
        """Makes the database as MLflow does, while another process finishes first."""

        def __init__(self, tracking_uri):
            shutil.copy(database, tracking_uri.removeprefix("sqlite:///"))

        def search_experiments(self, **_):
            goal.write_text("the other's")

    monkeypatch.setattr(store.mlflow, "MlflowClient", OvertakenClient)
    store.create_database(goal, tmp_path / "mlartifacts")
    assert goal.read_text() == "the other's"
    assert list(tmp_path.iterdir()) == [goal]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "nonsense",
        "foo://bar",
        "sqlite:////proc/none/mlflow.db",
        "postgresql+psycopg2://me:secret@127.0.0.1:9/runs",
    ],
)
def test_a_store_that_cannot_be_used_is_one_clear_error(workspace, uri, monkeypatch):
    """With the address, without the password, and with what to do."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError) as raised:
        finish(workspace)
    assert "secret" not in str(raised.value)
    assert uri.rpartition("@")[2] in raised.value.message
    assert "\n" not in raised.value.message
    assert "python -m pipeline track" in raised.value.fix


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, b"You are not authenticated.", "MLFLOW_TRACKING_PASSWORD"),
        (403, b"Permission denied", "MLFLOW_TRACKING_PASSWORD"),
        (500, b"Internal Server Error", "start the server"),
        (200, b"<html>Welcome</html>", "start the server"),
    ],
)
def test_a_server_that_answers_something_else_is_one_clear_error(
    workspace, status, body, remedy, monkeypatch
):
    """A password that is missing or wrong, a fault of the server's, another program's page."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(TrackingError) as raised:
                finish(workspace)
        finally:
            server.shutdown()
    assert "\n" not in raised.value.message
    assert remedy in raised.value.fix
    assert "python -m pipeline track" in raised.value.fix


def test_a_moved_project_keeps_its_artifacts(workspace):
    """MLflow stores their place as an absolute address, which a move leaves behind."""
    before = {name: run.info.run_id for name, run in runs_of(workspace).items()}
    moved = Workspace(workspace.root.with_name("moved ß"))
    workspace.root.rename(moved.root)
    after = runs_of(moved)
    assert {name: run.info.run_id for name, run in after.items()} == before
    client = connected(moved)
    assert "history.csv" in set(paths(client, after["bilstm_attention-1"]))
    (version,) = client.search_model_versions("name = 'spotlight-demo'")
    place = client.get_model_version_download_uri("spotlight-demo", version.version)
    assert place.startswith(moved.root.as_uri())
    (moved.root / "mlartifacts" / "demo").exists()
    assert set(finish(moved).states.values()) == {"unchanged"}


def test_the_ui_opens_with_the_columns_that_compare(tracked):
    """The addresses that `make ui` prints name views that the experiment holds."""
    workspace, summary = tracked
    tags = connected(workspace).get_experiment_by_name("demo").tags
    assert summary.pages.keys() == {"table", "charts"}
    shown = runs_of(workspace)["bilstm_attention"].data
    for name, page in summary.pages.items():
        assert f"viewStateShareKey={name}" in page
        view = json.loads(tags[f"mlflow.sharedViewState.{name}"])
        columns = {column.split("`")[1] for column in view["selectedColumns"]}
        assert columns - {"Dataset"} <= {*shown.metrics, *shown.params}
