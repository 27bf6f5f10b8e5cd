"""The part `answers`, on commands that answer at once."""

import pytest

from pipeline.errors import SpotlightError
from pipeline.studies.benchmark import answers, table

COMMANDS = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = {"/ask": ["text"], "/invocations": ["dataframe_records"]}
        self.send_response(200 if known[self.path] == list(question) else 400)
        self.end_headers()

if sys.argv[1] == FAULTY:
    sys.exit("there is no champion")
if sys.argv[1] != "predict":
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


@pytest.fixture
def project(tmp_path):
    """Writes a package `pipeline` with the three commands, of which one may fail."""

    def write(faulty=None):
        (tmp_path / "pipeline").mkdir()
        (tmp_path / "pipeline" / "__main__.py").write_text(f"FAULTY = {faulty!r}\n{COMMANDS}")
        return tmp_path

    return write


def test_each_first_answer_is_timed(project):
    """The page comes before the answer on it; the table says how busy the machine was."""
    found = answers.measure(project(), 2)
    for name in ("predict", "page", "demo", "serve"):
        middle, low, high = found[name]
        assert 0 < low <= middle <= high < 60
    assert found["page"].low < found["demo"].low
    machine = {"processor": "P", "cores": 2, "threads": 2, "memory_gb": 8, "python": "3.11"}
    document = {"date": "2026-01-31", "machine": {**machine, "libraries": {"numpy": "2"}}}
    shown = table.markdown({**document, "answers": {**found, "load_average": 0.25}, "sizes": {}})
    assert "numpy 2; load average 0.2 at first." in shown
    assert f"{found['serve'].median:.1f} ({found['serve'].low:.1f} to" in shown


@pytest.mark.parametrize("command", ["predict", "demo", "serve"])
def test_a_command_that_fails_is_told(command, project):
    """With what it said, instead of a time."""
    with pytest.raises(SpotlightError, match="gave no answer: there is no champion"):
        answers.measure(project(command), 1)
