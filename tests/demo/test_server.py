import http.client
import json
import re
import threading

import pytest
from playwright.sync_api import expect

from pipeline.demo.server import Demo, DemoServer, Sample
from pipeline.serving.inputs import CHARACTERS
from pipeline.serving.model import LoadedParts, collect_parts
from tests.support.browser import CHROMIUM, browser_page
from tests.support.served import MAX_LEN, TEMPERATURE, TEXTS, trained

HOSTILE = "<script>document.title = 'run'</script> & <b>bold</b>"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A demo of a model without attention and one with it, on a free port."""
    models = {}
    for pooling in ("last", "additive"):
        folder = tmp_path_factory.mktemp(pooling)
        trained_in, encoded = trained(folder, pooling)
        parts = folder / "parts"
        collect_parts(parts, folder=trained_in, encoded=encoded, temperature=TEMPERATURE)
        models[f"<i>{pooling}</i>, seed 1"] = LoadedParts(parts)
    samples = [Sample(TEXTS[1], "pos"), Sample(HOSTILE, "neg")]
    with DemoServer(Demo(models, samples), 0) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server, body, *, path="/ask", host=None, **headers):
    """Send a request; returns the status, the headers and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    method = "GET" if body is None else "POST"
    named = {**({"Host": host} if host else {}), **headers}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response.status, dict(response.headers), content


def test_each_model_answers_with_probabilities_and_its_text(server):
    """Every class, in the same order; words have weights where the model has attention."""
    status, _, content = ask(server, json.dumps({"text": TEXTS[1]}))
    first, second = json.loads(content)["answers"]
    assert status == 200
    for answer in (first, second):
        assert [name for name, _ in answer["probabilities"]] == ["neg", "pos"]
        assert sum(share for _, share in answer["probabilities"]) == pytest.approx(1)
    assert "no attention weights" in first["html"]
    assert second["html"].count("title=") == MAX_LEN


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"text": ""}', "holds '' instead"),
        ('{"text": " \\n "}', "instead of words"),
        ('{"text": null}', "holds nothing"),
        ('{"text": 3}', "holds 3"),
        ('{"text": "a \\ud800"}', "no character of UTF-8"),
        (json.dumps({"text": "a" * (CHARACTERS + 1)}), "1,000,001 characters"),
        ("{}", "must be JSON"),
        ("[1]", "must be JSON"),
        ("\udcff".encode(errors="surrogateescape"), "must be JSON"),
        ("[" * 100_000, "must be JSON"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(server, body, said):
    """And the server goes on."""
    status, _, content = ask(server, body)
    assert status == 400
    assert said in json.loads(content)["error"]
    assert ask(server, '{"text": "fine"}')[0] == 200


def test_a_request_beyond_the_limit_is_not_read(server):
    """Its size is told before it comes."""
    assert ask(server, "", **{"Content-Length": str(10**9)})[0] == 413
    assert ask(server, "", **{"Content-Length": "-1"})[0] == 413


def test_other_sites_and_other_paths_get_nothing(server):
    """A name that leads to this machine is not the page's own address."""
    port = server.server_port
    assert ask(server, None, path="/", host=f"evil.example:{port}")[0] == 404
    assert ask(server, '{"text": "fine"}', host="evil.example")[0] == 404
    assert ask(server, None, path="/etc/passwd")[0] == 404
    assert ask(server, None, path="/", host=f"localhost:{port}")[0] == 200
    _, headers, _ = ask(server, None, path="/")
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(server, width):
    """Choose a sample, leave out a word, undo; it fits the screen, and asks this machine alone."""
    requested, complaints = [], []
    with browser_page(width=width) as page:
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url)
        plain, attentive = page.locator("article").all()
        text, said = page.get_by_label("Text", exact=True), page.get_by_role("status")
        undo, share = page.get_by_role("button", name="Undo"), attentive.locator("tr:nth-child(2)")

        page.get_by_label("A text of the test set").select_option(index=1)
        expect(share).to_contain_text("%")
        before = share.inner_text()
        words = [card.locator(".word").all_inner_texts() for card in (plain, attentive)]
        assert words[0] == ["Warm,", "funny,", "and", "over"]  # the rest is not read
        assert words[1] == ["Warm", ",", "funny", ",", "and", "over"]

        attentive.locator(".word").nth(2).click()
        expect(said).to_have_text("without “funny”")
        assert text.input_value() == "Warm, , \n and over too soon!"
        shares = [float(re.search(r"([\d.]+) %", row)[1]) for row in (before, share.inner_text())]
        assert abs(shares[1] - shares[0]) > 0.1
        moved = float(re.search(r"([+−][\d.]+) points", share.inner_text())[1].replace("−", "-"))
        assert moved == pytest.approx(shares[1] - shares[0], abs=0.11)  # each is rounded

        undo.click()
        expect(said).to_have_text("undone")
        assert share.inner_text().split()[:3] == before.split()[:3]
        expect(undo).to_be_disabled()

        text.fill(HOSTILE)
        page.get_by_role("button", name="Ask").click()
        expect(attentive.locator(".text")).to_contain_text("document.title")
        expect(page).to_have_title("Ask the models")
        assert page.locator("article .text :is(b, i, script)").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        page.evaluate('fetch("https://example.com/").catch(() => null)')
    assert len(requested) >= 5
    assert all(url.startswith((server.url, "data:")) for url in requested)
    # The only complaint: that last request was refused before it was made.
    assert complaints
    for complaint in complaints:
        assert "example.com" in complaint
        assert "Content Security Policy" in complaint
