import json

import pytest
from huggingface_hub import ModelCard

from pipeline.tracking.model_card import hub_card
from pipeline.tracking.provenance import DataVersion
from pipeline.tracking.records import Record

SERIES = {"kind": "series", "features": ["load", "oil"], "time_steps": 9, "target": "oil"}
KINDS = {
    "text-classification": {"kind": "text", "classes": ["neg", "pos"], "max_len": 400},
    "tabular-classification": {**SERIES, "classes": ["calm", "busy"]},
    "tabular-regression": {**SERIES, "classes": []},
    "time-series-forecasting": {**SERIES, "classes": [], "horizon": 2},
}


def card(about, **source):
    """The card of a model whose test accuracy is 0.9; another metric is not defined."""
    spread = {"mean": 0.9, "sd": None}
    metrics = {"validation": {"accuracy": spread}, "test": {"accuracy": spread, "roc_auc": spread}}
    metrics["validation"]["roc_auc"] = spread
    record = Record(
        name="tiny-1",
        kind="run",
        fingerprint="f",
        params={"model": "tiny"},
        tags={},
        metrics={"test/accuracy": 0.9},
    )
    data = DataVersion("reviews", "abc.dir", "local", json.dumps(source), {"test": 4}, (), {})
    document = {"models": {"tiny": {**metrics, "seeds": [1]}}, "headline": "Use tiny."}
    return ModelCard(hub_card(record, document, data, {"dataset": "reviews", **about}))


@pytest.mark.parametrize("task", KINDS)
def test_the_hubs_library_reads_task_and_result(task):
    """Of every kind of data; a metric that is not defined has no value there."""
    data = card(KINDS[task], kind="csv", path="reviews.csv", revision=None).data
    (result,) = data.eval_results
    assert data.pipeline_tag == result.task_type == task
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.9)
    found = (result.dataset_type, result.dataset_name, result.dataset_revision)
    assert found == ("reviews", "reviews", "abc.dir")
    assert data.metrics == ["accuracy", "roc_auc"]
    assert data.datasets is None


def test_data_of_the_hub_is_linked():
    """By its path and revision there."""
    source = {"kind": "hub", "path": "stanfordnlp/imdb", "revision": "e6281661"}
    made = card(KINDS["text-classification"], **source)
    (result,) = made.data.eval_results
    assert made.data.datasets == ["stanfordnlp/imdb"]
    assert (result.dataset_type, result.dataset_revision) == ("stanfordnlp/imdb", "e6281661")
    assert made.text.lstrip().startswith("# tiny-1 on reviews")
