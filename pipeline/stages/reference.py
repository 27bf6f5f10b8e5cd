"""`reference`: data/raw and the split → results/reference."""

from typing import Any

import pyarrow as pa

from pipeline import artifacts, fingerprint, progress
from pipeline.artifacts import REFERENCE, Workspace
from pipeline.models.reference import NGRAMS, Texts, fit_reference


def run(workspace: Workspace) -> None:
    """Fit TF-IDF + logistic regression on the rows that the networks learn from."""
    about = artifacts.read_json(workspace.encoded / "encoding.json")
    splits = {name: _texts(workspace, name) for name in artifacts.SPLITS}
    fitted = fit_reference(**splits, classes=about["classes"])
    with artifacts.new_folder(workspace.reference) as folder:
        artifacts.write_predictions(folder / "validation.parquet", fitted.validation)
        artifacts.write_predictions(folder / "test.parquet", fitted.test)
        artifacts.write_json(folder / "words.json", fitted.words)
        artifacts.write_json(
            folder / "model.json",
            {
                "model": REFERENCE,
                "dataset": about["dataset"],
                "kind": about["kind"],
                "task": about["task"],
                "classes": about["classes"],
                "C": fitted.inverse_regularization,
                "validation_accuracy": {
                    str(strength): round(accuracy, 6)
                    for strength, accuracy in fitted.validation_accuracy.items()
                },
                "ngrams": list(NGRAMS),
                "features": fitted.features,
                "parameters": fitted.parameters,
                "fingerprint": _identity(workspace),
            },
        )
    best = max(fitted.validation_accuracy.values())
    progress.say(
        f"{REFERENCE}  C {fitted.inverse_regularization:g}  {fitted.features:,} n-grams  "
        f"validation accuracy {best:.4f}"
    )


def _identity(workspace: Workspace) -> str:
    files = [
        *sorted(workspace.encoded.iterdir()),
        *fingerprint.modules("stages.reference"),
        workspace.root / "locks" / "run.txt",
    ]
    return fingerprint.digest(files, REFERENCE)


def _texts(workspace: Workspace, split: str) -> Texts:
    """The raw texts of a split's rows, in the order in which the networks have them."""
    own = workspace.raw / f"{split}.parquet"
    table = artifacts.read_table(own if own.exists() else workspace.raw / "train.parquet", ["text"])
    encoded: Any = artifacts.read_table(workspace.encoded / f"{split}.parquet", ["row", "target"])
    rows = encoded["row"].to_numpy()
    return Texts(rows, table["text"].take(pa.array(rows)).to_pylist(), encoded["target"].to_numpy())
