"""A model's answers: each row's probabilities or value, and what its weights show."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from pipeline.core.predictions import Predictions
from pipeline.errors import DataError
from pipeline.explanation import samples
from pipeline.serving.inputs import SeriesReader, Texts, Windows
from pipeline.serving.model import LoadedParts
from pipeline.serving.questions import Question

DIGITS = 6  # beyond them an answer depends on what shares its batch


@dataclass(frozen=True)
class Answer:
    """One model's answer to one question.

    Attributes:
        probabilities: class → its calibrated probability, most probable first; none in a
            regression.
        value: in the target's own unit; None for a class.
        sample: what `explanation.page` draws; empty unless it was asked for.
        parts: the tokens or steps, each with its weight; likewise.
    """

    probabilities: Mapping[str, float]
    value: float | None
    sample: Mapping[str, Any]
    parts: Sequence[Mapping[str, Any]]

    @property
    def label(self) -> str | None:
        """The most probable class."""
        return next(iter(self.probabilities), None)


class Answered(NamedTuple):
    """A row with its answers.

    Attributes:
        number: the row's, from 1.
        question: what was asked.
        answers: model's address → its answer.
    """

    number: int
    question: Question
    answers: Mapping[str, Answer]


Sink = Callable[[Sequence[Answered]], None]  # takes the answers to a chunk of rows


def ask(model: LoadedParts, questions: Sequence[Question], *, explain: bool) -> list[Answer]:
    """A model's answers to some questions.

    Raises:
        DataError: a window does not fit the model.
    """
    request = _request(model, questions)
    outputs, weights = model.compute(request, attention=explain)
    drawn: Sequence[Mapping[str, Any]] = [{}] * len(questions)
    parts: Sequence[Sequence[Mapping[str, Any]]] = [[]] * len(questions)
    if explain:
        drawn, parts = _drawn(model, request, outputs, weights), request.parts(weights)
    return [_answer(model, *row) for row in zip(outputs, drawn, parts, strict=True)]


def _request(model: LoadedParts, questions: Sequence[Question]) -> Texts | Windows:
    if isinstance(model.reader, SeriesReader):
        for question in questions:
            try:
                for name in model.reader.features:
                    model.reader.numbers(question.content[name], f"{question.where}: `{name}`")
            except MlflowException as error:
                raise DataError(error.message, fix="correct the file.") from None
        return model.reader.read(pd.DataFrame([question.content for question in questions]))
    return model.reader.encode([question.content for question in questions])


def _drawn(
    model: LoadedParts, request: Texts | Windows, outputs: Any, weights: Sequence[Any]
) -> list[dict[str, Any]]:
    """Each row as the attention page draws it, in a series with the numbers in their own units."""
    if isinstance(request, Windows):
        return [
            {
                "values": window.tolist(),
                "weights": [None] * len(window) if row is None else [float(one) for one in row],
            }
            for window, row in zip(request.windows, weights, strict=True)
        ]
    document = samples.document(
        model="",
        seed=0,
        classes=model.card["classes"],
        texts=request.texts,
        sequences=request.sequences,
        predictions=Predictions(request.sequences.rows, request.sequences.targets, outputs),
        weights=None if weights[0] is None else weights,
        max_len=model.card["max_len"],
    )
    kept = ("text", "tokens", "unread", "evidence")  # the label is unknown
    return [{key: sample[key] for key in kept} for sample in document["samples"]]


def _answer(
    model: LoadedParts,
    output: Any,
    sample: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
) -> Answer:
    if model.card["task"] == "regression":
        return Answer({}, float(output), sample, parts)
    classes = model.card["classes"]
    order = np.argsort(-output, kind="stable")
    return Answer({classes[one]: float(output[one]) for one in order}, None, sample, parts)


def record(answered: Answered, *, explain: bool) -> dict[str, Any]:
    """A row of a file of answers; of several models, the address begins each column's name.

    Args:
        answered: the row.
        explain: whether to add the tokens or steps with their weights.
    """
    found: dict[str, Any] = {"row": answered.number}
    if isinstance(answered.question.content, str):
        found["text"] = answered.question.content
    for address, answer in answered.answers.items():
        of = f"{address}/" if len(answered.answers) > 1 else ""
        if answer.value is not None:
            found[f"{of}value"] = answer.value
        else:
            found[f"{of}label"] = answer.label
            for name in sorted(answer.probabilities):
                found[f"{of}probability_{name}"] = round(answer.probabilities[name], DIGITS)
        if explain:
            shown = "tokens" if "text" in found else "steps"
            found[f"{of}{shown}"] = [_rounded(part) for part in answer.parts]
    return found


def _rounded(part: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(v, DIGITS) if isinstance(v, float) else v for k, v in part.items()}


def as_json(found: Mapping[str, Any]) -> str:
    """A record in one line."""
    return json.dumps(found, ensure_ascii=False)
