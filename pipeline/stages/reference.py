"""`reference`: the baselines → results/reference."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import fingerprint, progress
from pipeline.baselines.baseline import Baseline, series_baselines, text_baselines
from pipeline.baselines.ngrams import Texts
from pipeline.core import params
from pipeline.core.files import read_json, read_rows, read_table, sealed_folder, write_json
from pipeline.core.predictions import SPLITS, write_predictions
from pipeline.core.sequences import read_sequences
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Fit the baselines on the rows that the networks learn from."""
    about = read_json(workspace.encoded / "encoding.json")
    values = {}
    if about["kind"] == "text":
        class_weight = params.load_params(workspace.params).class_weight
        values = {"class_weight": class_weight}
        texts = {name: _read_texts(workspace, name) for name in SPLITS}
        baselines = text_baselines(texts, classes=about["classes"], class_weight=class_weight)
    else:
        splits = {name: read_sequences(workspace.encoded / f"{name}.parquet") for name in SPLITS}
        baselines = series_baselines(splits, about)
    with sealed_folder(workspace.references, stage="reference") as folder:
        for name, baseline in baselines.items():
            identity = _identity(workspace, name, values)
            _write(folder / name, name, baseline, about, identity)
        write_json(folder / "references.json", list(baselines))
    progress.say(f"baselines: {', '.join(baselines)}")


def _read_texts(workspace: Workspace, split: str) -> Texts:
    """The raw texts of a split's rows, in the order in which the networks have them."""
    own = workspace.raw / f"{split}.parquet"
    path = own if own.exists() else workspace.raw / "train.parquet"
    encoded: Any = read_table(workspace.encoded / f"{split}.parquet", ["row", "target"])
    rows = encoded["row"].to_numpy()
    texts = read_rows(path, rows, ["text"])["text"].to_pylist()
    return Texts(rows, texts, encoded["target"].to_numpy())


def _identity(workspace: Workspace, name: str, values: Mapping[str, str]) -> str:
    data = sorted(workspace.encoded.iterdir())
    return fingerprint.configuration(__name__, data, workspace.libraries, [name, values])


def _write(
    folder: Path, name: str, baseline: Baseline, about: Mapping[str, Any], identity: str
) -> None:
    folder.mkdir()
    for split, predictions in baseline.predictions.items():
        write_predictions(folder / f"{split}.parquet", predictions)
    if baseline.words is not None:
        write_json(folder / "words.json", baseline.words)
    write_json(
        folder / "model.json",
        {
            "model": name,
            **{key: about[key] for key in ("dataset", "kind", "task", "classes")},
            **baseline.card,
            "fingerprint": identity,
        },
    )
