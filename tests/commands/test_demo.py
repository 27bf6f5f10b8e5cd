from pathlib import Path

import pytest

from pipeline import __main__ as command_line
from pipeline.commands import demo
from pipeline.core.files import write_json
from pipeline.serving.model import collect_parts
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS
from tests.support.served import trained, trained_on_series


def parts_of(folder, models, encoded):
    """The parts of a model."""
    collect_parts(folder / "parts", folder=models, encoded=encoded, temperature=None)
    return folder / "parts"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with parameters and nothing else, in which a model's address is a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    monkeypatch.setattr(
        "pipeline.serving.addresses.find_parts", lambda _, address, __: Path(address)
    )
    return tmp_path


def test_without_trained_models_it_says_how_to_get_them(project, capsys):
    """By default two of `results/models` are asked."""
    assert command_line.main(["demo", "--no-browser"]) == 4
    said = capsys.readouterr().err
    assert "results/models/bilstm-1 holds no trained model" in said
    assert "make repro" in said


def test_it_says_where_the_page_is(project, monkeypatch, capsys):
    """And serves it until it is stopped; the same title twice gets its address."""
    from pipeline.demo.server import DemoServer

    folder = parts_of(project, *trained(project / "one", "additive"))
    models = demo.load_titled(Workspace.current(), [str(folder), f"{folder}/."])
    assert list(models) == ["model, seed –", f"model, seed – ({folder}/.)"]
    monkeypatch.setattr(DemoServer, "serve_forever", lambda _: None)
    monkeypatch.setattr(demo, "load_titled", lambda *_: models)
    assert command_line.main(["demo", "--no-browser", "--port", "0", "--model", "any"]) == 0
    assert "http://127.0.0.1:" in capsys.readouterr().out


def test_a_model_of_a_series_is_refused(project, capsys):
    """With the command that takes its input."""
    models, encoded, _ = trained_on_series(project / "series")
    folder = parts_of(project, models, encoded)
    assert command_line.main(["demo", "--no-browser", "--model", str(folder)]) == 3
    said = capsys.readouterr().err
    assert "reads a series of load, oil, not texts" in said
    assert "predict --file" in said


def test_samples_are_the_first_texts_of_the_test_set(project):
    """With their labels' names; none where there is no such file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    workspace = Workspace.current()
    assert demo.first_texts(workspace) == []
    write_json(workspace.encoded / "encoding.json", {"classes": ["neg", "pos"]})
    workspace.raw.mkdir(parents=True)
    rows = {"text": [f"text {number}" for number in range(20)], "label": [0, 1] * 10}
    pq.write_table(pa.table(rows), workspace.raw / "test.parquet")
    samples = demo.first_texts(workspace)
    assert len(samples) == demo.SAMPLES
    assert samples[1] == ("text 1", "pos")
