import http.server
import socket
import threading

import pytest

from pipeline import __main__ as command_line
from pipeline.commands import ui
from pipeline.tracking import store
from pipeline.workspace import Workspace

PAGES = {"charts": "#/experiments/1/runs?charts", "table": "#/experiments/1/runs?table"}


class Server:
    """A server that runs, or has ended."""

    returncode = 0

    def __init__(self, command=(), env=None, *, ended=None):
        self.command, self.env, self.ended = command, env, ended

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to end."""

    def poll(self):
        return self.ended


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """The addresses that the browser opens, with an MLflow that holds runs and answers."""
    addresses: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("pipeline.stages.track.run", lambda _: PAGES)
    monkeypatch.setattr("subprocess.Popen", Server)
    monkeypatch.setattr(ui, "is_answering", lambda *_: True)
    monkeypatch.setattr("webbrowser.open", addresses.append)
    return addresses


def test_the_browser_opens_the_first_page_once_the_server_answers(opened, capsys):
    """The charts; every page is printed as well."""
    assert command_line.main(["ui", "--port", "5055"]) == 0
    assert opened == [f"http://127.0.0.1:5055/{PAGES['charts']}"]
    shown = capsys.readouterr().out
    assert all(page in shown for page in PAGES.values())


@pytest.mark.parametrize("reason", ["asked not to", "no display", "no answer"])
def test_no_browser_is_opened(opened, monkeypatch, reason):
    """If the user says so, or where it would take over the terminal or show an error."""
    monkeypatch.setattr("sys.platform", "linux")
    if reason == "no display":
        monkeypatch.delenv("DISPLAY")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if reason == "no answer":
        monkeypatch.setattr(ui, "is_answering", lambda *_: False)
    command_line.main(["ui", *(["--no-browser"] if reason == "asked not to" else [])])
    assert opened == []


@pytest.mark.parametrize(
    ("code", "told"), [(1, True), (-9, True), (0, False), (-2, False), (-15, False)]
)
def test_a_server_that_ends_by_itself_is_told(opened, monkeypatch, capsys, code, told):
    """By an error of its own, or killed for its memory; not on Ctrl-C, nor on SIGTERM."""
    monkeypatch.setattr(Server, "returncode", code)
    assert command_line.main(["ui", "--port", "5055"]) == int(told)
    shown = capsys.readouterr().err
    assert (f"ended with exit code {code}" in shown) == told


def test_a_port_that_is_taken_is_told_before_anything_is_done(opened, monkeypatch, capsys):
    """MLflow's server would say so among other lines, and end as if all were well."""
    monkeypatch.setattr("pipeline.stages.track.run", None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for command in ("ui", "serve"):
            assert command_line.main([command, "--port", str(port)]) == 1
            shown = capsys.readouterr().err
            assert f"No server can listen on port {port}: Address already in use." in shown
            assert f"--port {port + 1}" in shown


def test_a_remote_server_is_opened_and_none_is_started(opened, monkeypatch, tmp_path):
    """Its address is the tracking URI."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    monkeypatch.setattr("subprocess.Popen", None)
    ui.run(Workspace(tmp_path), port=5000, browser=True)
    assert opened == [f"{store.locate(tmp_path)}/{PAGES['charts']}"]


def test_waiting_ends_with_an_answer_or_with_the_server():
    """Any answer counts; a server that ended never gives one."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Keeps quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert ui.is_answering(Server(), f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert not ui.is_answering(Server(ended=1), "http://127.0.0.1:9/")
