"""`reference`: what one would pick instead of a network → results/reference.

Text: TF-IDF + logistic regression. Series: the naive forecasts, or the classes' frequencies.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from pipeline import artifacts, fingerprint, params, progress
from pipeline.artifacts import REFERENCE, Predictions, Workspace
from pipeline.data import windows
from pipeline.models.reference import NGRAMS, Texts, fit_reference


class _Fitted(NamedTuple):
    """One reference: its predictions by split, what its card says besides, and its words."""

    predictions: Mapping[str, Predictions]
    card: Mapping[str, Any]
    words: Mapping[str, Any] | None = None


def run(workspace: Workspace) -> None:
    """Fit the references on the rows that the networks learn from."""
    about = artifacts.read_json(workspace.encoded / "encoding.json")
    if about["kind"] == "text":
        class_weight = params.load(workspace.params).class_weight
        fitted = _text(workspace, about, class_weight)
        values = {"class_weight": class_weight}
    else:
        fitted, values = _series(workspace, about), {}
    with artifacts.new_folder(workspace.references) as folder:
        for name, reference in fitted.items():
            _write(folder / name, name, reference, about, _identity(workspace, name, values))
        artifacts.write_json(folder / "references.json", list(fitted))


def _write(
    folder: Path, name: str, reference: _Fitted, about: Mapping[str, Any], identity: str
) -> None:
    folder.mkdir()
    for split, predictions in reference.predictions.items():
        artifacts.write_predictions(folder / f"{split}.parquet", predictions)
    if reference.words is not None:
        artifacts.write_json(folder / "words.json", reference.words)
    artifacts.write_json(
        folder / "model.json",
        {
            "model": name,
            **{key: about[key] for key in ("dataset", "kind", "task", "classes")},
            **reference.card,
            "fingerprint": identity,
        },
    )


def _identity(workspace: Workspace, name: str, values: Mapping[str, str]) -> str:
    data = sorted(workspace.encoded.iterdir())
    return fingerprint.configuration("stages.reference", data, workspace.libraries, [name, values])


# ── text ─────────────────────────────────────────────────────────────────────────────────


def _text(
    workspace: Workspace, about: Mapping[str, Any], class_weight: Literal["none", "balanced"]
) -> dict[str, _Fitted]:
    splits = {name: _texts(workspace, name) for name in artifacts.SPLITS}
    fitted = fit_reference(**splits, classes=about["classes"], class_weight=class_weight)
    best = fitted.validation_loss[fitted.inverse_regularization]
    progress.say(
        f"{REFERENCE}  C {fitted.inverse_regularization:g}  {fitted.features:,} n-grams  "
        f"validation log loss {best:.4f}"
    )
    card = {
        "C": fitted.inverse_regularization,
        "class_weight": class_weight,
        "validation_loss": {
            str(strength): round(loss, 6) for strength, loss in fitted.validation_loss.items()
        },
        "ngrams": list(NGRAMS),
        "features": fitted.features,
        "parameters": fitted.parameters,
    }
    predictions = {"validation": fitted.validation, "test": fitted.test}
    return {REFERENCE: _Fitted(predictions, card, fitted.words)}


def _texts(workspace: Workspace, split: str) -> Texts:
    """The raw texts of a split's rows, in the order in which the networks have them."""
    own = workspace.raw / f"{split}.parquet"
    table = artifacts.read_table(own if own.exists() else workspace.raw / "train.parquet", ["text"])
    encoded: Any = artifacts.read_table(workspace.encoded / f"{split}.parquet", ["row", "target"])
    rows = encoded["row"].to_numpy()
    return Texts(rows, table["text"].take(pa.array(rows)).to_pylist(), encoded["target"].to_numpy())


# ── series ───────────────────────────────────────────────────────────────────────────────


def _series(workspace: Workspace, about: Mapping[str, Any]) -> dict[str, _Fitted]:
    train, validation, test = (
        artifacts.read_sequences(workspace.encoded / f"{name}.parquet") for name in artifacts.SPLITS
    )
    fitted: dict[str, dict[str, Predictions]] = {}
    for split, rows in (("validation", validation), ("test", test)):
        if about["task"] == "regression":
            features = about["features"]
            said = windows.naive(
                train,
                rows,
                target=features.index(about["target"]) if about["target"] in features else None,
                horizon=about.get("horizon", 1),
                season=about.get("season"),
            )
        else:
            said = windows.frequencies(train, rows, classes=len(about["classes"]))
        for name, outputs in said.items():
            fitted.setdefault(name, {})[split] = Predictions(rows.rows, rows.targets, outputs)
    learnt = {windows.MEAN: 1, windows.FREQUENCIES: len(about["classes"])}
    progress.say(f"references: {', '.join(fitted)}")
    return {
        name: _Fitted(predictions, {"parameters": learnt.get(name, 0)})
        for name, predictions in fitted.items()
    }
