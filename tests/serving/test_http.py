"""MLflow's scoring server, as `make serve` starts it, under several clients and odd requests."""

import http.client
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.evaluation.calibration import calibrate
from pipeline.serving.inputs import ROWS
from tests.support.load import WORDS, load, memory, records, send
from tests.support.paths import PROJECT
from tests.support.processes import free_port
from tests.support.served import TEMPERATURE, TEXTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """What the server writes to its terminal."""
    return tmp_path_factory.mktemp("log") / "server.txt"


@pytest.fixture(scope="module")
def server(packed, log):
    """The process and the port on which it answers."""
    goal, _ = packed
    port = free_port()
    command = [sys.executable, "-m", "pipeline", "serve", "--model", goal, "--port", str(port)]
    with (
        log.open("w") as file,
        subprocess.Popen(command, cwd=PROJECT, stdout=file, stderr=file) as process,
    ):
        try:
            while True:
                assert process.poll() is None, log.read_text()
                try:
                    send(port, records(TEXTS))
                    break
                except ConnectionError:
                    time.sleep(0.2)
            yield process, port
        finally:
            process.terminate()


@pytest.mark.usefixtures("server")
def test_its_terminal_is_for_its_own_lines(log):
    """None of TensorFlow's, with which a log begins that is not initialized."""
    written = log.read_text()
    assert "Uvicorn running" in written
    assert "InitializeLog" not in written, written


# What is sent → the status, and what is said of it.
ODD = {
    "nothing": (records(["fine", None]), 400, "row 1 (from 0) holds nothing"),
    "empty": (records([""]), 400, "row 0 (from 0) holds ''"),
    "blanks": (records(["fine", "fine", " \n\t"]), 400, "row 2 (from 0) holds"),
    "a number": (records(["fine", 3]), 400, "row 1 (from 0) holds 3"),
    "no number": (b'{"dataframe_records": [{"text": NaN}]}', 400, "row 0 (from 0) holds nothing"),
    "a list": (records([["a"]]), 400, "row 0 (from 0) holds"),
    "half a pair": (
        records(["🎬", "a \ud800"]),
        400,
        "Row 1 (from 0) holds '\\ud800'",
    ),
    "half a pair, by column": ({"inputs": {"text": ["a", "b", "\udfff"]}}, 400, "Row 2 (from 0)"),
    "half a pair, raw": (b'{"instances": [{"text": "\xed\xa0\x80"}]}', 400, "Row 0 (from 0)"),
    "half a pair in no row": ({"\ud800": 1}, 400, "The request holds '\\ud800'"),
    "deep JSON": (b"[" * 100_000, 400, "nested too deeply"),
    "5,000 digits": (b'{"inputs": ' + b"9" * 5_000 + b"}", 400, "can't be read: Exceeds the limit"),
    "another column": ({"dataframe_records": [{"words": "a"}]}, 400, "missing inputs ['text']"),
    "no row": (records([]), 400, "missing inputs ['text']"),
    "no JSON": (b"{", 400, "valid JSON"),
    "too many rows": (records(["fine"] * (ROWS + 1)), 400, "a request takes 10,000"),
    "too long": (records(["a" * 1_000_001]), 400, "row 0 (from 0) has 1,000,001 characters"),
    "control characters": (records(["A \x00\x01\x1b[31m marvel \u202e"]), 200, None),
    "100,000 words": (records([" ".join(WORDS * 8_334)]), 200, None),
    "another column too": ({"dataframe_records": [{"text": "a", "id": 3}]}, 200, None),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_gets_an_answer_or_a_reason(server, name):
    """The row is named, the server goes on."""
    process, port = server
    content, expected, said = ODD[name]
    status, answer = send(port, content)
    assert status == expected, answer
    if said:
        assert said in answer["message"]
    else:
        assert len(answer["predictions"]) == 1
    assert process.poll() is None


def test_without_a_content_type_it_asks_for_one(server):
    """MLflow alone would fail."""
    _, port = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/invocations", b"{}")
    response = connection.getresponse()
    assert response.status == 400
    assert "has no Content-Type" in json.load(response)["message"]
    connection.close()


def test_as_many_rows_as_a_request_may_hold(server):
    """Each row is answered as it is alone."""
    _, port = server
    texts = TEXTS * (ROWS // len(TEXTS))
    _, alone = send(port, records(TEXTS))
    status, answer = send(port, records(texts))
    assert (status, len(answer["predictions"])) == (200, ROWS)
    shares = [row["probability"] for row in answer["predictions"][-len(TEXTS) :]]
    expected = [row["probability"] for row in alone["predictions"]]
    np.testing.assert_allclose(shares, expected, atol=1e-5)


def test_under_load_every_answer_is_the_measured_one(server, packed):
    """Eight clients at once, and a ninth that knows what was measured; memory stays bounded."""
    process, port = server
    measured = calibrate(packed[1].outputs, TEMPERATURE).max(axis=1)
    load(port, clients=8, seconds=0.3)
    before = memory(port)
    took = load(port, clients=8, seconds=1)
    status, answer = send(port, records(TEXTS))
    assert len(took) > 8
    assert status == 200
    shares = [row["probability"] for row in answer["predictions"]]
    np.testing.assert_allclose(shares, measured, atol=1e-5)
    assert process.poll() is None
    assert before is None or memory(port) < before + 200
