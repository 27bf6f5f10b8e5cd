import csv
import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from pipeline import __main__ as command_line
from pipeline.commands import predict, serve
from pipeline.serving import writers
from pipeline.serving.answers import Answer, Answered
from pipeline.serving.inputs import CHARACTERS
from pipeline.serving.model import collect_parts
from pipeline.serving.questions import Question
from tests.support.html_page import Page
from tests.support.paths import PARAMS, PROJECT
from tests.support.served import (
    FEATURES,
    STEPS,
    TEMPERATURE,
    TEXTS,
    asked,
    loaded,
    trained,
    trained_on_series,
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Name → the parts of a model with attention, one without, and one of a series."""
    found = {}
    for name, pooling in {"attention": "additive", "last": "last"}.items():
        folder = tmp_path_factory.mktemp(name)
        models, encoded = trained(folder, pooling)
        found[name] = folder / "parts"
        collect_parts(found[name], folder=models, encoded=encoded, temperature=TEMPERATURE)
    folder = tmp_path_factory.mktemp("series")
    models, encoded, hours = trained_on_series(folder)
    found["series"], found["hours"] = folder / "parts", hours
    collect_parts(found["series"], folder=models, encoded=encoded, temperature=None)
    found["value"] = loaded(models, encoded).predict(None, _frame(asked(hours)))["value"][0]
    return found


def _frame(columns):
    import pandas as pd

    return pd.DataFrame(columns)


@pytest.fixture
def project(tmp_path, monkeypatch, parts):
    """A folder with parameters, where a model's address is its name in `parts`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    monkeypatch.setattr(
        "pipeline.serving.addresses.find_parts",
        lambda _, address, __: parts["attention" if "@champion" in address else address],
    )
    return tmp_path


def ask(*arguments):
    """Call the command; returns its exit code."""
    return command_line.main(["predict", *map(str, arguments)])


def test_a_text_gets_a_probability_for_every_class(project, capsys):
    """By the champion, the most probable first; without a terminal there is no color."""
    assert ask(TEXTS[0], "--explain") == 0
    shown = capsys.readouterr().out
    _, first, second, *rest = shown.splitlines()
    assert "◂" in first
    assert {first.split()[0], second.split()[0]} == {"neg", "pos"}
    shares = [float(line.split()[1]) for line in (first, second)]
    assert sum(shares) == pytest.approx(100, abs=0.11)
    assert shares[0] >= shares[1]
    assert any(line.startswith("heaviest: ") for line in rest)
    assert "\x1b" not in shown


def test_a_file_of_answers_holds_every_row(project, capsys):
    """The same in each format, and as the model serves them; JSON lines go to the terminal too."""
    (project / "in.txt").write_text("\n".join(TEXTS))
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert ask("--file", "in.txt", "--out", name, "--explain") == 0
    assert "4 rows → a.parquet" in capsys.readouterr().err
    assert ask("--file", "in.txt", "--json", "--explain") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["row"] for row in rows] == [1, 2, 3, 4]
    assert all(row["label"] == max(("neg", "pos"), key=lambda c: row[f"probability_{c}"])
               for row in rows)  # fmt: skip
    assert [json.loads(line) for line in (project / "a.jsonl").read_text().splitlines()] == rows
    assert pq.read_table(project / "a.parquet").to_pylist() == rows
    with (project / "a.csv").open(newline="", encoding="utf-8") as file:
        of_csv = list(csv.DictReader(file))
    assert [json.loads(row["tokens"]) for row in of_csv] == [row["tokens"] for row in rows]
    assert [float(row["probability_pos"]) for row in of_csv] == [
        row["probability_pos"] for row in rows
    ]


def test_a_file_may_hold_longer_texts_than_a_request(project, capsys):
    """Those limits are a server's; a model reads a part of a long text."""
    (project / "in.txt").write_text(f"{TEXTS[0]} {'and so on ' * 100_001}\n{TEXTS[0]}\n")
    assert ask("--file", "in.txt", "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(first["text"]) > CHARACTERS
    assert first["probability_pos"] == second["probability_pos"]


def test_a_text_is_no_formula_in_a_csv(tmp_path):
    """Whoever wrote it; nor does a carriage return end its row. Other formats hold it as it is."""
    texts = ["=HYPERLINK(1)", "-1", "a\rb", "plain"]
    rows = [
        Answered(number, Question("", text), {"m": Answer({"@up": 1.0}, None, {}, [])})
        for number, text in enumerate(texts, 1)
    ]
    for suffix, write in writers.FILES.items():
        with write(tmp_path / f"a{suffix}", False) as sink:
            sink(rows)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["text"] for row in found] == ["'=HYPERLINK(1)", "-1", "a b", "plain"]
    assert {row["label"] for row in found} == {"'@up"}
    assert pq.read_table(tmp_path / "a.parquet").column("text").to_pylist() == texts


def test_two_models_stand_side_by_side(project, capsys):
    """Each under its own address, with its own numbers."""
    both = ["--model", "attention", "--model", "last"]
    assert ask(TEXTS[0], *both, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["attention/probability_pos"] != found["last/probability_pos"]
    assert ask(TEXTS[0], *both, "--explain") == 0
    assert "no attention weights" in capsys.readouterr().out


def test_the_page_shows_each_text_with_its_weights(project):
    """The attention page's own colors; a text is text, whatever it holds."""
    (project / "in.jsonl").write_text(json.dumps({"text": "<script>dull & <b>far"}) + "\n")
    assert ask("--file", "in.jsonl", "--html", "a.html", "--model", "attention",
               "--model", "last") == 0  # fmt: skip
    page = Page((project / "a.html").read_text(encoding="utf-8"))
    assert len(page.all("article", cls="sample")) == 2
    assert "<script>dull & <b>far" in page.text
    assert page.all("span", cls="t")
    assert "This model has no attention weights." in page.text
    assert not page.all("script")


def test_a_series_is_asked_by_its_last_window(project, parts, capsys):
    """From a file with a row a step: the value in its own unit, as served."""
    with (project / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows([FEATURES, *parts["hours"][:STEPS].tolist()])
    assert ask("--file", "s.csv", "--model", "series", "--json", "--explain") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["value"] == pytest.approx(parts["value"], abs=1e-4)
    assert len(found["steps"]) == STEPS
    assert ask("--file", "s.csv", "--model", "series", "--explain", "--html", "s.html") == 0
    assert Page((project / "s.html").read_text()).all("svg", cls="window")
    assert ask("a text", "--model", "series") == 2
    assert "load, oil" in capsys.readouterr().err
    (project / "w.jsonl").write_text(json.dumps({"load": [1.0] * 3, "oil": [1.0] * STEPS}))
    assert ask("--file", "w.jsonl", "--model", "series") == 3
    assert "w.jsonl, line 1: `load` holds 3 values" in capsys.readouterr().err
    assert ask("--file", "s.csv", "--model", "series", "--model", "last") == 2
    assert "different inputs" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "  \n", "a\udcff"])
def test_what_is_no_text_is_refused(project, capsys, text):
    """With what it is."""
    assert ask(text) == 3
    assert "instead of a text" in capsys.readouterr().err


def test_a_bad_row_at_the_end_leaves_no_half_of_a_file(project, capsys):
    """It is found before any row is answered."""
    (project / "in.jsonl").write_text('{"text": "x"}\n' * 300 + '{"text": null}\n')
    (project / "out.csv").write_text("before")
    assert ask("--file", "in.jsonl", "--out", "out.csv") == 3
    assert "line 301" in capsys.readouterr().err
    assert (project / "out.csv").read_text() == "before"
    assert {path.name for path in project.iterdir()} == {"params.yaml", "in.jsonl", "out.csv"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give a text or a file."),
        (["a", "--file", "in.txt"], "not both"),
        (["a", "b"], "2 texts were given"),
        (["a", "--column", "text"], "--column"),
        (["--file", "in.txt", "--column", "text"], "--column"),
        (["a", "--json", "--out", "a.csv"], "--json"),
        (["a", "--model", "last", "--model", "last"], "twice"),
        (["a", "--out", "a.xlsx"], "a.xlsx can't be written"),
        (["a", "--out", "no/a.csv"], "its folder does not exist"),
        (["a", "--html", "a.csv"], "a.csv can't be written"),
        (["--file", "in.jsonl", "--out", "in.jsonl"], "would be overwritten"),
    ],
)
def test_arguments_that_do_not_fit_are_an_error_at_once(project, capsys, arguments, said):
    """With what to give instead."""
    (project / "in.txt").touch()
    (project / "in.jsonl").touch()
    assert ask(*arguments) == 2
    assert said in capsys.readouterr().err


def test_arguments_are_checked_before_any_library_is_imported():
    """A mistake is told in a moment."""
    code = (
        "import sys; from pipeline.__main__ import main\n"
        "main(['predict', '--file', 'missing.csv'])\n"
        "print(sorted({'mlflow', 'tensorflow', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]"
    assert "missing.csv does not exist" in done.stderr


def test_no_more_rows_are_in_memory_than_a_chunk(monkeypatch):
    """Rows are read when the ones before them are written."""
    read, written, most = 0, 0, 0

    def rows():
        nonlocal read, most
        for number in range(1000):
            read += 1
            most = max(most, read - written)
            yield Question(f"row {number}", "x")

    def sink(answered):
        nonlocal written
        assert [row.number for row in answered] == list(range(written + 1, read + 1))
        written += len(answered)

    said = Answer({"pos": 1.0}, None, {}, [])
    monkeypatch.setattr(
        "pipeline.serving.answers.ask", lambda _, chunk, *, explain: [said] * len(chunk)
    )
    assert predict.answer(rows(), 1000, {"m": None}, [sink], explain=False) == written == 1000
    assert most == predict.CHUNK


def test_a_closed_pipe_is_no_error(project):
    """As of `| head`."""
    code = (
        "import sys; from pipeline.commands import predict\n"
        "predict._run = lambda *_: [print('x' * 99) for _ in range(9999)]\n"
        "from pipeline.__main__ import main; sys.exit(main(['predict', 'x']))"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" | head -1', sys.executable, code],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "x" * 99 + "\n"
    assert done.stderr == ""


@pytest.mark.parametrize("command", [["predict", "fine"], ["serve"]])
def test_without_a_champion_it_says_how_to_get_one(tmp_path, monkeypatch, capsys, command):
    """No store is created for the question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    assert command_line.main(command) == 4
    shown = capsys.readouterr().err
    assert "There is no champion yet" in shown
    assert "make repro" in shown
    assert not (tmp_path / "mlflow.db").exists()


def test_the_printed_request_is_one_word_for_the_shell():
    """Quotes in an example don't end it."""
    command = serve.curl({"text": "don't"}, port=5001)
    sent = subprocess.run(
        ["sh", "-c", command.replace("curl", "printf '%s\\n'", 1)],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert json.loads(sent[-1]) == {"text": "don't"}
    assert sent[0] == "http://127.0.0.1:5001/invocations"
