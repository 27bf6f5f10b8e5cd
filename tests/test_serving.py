import json
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline import artifacts, inference, serving, text
from pipeline.artifacts import Predictions
from pipeline.evaluation.calibration import calibrate
from pipeline.models import network
from tests import strategies

TEXTS = [
    "A dull film, and far too long.",
    "Warm, funny, <br /> and over too soon!",
    "Nobody in it can act",
    "zauberhaft 🎬 — 好看的电影",
]
MAX_LEN, TEMPERATURE = 6, 1.7

# Another process in another folder, which knows the packed model and nothing of the project.
PROGRAM = """
import json, sys
import mlflow.pyfunc, pandas
from mlflow.exceptions import MlflowException

model = mlflow.pyfunc.load_model(sys.argv[1])
texts = json.load(sys.stdin)
frame = pandas.DataFrame({"text": texts})

def refused(given):
    try:
        model.predict(pandas.DataFrame({"text": given}))
    except MlflowException as error:
        return [error.error_code, error.message]

print(json.dumps({
    "code": sys.modules["pipeline"].__file__,
    "plain": model.predict(frame).to_dict("records"),
    "single": [model.predict(frame[i:i + 1]).to_dict("records")[0] for i in range(len(frame))],
    "attention": model.predict(frame, params={"attention": True}).to_dict("records"),
    "refused": {name: refused(given) for name, given in {
        "none": ["fine", None], "empty": [""], "blank": ["  "], "number": [3],
    }.items()},
}))
"""


def trained(folder, pooling):
    """A tiny model as `train` leaves it, and its tokenizer as `encode` does."""
    models, encoded = folder / "models", folder / "encoded"
    encoded.mkdir(parents=True)
    models.mkdir()
    tokenizer = text.train(TEXTS, vocabulary=40)
    artifacts.write_text(encoded / "tokenizer.json", tokenizer.to_json())
    recipe = strategies.recipe(pooling=pooling)
    keras.utils.set_random_seed(1)
    built = network.build(
        recipe, kind="text", task="binary", classes=2, vocabulary_size=tokenizer.size
    )
    rng = np.random.default_rng(0)
    shapes = [weight.shape for weight in built.predictor.get_weights()]
    built.predictor.set_weights([rng.normal(size=shape) for shape in shapes])
    rows = serving.sequences([row.ids for row in tokenizer.encode(TEXTS, max_len=MAX_LEN)])
    outputs = inference.predict(built.predictor, rows)
    artifacts.write_predictions(
        models / "test.parquet", Predictions(rows.rows, rows.targets, outputs)
    )
    built.predictor.save_weights(models / "model.weights.h5")
    card = {
        "kind": "text",
        "task": "binary",
        "classes": ["neg", "pos"],
        "vocabulary_size": tokenizer.size,
        "max_len": MAX_LEN,
        "recipe": recipe.model_dump(),
    }
    artifacts.write_json(models / "model.json", card)
    return models, encoded


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of a packed attention model, what was measured of it, and what it answers."""
    folder = tmp_path_factory.mktemp("served")
    models, encoded = trained(folder, "additive")
    goal = folder / "model"
    serving.pack(goal, folder=models, encoded=encoded, temperature=TEMPERATURE)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(goal)],
        cwd=elsewhere,
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    measured = artifacts.read_predictions(models / "test.parquet")
    return goal, measured, json.loads(finished.stdout.splitlines()[-1])


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


def test_a_model_without_attention_gives_tokens_without_weights(tmp_path):
    """None, as in `samples.json`: nothing is made up."""
    models, encoded = trained(tmp_path, "last")
    classifier = serving.TextClassifier()
    artifacts.write_json(models / "calibration.json", {"temperature": None})
    artifacts.write_text(models / "tokenizer.json", artifacts.read_text(encoded / "tokenizer.json"))

    context = SimpleNamespace(artifacts={"model": str(models)})
    classifier.load_context(context)
    asked = pd.DataFrame({"text": TEXTS})
    answer = classifier.predict(context, asked, {"attention": True})
    assert {token["weight"] for row in answer["tokens"] for token in row} == {None}
    measured = artifacts.read_predictions(models / "test.parquet")
    assert np.allclose(answer["probability"], measured.outputs.max(axis=1), atol=1e-6)


def test_no_row_at_all_is_refused():
    """An empty request is a mistake, not an empty answer."""
    with pytest.raises(MlflowException, match="at least one text"):
        serving.valid_texts([])
