"""The demo's page and the server behind it, of the standard library alone.

It listens on the loopback address. The page loads nothing from elsewhere, and its content security
policy makes the browser refuse to: a text that is typed there stays on this machine.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, NamedTuple

from pipeline.errors import DataError
from pipeline.explanation.page import environment
from pipeline.serving.answers import ask
from pipeline.serving.inputs import CHARACTERS, text_fault
from pipeline.serving.model import LoadedParts
from pipeline.serving.questions import Question

HOST = "127.0.0.1"
_LONGEST = 12 * CHARACTERS + 100  # bytes of a request; a character may be written \ud83d\ude00
_SHORTER = f"Give at most {CHARACTERS:,}; a model reads a part of a long text."
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


class Sample(NamedTuple):
    """A text to begin with, and its label."""

    text: str
    label: str


class Demo:
    """What the page shows.

    Args:
        models: title → model of texts.
        samples: to choose from.
    """

    def __init__(self, models: Mapping[str, LoadedParts], samples: Sequence[Sample]) -> None:
        self._models = models
        self._lock = Lock()  # one text at a time
        template = environment(__package__ or "").get_template("demo.html")
        parts: Any = template.module  # a template's macros have no types
        self.page: str = parts.page(list(models), samples)
        self._drawn = parts.answer

    def answers(self, text: str) -> list[dict[str, Any]]:
        """Each model's probabilities, class by class, and its text with the weights, as HTML.

        Raises:
            DataError: it is no valid text.
        """
        if fault := text_fault(text):
            raise DataError(f"The text holds {fault} instead of words.", fix="Give one or more.")
        if len(text) > CHARACTERS:
            raise DataError(f"The text has {len(text):,} characters.", fix=_SHORTER)
        with self._lock:
            found = {
                title: ask(model, [Question("the text", text)], explain=True)[0]
                for title, model in self._models.items()
            }
        return [
            {
                "title": title,
                "probabilities": sorted(answer.probabilities.items()),
                "html": self._drawn(answer.sample),
            }
            for title, answer in found.items()
        ]


class DemoServer(ThreadingHTTPServer):
    """Serves a demo on a port of the loopback address; 0 chooses a free one."""

    daemon_threads = True

    def __init__(self, demo: Demo, port: int) -> None:
        self.demo = demo
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """GET / is the page; POST /ask with {"text": …} is answered with JSON."""

    server: DemoServer

    def do_GET(self) -> None:
        if self._refused() or self.path != "/":
            self._send_json(HTTPStatus.NOT_FOUND, {"error": "There is only /."})
            return
        self._send(HTTPStatus.OK, "text/html", self.server.demo.page)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self._refused() or self.path != "/ask":
            self._send_json(HTTPStatus.NOT_FOUND, {"error": "There is only /ask."})
        elif not length.isdecimal() or int(length) > _LONGEST:
            self.close_connection = True  # what follows is not read
            self._send_json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": _SHORTER})
        else:
            self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        try:
            text = json.loads(body)["text"]
        except (ValueError, KeyError, TypeError, RecursionError):
            error = 'The request must be JSON: {"text": "…"}.'
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": error})
            return
        try:
            answers = self.server.demo.answers(text)
        except DataError as error:
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": f"{error.message} {error.fix}"})
        else:
            self._send_json(HTTPStatus.OK, {"answers": answers})

    def _refused(self) -> bool:
        """Whether another site's page asks, under a name of its own that leads to this machine."""
        port = self.server.server_port
        return self.headers.get("Host") not in {f"{HOST}:{port}", f"localhost:{port}"}

    def _send_json(self, status: HTTPStatus, content: object) -> None:
        self._send(status, "application/json", json.dumps(content))

    def _send(self, status: HTTPStatus, kind: str, content: str) -> None:
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: what is asked is nobody else's."""
