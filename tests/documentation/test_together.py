"""A network and a linear baseline together, by predictions worked out by hand."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.core.predictions import Predictions
from pipeline.documentation import together
from pipeline.evaluation.condensed import condense
from pipeline.evaluation.results import ModelResult

TARGETS = np.tile([0, 1], 30)
METHOD = {"confidence": 0.95, "resamples": 200, "seed": 0, "block": 1}


def predictions(wrong, *, sure):
    """Probabilities of the right class: `sure`, and of those rows 1 − `sure`."""
    right = np.full(len(TARGETS), sure)
    right[wrong] = 1 - sure
    second = np.where(TARGETS == 1, right, 1 - right)
    outputs = np.column_stack([1 - second, second]).astype(np.float32)
    return Predictions(np.arange(len(TARGETS)), TARGETS, outputs)


@pytest.fixture
def folder(tmp_path):
    """A dataset's results: a network of two seeds, and two baselines, of which one is better."""
    network = [predictions(range(6), sure=0.7), predictions(range(12), sure=0.7)]
    baselines = {"nb": predictions(range(3, 15), sure=0.9), "tfidf": predictions([], sure=0.99)}
    results = [ModelResult(name, (), 1, (run,), (run,)) for name, run in baselines.items()]
    results.append(ModelResult("bilstm", (1, 2), 1, tuple(network), tuple(network)))
    pq.write_table(condense(results), tmp_path / "test.parquet")
    source = "dataset: mine\ndatasets: {mine: {source: {group_rows: 2}}}\n"
    (tmp_path / "params.yaml").write_text(source)
    return tmp_path


def document(losses):
    """A comparison in which the baselines have these log losses on validation."""
    baselines = {name: {"mean": loss} for name, loss in losses.items()}
    models = {name: {"deterministic": name != "bilstm"} for name in ("nb", "tfidf", "bilstm")}
    return {
        "dataset": "mine",
        "task": "binary",
        "method": METHOD,
        "models": models,
        "champion": {"baselines": baselines},
    }


def test_the_mean_of_both_is_compared_with_the_network_alone(folder):
    """Where they disagree the surer one decides; which baseline it is, validation decides."""
    (found,) = together.measure(folder, document({"nb": 0.1, "tfidf": 0.2}))
    assert found.baseline == "nb"
    # Alone 6 and 12 of 60 are wrong; the baseline is surer, and is wrong with 12.
    assert found.alone["mean"] == pytest.approx(1 - 9 / 60)
    assert found.both == {"mean": pytest.approx(1 - 12 / 60), "sd": pytest.approx(0)}
    assert found.gain.estimate == pytest.approx(-3 / 60)
    assert found.gain.low < -3 / 60 < found.gain.high
    (other,) = together.measure(folder, document({"nb": 0.2, "tfidf": 0.1}))
    assert other.both["mean"] == 1
    line = together.table([other]).splitlines()[2]
    assert line.startswith("| mine | `bilstm` | 85.0 ± 7.1 | `tfidf` | 100.0 ± 0.0 | +15.0 (")
    assert not together.sentence([found], "bilstm")  # a loss
    assert not together.sentence([other._replace(gain=replace(other.gain, low=-0.01))], "bilstm")
    said = together.sentence([other._replace(gain=replace(other.gain, low=0.01))], "bilstm")
    assert "those of tfidf reaches 100.0 ± 0.0 %, in points +15.0 (+1.0 to" in said


def test_without_a_baseline_there_is_nothing(folder):
    """And of a network alone nothing is said."""
    assert not list(together.measure(folder, document({})))
