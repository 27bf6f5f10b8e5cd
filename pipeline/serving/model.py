"""The served model: raw input in; label and calibrated probability, or a value, out.

It takes texts or windows of a series, and returns its attention weights on request. It is packed
with a copy of this package, so it loads where the project is not installed:

    model = mlflow.pyfunc.load_model("models:/spotlight-demo@champion")
    model.predict(pandas.DataFrame({"text": ["…"]}), params={"attention": True})

    model = mlflow.pyfunc.load_model("models:/spotlight-ett@champion")
    model.predict(pandas.DataFrame({"HUFL": [[5.8, 5.7, …]], …}))  # a list for each feature

The served model is the measured one: same input, network and code give the same numbers.
"""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import save_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array
from numpy.typing import NDArray

from pipeline.core.files import read_bytes, read_json, write_bytes, write_json
from pipeline.errors import ArtifactError
from pipeline.serving import inputs
from pipeline.serving.inputs import Reader, Texts, Windows

PACKAGE = Path(__file__).parents[1]
LIBRARIES = (
    "charset-normalizer",
    "keras",
    "mlflow",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "ruamel.yaml",
    "scipy",
    "tensorflow",
    "tokenizers",
)


def pack(destination: Path, *, folder: Path, encoded: Path, temperature: float | None) -> None:
    """Write a model that MLflow can load and serve into the new folder `destination`.

    Args:
        destination: created here.
        folder: the output of `train`, with `model.json` and the weights.
        encoded: the output of `encode`, with the tokenizer or the scaler.
        temperature: divides the logits; None leaves the probabilities as they are.
    """
    with tempfile.TemporaryDirectory() as scratch:
        parts = Path(scratch) / "model"
        collect_parts(parts, folder=folder, encoded=encoded, temperature=temperature)
        reader = inputs.reader(parts)
        save_model(
            destination,
            python_model=str(PACKAGE / "serving" / "from_code.py"),
            artifacts={"model": str(parts)},
            code_paths=[str(PACKAGE)],
            signature=signature(reader, read_json(parts / "model.json")["task"]),
            input_example=reader.example(),
            pip_requirements=[f"{name}=={version(name)}" for name in LIBRARIES],
        )


def collect_parts(
    destination: Path, *, folder: Path, encoded: Path, temperature: float | None
) -> None:
    """Copy what a served model consists of into the new folder `destination`; see `pack`.

    Raises:
        ArtifactError: a file is missing.
    """
    destination.mkdir(parents=True)
    for name in ("model.json", "model.weights.h5"):
        write_bytes(destination / name, read_bytes(folder / name))
    for name in inputs.FILES:
        if (encoded / name).exists():
            write_bytes(destination / name, read_bytes(encoded / name))
    write_json(destination / "calibration.json", {"temperature": temperature})


def signature(reader: Reader, task: str) -> ModelSignature:
    """What MLflow documents and checks: the columns of request and response, and the parameter."""
    columns = {"value": DataType.double}
    if task != "regression":
        columns = {"label": DataType.string, "probability": DataType.double}
    return ModelSignature(
        inputs=reader.schema(),
        outputs=Schema(
            [
                *(ColSpec(kind, name) for name, kind in columns.items()),
                ColSpec(Array(reader.part), reader.shown, required=False),
            ]
        ),
        params=ParamSchema([ParamSpec("attention", DataType.boolean, default=False)]),
    )


class LoadedParts:
    """The parts of a served model, loaded: requests in, outputs and attention weights out.

    Attributes:
        card: the model's `model.json`.
        reader: reads requests.
    """

    def __init__(self, folder: Path) -> None:
        from pipeline.training import inference

        try:
            self.reader = inputs.reader(folder)
            self._network, self.card = inference.load_model(folder)
            self._temperature = read_json(folder / "calibration.json")["temperature"]
        except (ArtifactError, KeyError, OSError, ValueError) as error:
            raise ArtifactError(
                f"The model in {folder} can't be read: {getattr(error, 'message', repr(error))}",
                fix="python -m pipeline track packs the models of results/ again, or name another "
                "one: --model results/models/MODEL-SEED.",
            ) from None

    def compute(
        self, request: Texts | Windows, *, attention: bool
    ) -> tuple[NDArray[np.floating], Sequence[Any]]:
        """Predict every row.

        Returns:
            <float>[n, classes] calibrated probabilities, or in a regression <float>[n] values in
            the target's own unit; and each row's weights, <float32>[length], or None where the
            model has no attention or none was asked for.
        """
        from pipeline.evaluation import calibration
        from pipeline.training import inference

        weights: Sequence[Any] = [None] * len(request.sequences)
        outputs: NDArray[np.floating]
        if attention and self._network.explainer is not None:
            outputs, weights = inference.predict_with_weights(self._network, request.sequences)
        else:
            outputs = inference.predict(self._network.predictor, request.sequences)
        if isinstance(request, Windows) and self.card["task"] == "regression":
            outputs = request.values(outputs)
        elif self._temperature is not None:
            outputs = calibration.calibrate(outputs, self._temperature)
        return outputs, weights


class ServedModel(PythonModel):
    """A trained model behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        self.parts = LoadedParts(Path(context.artifacts["model"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Predict every row.

        Returns:
            Per row: `label` and its calibrated `probability`, or in a regression the `value` in
            the target's own unit. With `attention` also the `tokens` of a text, each with its
            characters `start` to `end`, or the `steps` of a window, counted from 0. Each has its
            `weight`, which is None if the model has no attention.

        Raises:
            MlflowException: a row is not valid; a server responds with status 400.
        """
        reader, card = self.parts.reader, self.parts.card
        request = reader.read(model_input)
        attention = bool((params or {}).get("attention"))
        outputs, weights = self.parts.compute(request, attention=attention)
        response: dict[str, Any] = {"value": outputs}
        if card["task"] != "regression":
            response = {
                "label": [card["classes"][number] for number in outputs.argmax(axis=1)],
                "probability": outputs.max(axis=1).astype(np.float64),
            }
        if attention:
            response[reader.shown] = request.parts(weights)
        return pd.DataFrame(response)
