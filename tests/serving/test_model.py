import ast
import json
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline import fingerprint
from pipeline.core.files import read_text, write_json, write_text
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.encoding.series import cut_windows, fit_scaler
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.evaluation.calibration import calibrate
from pipeline.models.network import build_network
from pipeline.serving import inputs, model
from pipeline.training import inference
from tests.support import strategies

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
    tokenizer = train_tokenizer(TEXTS, vocabulary=40)
    write_text(encoded / "tokenizer.json", tokenizer.to_json())
    recipe = strategies.recipe(pooling=pooling)
    keras.utils.set_random_seed(1)
    built = build_network(
        recipe, kind="text", task="binary", classes=2, vocabulary_size=tokenizer.size
    )
    rng = np.random.default_rng(0)
    shapes = [weight.shape for weight in built.predictor.get_weights()]
    built.predictor.set_weights([rng.normal(size=shape) for shape in shapes])
    rows = inputs.Texts(TEXTS, tokenizer.encode(TEXTS, max_len=MAX_LEN)).sequences
    outputs = inference.predict(built.predictor, rows)
    write_predictions(models / "test.parquet", Predictions(rows.rows, rows.targets, outputs))
    built.predictor.save_weights(models / "model.weights.h5")
    card = {
        "kind": "text",
        "task": "binary",
        "classes": ["neg", "pos"],
        "vocabulary_size": tokenizer.size,
        "max_len": MAX_LEN,
        "recipe": recipe.model_dump(),
    }
    write_json(models / "model.json", card)
    return models, encoded


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of a packed attention model, what was measured of it, and what it answers."""
    folder = tmp_path_factory.mktemp("served")
    models, encoded = trained(folder, "additive")
    goal = folder / "model"
    model.pack(goal, folder=models, encoded=encoded, temperature=TEMPERATURE)
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
    measured = read_predictions(models / "test.parquet")
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


def test_every_library_that_a_served_model_loads_is_among_its_requirements():
    """Where the project is not installed, nothing else brings them."""
    code = {
        path
        for entry in ("serving.from_code", "training.inference", "evaluation.calibration")
        for path in fingerprint.modules(f"pipeline.{entry}")
    }
    imported = {
        name.split(".")[0]
        for path in code
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }
    known = {"ruamel" if name == "ruamel.yaml" else name for name in model.LIBRARIES}
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


def test_no_row_at_all_is_refused():
    """An empty request is a mistake, not an empty answer."""
    with pytest.raises(MlflowException, match="at least one text"):
        inputs.valid_texts([])


# ── windows of a series ──────────────────────────────────────────────────────────────────

FEATURES, STEPS, HORIZON = ["load", "oil"], 5, 2


def trained_on_series(folder, *, relative=False, classes=()):
    """A tiny model of windows, as `train` leaves it, and its scaler as `encode` does."""
    models, encoded = folder / "models", folder / "encoded"
    encoded.mkdir(parents=True)
    models.mkdir()
    hours = np.random.default_rng(0).normal([100, 20], [30, 4], (40, 2))
    table = pa.table(dict(zip(FEATURES, hours.T, strict=True)))
    target = None if classes else "oil"
    scaler = fit_scaler(table, features=FEATURES, target=target, relative=relative)
    write_json(encoded / "scaler.json", scaler.to_json())
    recipe = strategies.recipe(pooling="additive")
    keras.utils.set_random_seed(1)
    task = "multiclass" if classes else "regression"
    built = build_network(recipe, kind="series", task=task, classes=len(classes), features=2)
    if classes:
        rows = scaler.inputs(np.stack([hours[start : start + STEPS] for start in range(20)]))
    else:
        rows = cut_windows(table, scaler, window=STEPS, horizon=HORIZON, stride=1)
    outputs = inference.predict(built.predictor, rows)
    write_predictions(models / "test.parquet", Predictions(rows.rows, rows.targets, outputs))
    built.predictor.save_weights(models / "model.weights.h5")
    card = {
        "kind": "series",
        "task": task,
        "classes": list(classes),
        "features": FEATURES,
        "time_steps": STEPS,
        "recipe": recipe.model_dump(),
    }
    write_json(models / "model.json", card)
    return models, encoded, hours


def asked(hours, start=0):
    """One request: the window that begins at that hour."""
    part = hours[start : start + STEPS]
    return {name: [part[:, number].tolist()] for number, name in enumerate(FEATURES)}


SERIES_PROGRAM = """
import json, sys
import mlflow.pyfunc, pandas
from mlflow.exceptions import MlflowException

model = mlflow.pyfunc.load_model(sys.argv[1])
good, bad = json.load(sys.stdin)

def refused(given):
    try:
        model.predict(pandas.DataFrame(given))
    except MlflowException as error:
        return [error.error_code, error.message]

print(json.dumps({
    "code": sys.modules["pipeline"].__file__,
    "plain": model.predict(pandas.DataFrame(good)).to_dict("records"),
    "attention": model.predict(
        pandas.DataFrame(good), params={"attention": True}
    ).to_dict("records"),
    "refused": {name: refused(given) for name, given in bad.items()},
}))
"""


def spoilt(hours, **changes):
    """The first request with other columns; None takes one away."""
    columns = {**asked(hours), **changes}
    return {name: column for name, column in columns.items() if column is not None}


BAD_WINDOWS = {
    "a feature short": ({"load": None}, "`load` is missing"),
    "another name": ({"load": None, "loads": [[1.0] * STEPS]}, "Received of these: oil"),
    "too short": ({"oil": [[1.0] * 3]}, "`oil` in row 0 (from 0) holds 3 values: give a list of 5"),
    "too long": ({"oil": [[1.0] * 6]}, "holds 6 values"),
    "a gap": ({"oil": [[1.0, float("nan"), 1, 1, 1]]}, "holds nan at step 1 (from 0)"),
    "infinite": ({"oil": [[1.0, 1, 1, 1, float("inf")]]}, "holds inf at step 4"),
    "a missing value": ({"oil": [[1.0, None, 1, 1, 1]]}, "holds None at step 1"),
    "a word": ({"oil": ["warm"]}, "holds 'warm': give a list"),
    "words": ({"oil": [["1", "2", "3", "4", "5"]]}, "holds '1' at step 0"),
    "one number": ({"oil": [3.5]}, "holds 3.5: give a list"),
    "nothing": ({"oil": [None]}, "holds nothing: give a list"),
    "lists in the list": ({"oil": [[[1.0]] * STEPS]}, "holds [1.0] at step 0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def served_series(tmp_path_factory):
    """What a packed regression answers in another process, what was measured, and the data."""
    folder = tmp_path_factory.mktemp("series")
    models, encoded, hours = trained_on_series(folder)
    goal = folder / "model"
    model.pack(goal, folder=models, encoded=encoded, temperature=None)
    request = [
        {name: [asked(hours, start)[name][0] for start in range(4)] for name in FEATURES},
        {name: spoilt(hours, **changes) for name, (changes, _) in BAD_WINDOWS.items()},
    ]
    finished = subprocess.run(
        [sys.executable, "-c", SERIES_PROGRAM, str(goal)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    measured = read_predictions(models / "test.parquet")
    return goal, measured, hours, json.loads(finished.stdout.splitlines()[-1])


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


def loaded(models, encoded):
    """A served model in this process."""
    write_json(models / "calibration.json", {"temperature": None})
    write_text(models / "scaler.json", read_text(encoded / "scaler.json"))
    served = model.ServedModel()
    served.load_context(SimpleNamespace(artifacts={"model": str(models)}))
    return served


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


def test_no_window_at_all_is_refused(tmp_path):
    """An empty request is a mistake, not an empty answer."""
    models, encoded, _ = trained_on_series(tmp_path)
    reader = loaded(models, encoded)._reader
    with pytest.raises(MlflowException, match="at least one window"):
        reader.read(pd.DataFrame({name: [] for name in FEATURES}))
