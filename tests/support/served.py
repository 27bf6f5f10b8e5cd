"""Tiny models as `train` leaves them, to be packed and served."""

import json
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow as pa

from pipeline.core.files import read_text, write_json, write_text
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.encoding.series import cut_windows, fit_scaler
from pipeline.encoding.tokenizer import train_tokenizer
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
FEATURES, STEPS, HORIZON = ["load", "oil"], 5, 2
BAD_TEXTS = {"none": ["fine", None], "empty": [""], "blank": ["  "], "number": [3]}

# Another process in another folder, which knows a packed model and nothing of the project. For
# each model it is forked off one that has the libraries.
PROGRAM = """
import gc, json, os, sys
gc.disable()  # looking for garbage takes a while
import keras, mlflow.pyfunc, pandas
from mlflow.exceptions import MlflowException

for goal, good, bad in json.load(sys.stdin):
    if os.fork():
        _, ended = os.wait()
        if ended:
            sys.exit(1)
        continue
    model = mlflow.pyfunc.load_model(goal)
    rows = pandas.DataFrame(good)

    def refused(given):
        try:
            model.predict(pandas.DataFrame(given))
        except MlflowException as error:
            return [error.error_code, error.message]

    print(json.dumps({
        "code": sys.modules["pipeline"].__file__,
        "plain": model.predict(rows).to_dict("records"),
        "single": [model.predict(rows[i:i + 1]).to_dict("records")[0] for i in range(len(rows))],
        "attention": model.predict(rows, params={"attention": True}).to_dict("records"),
        "refused": {name: refused(given) for name, given in bad.items()},
    }))
    sys.exit()
"""

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


def spoilt(hours, **changes):
    """The first request with other columns; None takes one away."""
    columns = {**asked(hours), **changes}
    return {name: column for name, column in columns.items() if column is not None}


def loaded(models, encoded):
    """A served model in this process."""
    write_json(models / "calibration.json", {"temperature": None})
    write_text(models / "scaler.json", read_text(encoded / "scaler.json"))
    served = model.ServedModel()
    served.load_context(SimpleNamespace(artifacts={"model": str(models)}))
    return served


def answers(requests, folder):
    """What packed models answer, each to good and bad requests, in other processes."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        input=json.dumps([(str(goal), good, bad) for goal, good, bad in requests]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
