"""Every kind of data a user may bring, through all stages up to the report, at tiny sizes."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline.core import params, runtime
from pipeline.core.files import read_json, read_table, read_text
from pipeline.core.predictions import NAIVE_BAYES, TFIDF
from pipeline.evaluation import outputs
from pipeline.stages import download, encode, evaluate, explain, reference, report, train
from pipeline.tracking import records
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS

DOCUMENT = YAML(typ="safe").load(PARAMS.read_text())
TINY = {"embedding": 6, "units": 4, "batch_size": 16, "epochs": 1, "min_epochs": 1}
FEW_ROWS = {
    "samples": 4,
    "faithfulness_rows": 12,
    "candidate_rows": 6,
    "integration_steps": 4,
    "lime_rows": 3,
    "lime_samples": 20,
    "randomized_rows": 4,
}
CLASSIFIED = {"accuracy", "f1", "roc_auc", "log_loss", "ece"}
MEASURED = {"mae", "rmse", "mse", "r2"}


class Untracked:
    """Stands in for the logger of epochs, which has tests of its own."""

    def __init__(self, *_, **__): ...

    def __enter__(self):
        return self

    def __exit__(self, *_): ...

    def epoch(self, *_): ...


@pytest.fixture
def learn(tmp_path, monkeypatch):
    """Run all stages on an entry of `datasets`; returns the workspace."""
    monkeypatch.setattr(train, "EpochLogger", Untracked)
    monkeypatch.setattr(runtime, "pin_threads", lambda _: None)
    # The comparison's images, a model with one seed in each, once more: test_plots.py has them.
    monkeypatch.setattr(outputs, "run_images", lambda *_: {})
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run.txt").touch()

    def run(name, source, encoding, models=("bilstm_attention",), images=True, **training):
        if not images:  # which other data has here
            monkeypatch.setattr(outputs, "plot_images", lambda *_: {})
        document = {
            **DOCUMENT,
            "dataset": name,
            "models": list(models),
            "seeds": [1],
            "datasets": {
                name: {"source": source, "encode": encoding, "training": {**TINY, **training}}
            },
            "evaluate": {"resamples": 100},
            "explain": FEW_ROWS,
        }
        workspace = Workspace(tmp_path)
        with workspace.params.open("w") as file:
            YAML(typ="safe").dump(document, file)
        download.run(workspace)
        encode.run(workspace)
        for model in models:
            train.run(workspace, model, 1)
        for stage in (reference, evaluate, explain, report):
            stage.run(workspace)
        return workspace

    return run


def results(workspace):
    """`metrics.json`'s models, `comparison.json`, `faithfulness.json` and the report."""
    return (
        read_json(workspace.metrics)["models"],
        read_json(workspace.comparison),
        read_json(workspace.explanations / "faithfulness.json"),
        read_text(workspace.report),
    )


def samples(workspace):
    """`samples.json` of the attention model."""
    return read_json(workspace.explanations / "bilstm_attention-1" / "samples.json")


def test_a_csv_with_four_classes_named_by_strings(learn, tmp_path):
    """Class by class, two models beside the reference, rare classes weighted."""
    words = {"sport": "goal", "money": "bank", "space": "orbit", "food": "soup"}
    counts = {"sport": 12, "money": 12, "space": 30, "food": 12}
    rows = [
        (f"text {number} about {words[topic]} and {word}", topic)
        for topic, count in counts.items()
        for number, word in zip(range(count), "abcdefghijklmnopqrstuvwxyzäöüß", strict=False)
    ]
    pd.DataFrame(rows, columns=["story", "topic"]).to_csv(tmp_path / "in.csv", index=False)
    workspace = learn(
        "topics",
        {"kind": "files", "path": "in.csv", "text_column": "story", "label_column": "topic"},
        {"vocabulary": 60, "max_len": 12, "bigrams": 20, "trigrams": 5},
        models=("bilstm", "bilstm_attention"),
        class_weight="balanced",
    )
    assert read_json(workspace.model("bilstm", 1) / "model.json")["trigrams"] == 5
    measured, comparison, faithfulness, page = results(workspace)
    assert set(measured) == {TFIDF, NAIVE_BAYES, "bilstm", "bilstm_attention"}
    assert set(measured["bilstm"]["test"]) == CLASSIFIED
    assert comparison["task"] == "multiclass"
    of_class = comparison["models"]["bilstm"]["per_class"]
    assert {one["class"] for one in of_class} == set(words)
    assert set(faithfulness["models"]["bilstm_attention"]["words"]) == set(words)
    assert all(len(sample["probabilities"]) == 4 for sample in samples(workspace)["samples"])
    assert all(f"<h3>{topic}</h3>" in page for topic in words)


def test_a_zip_of_places_by_price(learn, tmp_path):
    """Classes named $ and $$, a title and a body, and no place in two splits."""
    lines = [
        f"place {n // 3},title {n},{'cheap' if n % 2 else 'dear'} {n},{'$' if n % 2 else '$$'}"
        for n in range(90)
    ]
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("places.csv", "\n".join(["place,title,body,price", *lines]))
    workspace = learn(
        "places",
        {
            "kind": "files",
            "path": "in.zip",
            "text_column": ["title", "body"],
            "label_column": "price",
            "group_column": "place",
        },
        {"vocabulary": 60, "max_len": 12},
    )
    measured, comparison, _, page = results(workspace)
    assert set(measured["bilstm_attention"]["test"]) == CLASSIFIED
    assert comparison["classes"] == ["$", "$$"]
    assert "<b>$$</b>" in page
    assert samples(workspace)["samples"][0]["text"].startswith("title ")
    train, test = (read_table(workspace.raw / f"{name}.parquet") for name in ("train", "test"))
    rows = {
        name: read_table(workspace.encoded / f"{name}.parquet")["row"].to_numpy()
        for name in ("train", "validation")
    }
    groups = {name: set(train["group"].to_numpy()[numbers]) for name, numbers in rows.items()}
    groups["test"] = set(test["group"].to_pylist())
    assert sum(map(len, groups.values())) == len(set.union(*groups.values())) == 30


def test_chinese_json_lines(learn, tmp_path):
    """No blanks between the words: each character is a token, and is highlighted."""
    lines = [
        {"text": f"这部电影非常{good}，我看了{number}遍。", "label": label}
        for number in range(20)
        for good, label in (("好看", "好"), ("无聊", "差"))
    ]
    content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "in.jsonl").write_text(content + "\n", encoding="utf-8")
    workspace = learn(
        "films", {"kind": "files", "path": "in.jsonl"}, {"vocabulary": 60, "max_len": 30}
    )
    measured, _, _, page = results(workspace)
    assert set(measured["bilstm_attention"]["test"]) == CLASSIFIED
    sample = samples(workspace)["samples"][0]
    tokens = {sample["text"][token["start"] : token["end"]] for token in sample["tokens"]}
    assert {"电", "影"} < tokens
    assert sum(token["weight"] for token in sample["tokens"]) == pytest.approx(1, abs=1e-3)
    assert "电" in page


def test_a_folder_of_parquet_files_in_byte_pairs(learn, tmp_path):
    """Its own splits are kept; pieces of words are highlighted, none is unknown."""
    folder = tmp_path / "in"
    folder.mkdir()
    for split, first in (("train", 0), ("validation", 100), ("test", 200)):
        numbers = np.arange(first, first + 24)
        texts = [f"Größe {n}: unbelievably {'good 🎉' if n % 2 else 'bad 😡'}" for n in numbers]
        table = pd.DataFrame({"text": texts, "label": numbers % 2})
        table.to_parquet(folder / f"{split}.parquet")
    workspace = learn(
        "pieces",
        {"kind": "files", "path": "in", "classes": ["bad", "good"]},
        {"tokenizer": "bpe", "vocabulary": 300, "max_len": 40},
        images=False,
    )
    about = read_json(workspace.encoded / "encoding.json")
    assert {name: split["rows"] for name, split in about["splits"].items()} == {
        "train": 24, "validation": 24, "test": 24,
    }  # fmt: skip
    assert about["splits"]["test"]["unknown_token_share"] == 0
    assert "🎉" in results(workspace)[3]


def test_the_adding_problem(learn):
    """Beside the mean; the attention is held against the two marked steps."""
    workspace = learn(
        "adding",
        {
            "kind": "adding", "train": 60, "validation": 20, "test": 20, "time_steps": 12,
            "seed": 1,
        },
        {"standardize": False},
    )  # fmt: skip
    measured, comparison, faithfulness, page = results(workspace)
    assert set(measured) == {"mean", "ridge", "bilstm_attention"}
    assert set(measured["mean"]["test"]) == MEASURED
    assert measured["mean"]["test"]["mse"]["mean"] == pytest.approx(1 / 6, rel=0.6)
    assert measured["mean"]["validation"]["r2"]["mean"] <= 0
    assert comparison["method"]["block"] == 1
    for name, drawn in {
        "roc": False,
        "confusion": False,
        "predicted": True,
        "errors": True,
    }.items():
        assert bool(read_text(workspace.plots / f"{name}.csv")) == drawn
        assert (workspace.plots / "images" / f"{name}.png").exists() == drawn
    [fit] = faithfulness["models"]["bilstm_attention"]["seeds"].values()
    assert fit["evidence"]["expected"]["mean"] == pytest.approx(2 / 12, abs=1e-6)
    for sample in samples(workspace)["samples"]:
        assert len(sample["weights"]) == len(sample["values"]) == 12
    assert "marker" in page
    found = records.collect(workspace, params.load_params(workspace.params).runs)
    assert {record.name for record in found} == {
        "mean", "ridge", "bilstm_attention", "bilstm_attention-1", "comparison",
    }  # fmt: skip
    assert [record.name for record in found if record.servable] == ["bilstm_attention-1"]


def test_windows_of_an_hourly_series(learn, tmp_path):
    """Beside every naive forecast; intervals draw windows that overlap as blocks."""
    hours = pd.date_range("2020-01-01", periods=400, freq="h")
    rng = np.random.default_rng(0)
    load = np.sin(np.arange(400) * 2 * np.pi / 24) + rng.normal(0, 0.1, 400)
    table = pd.DataFrame({"date": hours, "load": 10 + load, "oil": 5 + 2 * load})
    table.to_csv(tmp_path / "in.csv", index=False)
    workspace = learn(
        "oil",
        {
            "kind": "series",
            "path": "in.csv",
            "time_column": "date",
            "features": ["load", "oil"],
            "target": "oil",
            "split": {"train": 200, "validation": 100, "test": 100},
        },
        {"window": 24, "horizon": 6, "season": 24},
        images=False,
    )
    measured, comparison, faithfulness, page = results(workspace)
    assert set(measured) == {"mean", "last_value", "seasonal", "ridge", "bilstm_attention"}
    mse = {name: model["test"]["mse"]["mean"] for name, model in measured.items()}
    assert mse["seasonal"] < 0.2 < mse["mean"]
    assert mse["last_value"] > mse["seasonal"]
    assert comparison["method"]["block"] == 30
    assert comparison["rows"]["test"] == 100 - 24 - 6 + 1
    assert faithfulness["models"]["bilstm_attention"]["words"] is None
    assert "oil" in page


def test_several_series_in_one_file(learn, tmp_path):
    """Beside naive forecasts; a block of the bootstrap holds the windows of every shop."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2023-01-01", periods=100).strftime("%d/%m/%Y")
    lines = [
        (day, shop, 10 * shop + np.sin(number * 2 * np.pi / 7) + rng.normal(0, 0.1))
        for number, day in enumerate(days)
        for shop in (1, 2, 3)
    ]
    pd.DataFrame(lines, columns=["Date", "Shop", "Sales"]).to_csv(tmp_path / "in.csv", index=False)
    workspace = learn(
        "shops",
        {
            "kind": "series",
            "path": "in.csv",
            "time_column": "Date",
            "time_format": "%d/%m/%Y",
            "series_column": "Shop",
            "features": ["Sales"],
            "target": "Sales",
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        },
        {"window": 7, "season": 7, "relative": True},
        images=False,
    )
    measured, comparison, _, _ = results(workspace)
    mse = {name: model["test"]["mse"]["mean"] for name, model in measured.items()}
    assert mse["seasonal"] < mse["last_value"] < 1
    assert comparison["method"]["block"] == 3 * 8
    assert comparison["rows"]["test"] == 3 * (20 - 7)


def test_whole_sequences_are_classified(learn, tmp_path):
    """A list of numbers in each row, beside the classes' frequencies."""
    rng = np.random.default_rng(0)
    up = np.arange(40) % 2
    values = (np.linspace(-1, 1, 8) * (2 * up - 1)[:, None] + rng.normal(0, 0.1, (40, 8))).tolist()
    names = np.where(up, "rising", "falling")
    pd.DataFrame({"level": values, "trend": names}).to_parquet(tmp_path / "in.parquet")
    workspace = learn(
        "trends",
        {"kind": "sequences", "path": "in.parquet", "features": ["level"], "target": "trend"},
        {},
        images=False,
    )
    measured, comparison, _, page = results(workspace)
    assert set(measured) == {"class_frequencies", "bilstm_attention"}
    assert measured["class_frequencies"]["test"]["accuracy"]["mean"] == 0.5
    assert set(measured["bilstm_attention"]["test"]) == CLASSIFIED
    assert comparison["classes"] == ["falling", "rising"]
    assert "rising" in page
