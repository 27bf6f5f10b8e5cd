import http.client
import json
import threading

import pytest

from pipeline.demo.server import Demo, DemoServer, Sample
from pipeline.serving.inputs import CHARACTERS
from pipeline.serving.model import LoadedParts, collect_parts
from tests.support.browser import CHROMIUM, browser
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
def test_in_a_browser(server, tmp_path, width):
    """Choose a sample, leave out a word, undo; it fits the screen, and asks this machine alone."""
    answered = """
      const answered = () => new Promise(done => {
        const status = document.querySelector("[role=status]");
        const look = () => status.textContent === "…" ? setTimeout(look, 10) : done();
        setTimeout(look, 10);
      });
      const shares = () => [...document.querySelectorAll("article")].map(card => card.shares.pos);
    """
    with browser(tmp_path) as tab:
        tab.open(server.url, width=width)
        before, words = tab.run(f"""{answered}
          const select = document.getElementById("sample");
          select.selectedIndex = 1;
          select.dispatchEvent(new Event("change"));
          await answered();
          const words = [...document.querySelectorAll("article")].map(
            card => [...card.querySelectorAll(".word")].map(word => word.textContent));
          return [shares(), words];""")
        assert words[0] == ["Warm,", "funny,", "and", "over"]  # the rest is not read
        assert words[1] == ["Warm", ",", "funny", ",", "and", "over"]
        after, text, said, moved = tab.run(f"""{answered}
          document.querySelectorAll("article")[1].querySelectorAll(".word")[2].click();
          await answered();
          return [shares(), document.getElementById("text").value,
            document.querySelector("[role=status]").textContent,
            document.querySelectorAll("article tr td:last-child")[3].textContent];""")
        assert text == "Warm, , \n and over too soon!"
        assert said == "without “funny”"
        change = after[1] - before[1]
        assert abs(change) > 1e-3
        assert moved == f"{'−' if change < 0 else '+'}{abs(100 * change):.1f} points"
        undone, left = tab.run(f"""{answered}
          const undo = document.getElementById("undo");
          undo.click();
          await answered();
          return [shares(), undo.disabled];""")
        assert undone == pytest.approx(before)
        assert left
        title, elements = tab.run(f"""{answered}
          document.getElementById("text").value = {json.dumps(HOSTILE)};
          document.querySelector("form").requestSubmit();
          await answered();
          return [document.title, document.querySelectorAll("article b, article i").length];""")
        assert (title, elements) == ("Ask the models", 1)  # the heaviest word's own
        assert tab.run("return document.documentElement.scrollWidth <= innerWidth")
        tab.run('await fetch("https://example.com/").catch(() => null);')
        asked = [url for url in tab.requested if not url.startswith(("data:", "about:"))]
        assert len(asked) >= 5
        assert all(url.startswith(server.url) for url in asked)
        # The only complaint: that last request was refused before it was made.
        assert tab.complaints
        for complaint in map(json.dumps, tab.complaints):
            assert "example.com" in complaint
            assert "Content Security Policy" in complaint
