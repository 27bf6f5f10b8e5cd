"""A served model's requests: texts or windows of numbers; invalid ones are refused with a reason.

MLflow's server responds to a refusal with status 400.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType, Object, Property
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences, starts_of
from pipeline.encoding.series import LARGEST, Scaler
from pipeline.encoding.tokenizer import Encoded, load_tokenizer
from pipeline.errors import DataError

_WEIGHT = Property("weight", DataType.double, required=False)
# A request beyond these is refused before it is read: one must not keep a server from the others.
ROWS = 10_000
CHARACTERS = 1_000_000  # of a text; a model reads `max_len` tokens of it
CHARACTERS_IN_ALL = 10_000_000
FILES = ("tokenizer.json", "scaler.json")  # of `data/encoded`; a dataset has one of them


def reader(folder: Path) -> "Reader":
    """The reader of requests to the packed model in `folder`."""
    card = json.loads((folder / "model.json").read_bytes())
    return (TextReader if card["kind"] == "text" else SeriesReader)(folder, card)


# ── text ─────────────────────────────────────────────────────────────────────────────────


class TextReader:
    """Reads the column `text`: a text in every row."""

    shown = "tokens"  # their column in the response
    part = Object(
        [
            Property("token", DataType.string),
            Property("start", DataType.long),
            Property("end", DataType.long),
            _WEIGHT,
        ]
    )

    def __init__(self, folder: Path, card: Mapping[str, Any]) -> None:
        self._tokenizer = load_tokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"))
        self._truncation = {"max_len": card["max_len"], "keep": card.get("keep", "head")}

    def schema(self) -> Schema:
        """The columns of a request."""
        return Schema([ColSpec(DataType.string, "text")])

    def example(self) -> pd.DataFrame:
        """A valid request."""
        return pd.DataFrame({"text": ["Slow to start, but I was sorry when it ended."]})

    def read(self, request: pd.DataFrame) -> "Texts":
        """A request's texts.

        Raises:
            MlflowException: a row holds no text, or there is more than a request may hold.
        """
        _check_rows(request)
        return self.encode(valid_texts(request["text"].tolist()))

    def encode(self, texts: Sequence[str]) -> "Texts":
        """Valid texts, as many and as long as memory takes."""
        return Texts(texts, self._tokenizer.encode(texts, **self._truncation))


class Texts:
    """Texts and their tokens.

    Attributes:
        texts: as they were given.
        sequences: what the network reads, with each token's characters.
    """

    def __init__(self, texts: Sequence[str], encoded: Sequence[Encoded]) -> None:
        self.texts, self._encoded = texts, encoded
        self.sequences = Sequences(
            rows=np.arange(len(encoded)),
            targets=np.zeros(len(encoded), np.int64),  # unknown
            starts=starts_of([len(row.ids) for row in encoded]),
            values=np.concatenate([row.ids for row in encoded]),
            spans=np.concatenate([row.spans for row in encoded]),
        )

    def parts(self, weights: Sequence[Any]) -> list[list[dict[str, Any]]]:
        """Each token of the text, with its characters and its weight."""
        return [
            [
                {"token": given[start:end], "start": start, "end": end, "weight": weight}
                for (start, end), weight in zip(
                    row.spans.tolist(), _weights(of_row, len(row.spans)), strict=True
                )
            ]
            for given, row, of_row in zip(self.texts, self._encoded, weights, strict=True)
        ]


def valid_texts(given: Sequence[object]) -> list[str]:
    """The texts, if they are all valid.

    Raises:
        MlflowException: one is missing, blank, too long, or not text, or all are too long.
    """
    texts: list[str] = []
    left = CHARACTERS_IN_ALL
    for number, value in enumerate(given):
        left -= len(value) if isinstance(value, str) else 0
        if isinstance(value, str) and len(value) > CHARACTERS:
            raise _refusal(
                f"`text` in row {number} (from 0) has {len(value):,} characters; at most "
                f"{CHARACTERS:,} are taken. The model reads a part of a long text: send that."
            )
        if left < 0:
            raise _refusal(
                f"The texts have more than {CHARACTERS_IN_ALL:,} characters together, from row "
                f"{number} (from 0) on. Send them in several requests."
            )
        if fault := text_fault(value):
            raise _refusal(
                f"`text` must hold a text in every row; row {number} (from 0) holds {fault}. "
                "Leave that row out."
            )
        texts.append(str(value))
    if not texts:
        raise _refusal("`text` has no row; at least one text is needed.")
    return texts


def text_fault(value: object) -> str | None:
    """What a row holds instead of a text; None if it is a text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "nothing"  # pandas may hold a missing value as NaN
    if not isinstance(value, str) or not value.strip():
        return _shown(value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"{value[error.start]!r}, which is no character of UTF-8,"
    return None


# ── series ───────────────────────────────────────────────────────────────────────────────


class SeriesReader:
    """Reads a column per feature, with a list of numbers, one per time step, in every row."""

    shown = "steps"
    part = Object([Property("step", DataType.long), _WEIGHT])

    def __init__(self, folder: Path, card: Mapping[str, Any]) -> None:
        self._scaler = Scaler.from_json(json.loads((folder / "scaler.json").read_bytes()))
        self.features: list[str] = card["features"]
        self.time_steps: int = card["time_steps"]

    def schema(self) -> Schema:
        """The columns of a request."""
        # Of any type: MLflow refuses integers in a column that it expects to hold doubles.
        # The constructor has no type annotations.
        anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow annotates no constructor
        return Schema([ColSpec(anything, name, required=False) for name in self.features])

    def example(self) -> pd.DataFrame:
        """A window in which every feature stays at its mean."""
        means = {scale.name: round(scale.mean, 4) for scale in self._scaler.features}
        return pd.DataFrame({name: [[mean] * self.time_steps] for name, mean in means.items()})

    def read(self, request: pd.DataFrame) -> "Windows":
        """A request's windows.

        Raises:
            MlflowException: a feature is missing, is not `time_steps` finite numbers, or is too far
                from train's.
        """
        missing = [name for name in self.features if name not in request]
        if missing:
            given = [name for name in self.features if name in request]
            raise _refusal(
                f"The column `{missing[0]}` is missing. The model reads {len(self.features)} "
                f"features, each a column with a list of {self.time_steps} numbers in every row: "
                f"{', '.join(self.features)}. Received of these: {', '.join(given) or 'none'}."
            )
        if request.empty:
            raise _refusal("There is no row; at least one window is needed.")
        _check_rows(request)
        columns = [
            np.stack(
                [
                    self.numbers(value, f"`{name}` in row {row} (from 0)")
                    for row, value in enumerate(request[name])
                ]
            )
            for name in self.features
        ]
        try:
            return Windows(self._scaler, np.stack(columns, axis=-1))
        except DataError as error:  # beyond what the scaler knows to be possible
            raise _refusal(f"{error.message} Correct it, or leave that row out.") from None

    def numbers(self, value: Any, where: str) -> NDArray[np.float64]:
        """<float64>[time_steps], one feature of one window; `where` is named in a refusal.

        Raises:
            MlflowException: it is not `time_steps` finite numbers.
        """
        rule = f"give a list of {self.time_steps} numbers, one per time step, the latest last."
        if not isinstance(value, list | tuple | np.ndarray):
            received = "nothing" if pd.isna(value) else _shown(value)
            raise _refusal(f"{where} holds {received}: {rule}")
        if len(value) != self.time_steps:
            raise _refusal(f"{where} holds {len(value):,} values: {rule}")
        for step, number in enumerate(value):
            if isinstance(number, bool) or not isinstance(number, int | float | np.number):
                raise _refusal(f"{where} holds {_shown(number)} at step {step} (from 0): {rule}")
            if not -LARGEST <= number <= LARGEST:  # nor is a whole number of 400 digits a float
                raise _refusal(
                    f"{where} holds {_shown(number)} at step {step} (from 0), which is not finite "
                    f"or beyond {LARGEST:g}: fill the gap, or leave that row out."
                )
        return np.asarray(value, np.float64)


class Windows:
    """Windows of numbers, in the features' own units.

    Attributes:
        windows: <float64>[n, time_steps, features].
        sequences: what the network reads.
    """

    def __init__(self, scaler: Scaler, windows: NDArray[np.float64]) -> None:
        self._scaler, self.windows = scaler, windows
        self.sequences = scaler.inputs(windows)

    def values(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """<float32>[n] outputs of a regression → values in the target's own unit."""
        return self._scaler.restore(outputs, self.windows)

    def parts(self, weights: Sequence[Any]) -> list[list[dict[str, Any]]]:
        """Each time step, counted from 0, with its weight."""
        steps = self.windows.shape[1]
        return [
            [
                {"step": step, "weight": weight}
                for step, weight in enumerate(_weights(of_row, steps))
            ]
            for of_row in weights
        ]


Reader = TextReader | SeriesReader


def _weights(weights: Any, count: int) -> list[float | None]:
    return [None] * count if weights is None else weights.tolist()


def _check_rows(request: pd.DataFrame) -> None:
    if len(request) > ROWS:
        raise _refusal(
            f"There are {len(request):,} rows; a request takes {ROWS:,}. Send them in several."
        )


def _shown(value: object) -> str:
    """What was received, in at most 100 characters."""
    text = repr(value[:100]) if isinstance(value, str) else str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _refusal(message: str) -> MlflowException:
    refusal: MlflowException = MlflowException.invalid_parameter_value(message)
    return refusal
