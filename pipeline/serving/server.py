"""MLflow's scoring server for one model, with a reason for requests at which it would fail.

    python -P server.py MODEL --host 127.0.0.1 --port 5001

It imports nothing of this project, for the model brings the code that it was packed with.
"""

import argparse
import contextlib
import json
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator

import mlflow
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mlflow.pyfunc import scoring_server

_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
_WRITTEN = re.compile(rf"{_HALF.pattern}|\\u[dD][89a-fA-F]")  # in JSON; also in a whole pair


def fault(body: bytes) -> str | None:
    """Why a request's JSON can't be read, where MLflow would not say it; None if it can."""
    try:
        written = body.decode(json.detect_encoding(body), "surrogatepass")
        content = json.loads(written)
        return _half(content) if _WRITTEN.search(written) else None
    except RecursionError:
        return "The JSON is nested too deeply: a request is an object of rows."
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None  # MLflow says where
    except ValueError as error:  # a number of more than 4,300 digits
        return f"The JSON can't be read: {error}."


def _half(content: object) -> str | None:
    """Where half of a surrogate pair stands."""
    for row, text in _strings(content):
        if found := _HALF.search(text):
            where = "The request" if row is None else f"Row {row} (from 0)"
            return f"{where} holds {found[0]!r}, half of a surrogate pair: leave it out."
    return None


def _strings(value: object, row: int | None = None) -> Iterator[tuple[int | None, str]]:
    """The strings in a JSON value, each with its row: the index in the outermost list."""
    if isinstance(value, str):
        yield row, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield row, key
            yield from _strings(part, row)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _strings(part, number if row is None else row)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep what is written to the process's standard error to itself, unless there is an error.

    As `core.runtime.quiet_imports` does, which this file, on its own in an image, can't import.
    """
    original = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(original, captured.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


def application(uri: str) -> FastAPI:
    """MLflow's application for a model, which refuses faulty requests with status 400."""
    app: FastAPI = scoring_server.init(mlflow.pyfunc.load_model(uri))

    @app.middleware("http")
    async def check(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
        kind = request.headers.get("Content-Type", "")
        message = None
        if request.method == "POST" and not kind:
            message = "The request has no Content-Type: send application/json."
        elif kind.startswith("application/json"):
            message = fault(await request.body())
        if message:
            return JSONResponse({"error_code": "BAD_REQUEST", "message": message}, 400)
        return await follow(request)

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5001)
    given = parser.parse_args()
    with silent():  # here, not in the model, which programs of others load, too
        import tensorflow  # noqa: F401
    uvicorn.run(application(given.model), host=given.host, port=given.port)
