"""The served model: raw text in; label, calibrated probability and, when asked, attention out.

It is packed with a copy of this package, so it loads where the project is not installed:

    model = mlflow.pyfunc.load_model("models:/spotlight-demo@champion")
    model.predict(pandas.DataFrame({"text": ["…"]}), params={"attention": True})

What is served is what was measured: the same tokenizer, network and code give the same numbers.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import save_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Object, Property
from numpy.typing import NDArray

from pipeline import artifacts
from pipeline.artifacts import Sequences

PACKAGE = Path(__file__).parent
LIBRARIES = (
    "keras",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "ruamel.yaml",
    "scipy",
    "tensorflow",
    "tokenizers",
)
EXAMPLE = "Slow to start, but I was sorry when it ended."

_TOKEN = Object(
    [
        Property("token", DataType.string),
        Property("start", DataType.long),
        Property("end", DataType.long),
        Property("weight", DataType.double, required=False),
    ]
)
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, "text")]),
    outputs=Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "probability"),
            ColSpec(Array(_TOKEN), "tokens", required=False),
        ]
    ),
    params=ParamSchema([ParamSpec("attention", DataType.boolean, default=False)]),
)


def pack(destination: Path, *, folder: Path, encoded: Path, temperature: float | None) -> None:
    """Write a model that MLflow can load and serve into the new folder `destination`.

    Args:
        destination: made here.
        folder: what `train` wrote: `model.json` and the weights.
        encoded: what `encode` wrote: the tokenizer.
        temperature: divides the logits; None leaves the probabilities as they are.
    """
    with tempfile.TemporaryDirectory() as scratch:
        parts = Path(scratch) / "model"
        parts.mkdir()
        for path in (
            folder / "model.json",
            folder / "model.weights.h5",
            encoded / "tokenizer.json",
        ):
            shutil.copyfile(path, parts / path.name)
        artifacts.write_json(parts / "calibration.json", {"temperature": temperature})
        save_model(
            destination,
            python_model=str(PACKAGE / "served_model.py"),
            artifacts={"model": str(parts)},
            code_paths=[str(PACKAGE)],
            signature=SIGNATURE,
            input_example=pd.DataFrame({"text": [EXAMPLE]}),
            pip_requirements=[f"{name}=={version(name)}" for name in LIBRARIES],
        )


class TextClassifier(PythonModel):
    """A trained text classifier behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        from pipeline import inference, text

        folder = Path(context.artifacts["model"])
        self._loaded = inference.load(folder)
        self._tokenizer = text.load((folder / "tokenizer.json").read_text(encoding="utf-8"))
        self._temperature = json.loads((folder / "calibration.json").read_bytes())["temperature"]

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify the texts of the column `text`.

        Returns:
            A row per text: `label`, its `probability`, and with `attention` the `tokens`:
            each with its characters `start` to `end` and its `weight`, which is None where
            the model has no attention.
        """
        from pipeline import inference
        from pipeline.evaluation import calibration

        texts = valid_texts(model_input["text"].tolist())
        network, card = self._loaded
        encoded = self._tokenizer.encode(texts, max_len=card["max_len"])
        rows = sequences([row.ids for row in encoded])
        attention = bool((params or {}).get("attention"))
        weights: Sequence[Any] = [None] * len(texts)
        outputs: NDArray[np.floating]
        if attention and network.explainer is not None:
            outputs, weights = inference.attend(network, rows)
        else:
            outputs = inference.predict(network.predictor, rows)
        if self._temperature is not None:
            outputs = calibration.calibrate(outputs, self._temperature)
        answer = {
            "label": [card["classes"][number] for number in outputs.argmax(axis=1)],
            "probability": outputs.max(axis=1).astype(np.float64),
        }
        if attention:
            answer["tokens"] = [
                tokens(given, row.spans, weight)
                for given, row, weight in zip(texts, encoded, weights, strict=True)
            ]
        return pd.DataFrame(answer)


def valid_texts(given: Sequence[object]) -> list[str]:
    """The texts, if all of them are.

    Raises:
        MlflowException: one is missing, is blank, or is not text; a server answers 400.
    """
    texts: list[str] = []
    for number, value in enumerate(given):
        if not isinstance(value, str) or not value.strip():
            # The schema lets only text and missing values pass, which pandas may hold as NaN.
            received = repr(value) if isinstance(value, str) else "nothing"
            raise MlflowException.invalid_parameter_value(
                f"`text` must hold a text in every row; row {number} (from 0) holds {received}. "
                "Leave that row out."
            )
        texts.append(value)
    if not texts:
        raise MlflowException.invalid_parameter_value(
            "`text` has no row; at least one text is needed."
        )
    return texts


def sequences(ids: Sequence[Any]) -> Sequences:
    """Token ids as rows to predict for: their targets are unknown, and 0."""
    return Sequences(
        rows=np.arange(len(ids)),
        targets=np.zeros(len(ids), np.int64),
        starts=np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64),
        values=np.concatenate(ids),
    )


def tokens(text: str, spans: Any, weights: Any) -> list[dict[str, Any]]:
    """Each token as it stands in the text, with its place and its weight."""
    shown = [None] * len(spans) if weights is None else [float(weight) for weight in weights]
    return [
        {"token": text[start:end], "start": int(start), "end": int(end), "weight": weight}
        for (start, end), weight in zip(spans, shown, strict=True)
    ]
