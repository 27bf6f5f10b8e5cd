import ast
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model

from pipeline import fingerprint
from pipeline.core.files import read_text, write_json, write_text
from pipeline.core.predictions import read_predictions
from pipeline.evaluation.calibration import calibrate
from pipeline.serving import model
from tests.support.served import (
    BAD_WINDOWS,
    FEATURES,
    HORIZON,
    MAX_LEN,
    STEPS,
    TEMPERATURE,
    TEXTS,
    asked,
    loaded,
    trained,
    trained_on_series,
)


def test_it_brings_its_own_code(served):
    """Where the project is not installed, it loads all the same."""
    goal, _, answers = served
    assert answers["code"].startswith(str(goal))


def test_what_is_served_is_what_was_measured(served):
    """Labels and calibrated probabilities are those of the predictions in the file."""
    _, measured, answers = served
    expected = calibrate(measured.outputs, TEMPERATURE)
    assert not np.allclose(expected, measured.outputs, atol=1e-3)
    assert [row["label"] for row in answers["plain"]] == [
        ["neg", "pos"][label] for label in measured.labels
    ]
    probabilities = [row["probability"] for row in answers["plain"]]
    assert np.allclose(probabilities, expected.max(axis=1), atol=1e-5)


def test_a_texts_answer_does_not_depend_on_the_others(served):
    """Alone or among others, with attention asked for or not."""
    _, _, answers = served
    for name in ("single", "attention"):
        assert [row["label"] for row in answers[name]] == [row["label"] for row in answers["plain"]]
        probabilities = [row["probability"] for row in answers[name]]
        assert np.allclose(
            probabilities, [row["probability"] for row in answers["plain"]], atol=1e-5
        )


def test_the_tokens_are_the_texts_own(served):
    """Each stands where it says, and the weights of a text sum to 1."""
    _, _, answers = served
    assert "tokens" not in answers["plain"][0]
    for given, row in zip(TEXTS, answers["attention"], strict=True):
        assert 0 < len(row["tokens"]) <= MAX_LEN
        for token in row["tokens"]:
            assert given[token["start"] : token["end"]] == token["token"]
        assert sum(token["weight"] for token in row["tokens"]) == pytest.approx(1, abs=1e-5)


def test_what_is_no_text_is_refused_in_words(served):
    """With the row, what it holds, and the code that makes a server answer 400."""
    _, _, answers = served
    for name, received in {
        "none": "row 1 (from 0) holds nothing",
        "empty": "row 0 (from 0) holds ''",
        "blank": "row 0 (from 0) holds '  '",
    }.items():
        code, message = answers["refused"][name]
        assert code == "INVALID_PARAMETER_VALUE"
        assert received in message
    assert "Incompatible input types for column text" in answers["refused"]["number"][1]


def test_its_page_shows_signature_example_and_requirements(served):
    """What MLflow needs to document and to serve it."""
    goal, _, _ = served
    described = Model.load(str(goal))
    assert described.signature.inputs.input_names() == ["text"]
    assert described.signature.outputs.input_names() == ["label", "probability", "tokens"]
    assert [param.name for param in described.signature.params] == ["attention"]
    assert described.saved_input_example_info is not None
    requirements = (goal / "requirements.txt").read_text().split()
    assert f"keras=={keras.__version__}" in requirements
    assert all("==" in line for line in requirements)


def test_every_library_that_a_served_model_loads_is_among_its_requirements():
    """Where the project is not installed, nothing else brings them."""
    code = {
        path
        for entry in ("serving.from_code", "training.inference", "evaluation.calibration")
        for path in fingerprint.modules(f"pipeline.{entry}")
        if path.suffix == ".py"  # templates come with their packages
    }
    imported = {
        name.split(".")[0]
        for path in code
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }
    known = {name.partition(".")[0].replace("-", "_") for name in model.LIBRARIES}
    assert imported - sys.stdlib_module_names - {"pipeline"} <= known


def _imported(node):
    """The modules that a node of a syntax tree imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_a_model_without_attention_gives_tokens_without_weights(tmp_path):
    """None, as in `samples.json`: nothing is made up."""
    models, encoded = trained(tmp_path, "last")
    classifier = model.ServedModel()
    write_json(models / "calibration.json", {"temperature": None})
    write_text(models / "tokenizer.json", read_text(encoded / "tokenizer.json"))

    context = SimpleNamespace(artifacts={"model": str(models)})
    classifier.load_context(context)
    asked = pd.DataFrame({"text": TEXTS})
    answer = classifier.predict(context, asked, {"attention": True})
    assert {token["weight"] for row in answer["tokens"] for token in row} == {None}
    measured = read_predictions(models / "test.parquet")
    assert np.allclose(answer["probability"], measured.outputs.max(axis=1), atol=1e-6)


def test_a_regression_answers_in_the_targets_own_unit(served_series):
    """The prediction in the file, times the deviation, plus the mean; with its own code."""
    goal, measured, hours, answers = served_series
    assert answers["code"].startswith(str(goal))
    oil = hours[:, 1]
    expected = measured.outputs[:4] * oil.std() + oil.mean()
    for name in ("plain", "attention"):
        assert np.allclose([row["value"] for row in answers[name]], expected, atol=1e-4)
    assert set(answers["plain"][0]) == {"value"}


def test_the_steps_are_the_windows_own(served_series):
    """Counted from 0, and the weights of a window sum to 1."""
    *_, answers = served_series
    for row in answers["attention"]:
        assert [step["step"] for step in row["steps"]] == list(range(STEPS))
        assert sum(step["weight"] for step in row["steps"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("case", BAD_WINDOWS)
def test_what_is_no_window_is_refused_in_words(case, served_series):
    """One paragraph: column, row, what stands there, what to give; a server answers 400."""
    *_, answers = served_series
    code, message = answers["refused"][case]
    assert code == "INVALID_PARAMETER_VALUE"
    assert BAD_WINDOWS[case][1] in message
    assert "\n" not in message


def test_a_change_is_served_as_the_value_that_it_leads_to(tmp_path):
    """Relative windows: the last value plus the predicted change, as `cut` measured it."""
    models, encoded, hours = trained_on_series(tmp_path, relative=True)
    model = loaded(models, encoded)
    measured = read_predictions(models / "test.parquet")
    said = [
        model.predict(None, pd.DataFrame(asked(hours, start)))["value"][0] for start in range(5)
    ]
    oil = hours[:, 1]
    last = oil[STEPS - 1 : STEPS + 4]
    assert np.allclose(said, last + measured.outputs[:5] * oil.std(), atol=1e-4)
    ends = oil[STEPS - 1 + HORIZON :][:5]
    assert np.allclose(ends, last + measured.targets[:5] * oil.std(), atol=1e-4)


def test_a_classified_window_gets_label_and_probability(tmp_path):
    """As a text does; whole numbers are numbers too."""
    models, encoded, hours = trained_on_series(tmp_path, classes=("calm", "busy", "odd"))
    model = loaded(models, encoded)
    measured = read_predictions(models / "test.parquet")
    answer = model.predict(None, pd.DataFrame(asked(hours)))
    assert answer["label"][0] == ("calm", "busy", "odd")[measured.labels[0]]
    assert answer["probability"][0] == pytest.approx(measured.outputs[0].max(), abs=1e-5)
    whole = pd.DataFrame({name: [[1, 2, 3, 4, 5]] for name in FEATURES})
    assert 1 / 3 <= model.predict(None, whole)["probability"][0] <= 1
