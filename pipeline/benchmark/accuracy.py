"""How soon is a model good? Validation accuracy against the time since training began."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline import artifacts, params
from pipeline.artifacts import Workspace
from pipeline.benchmark.processes import alone
from pipeline.benchmark.settings import Options
from pipeline.errors import ParamsError

TARGETS = (0.88, 0.90)
NAMES = {
    "recipe": "Spotlight, the dataset's recipe",
    "keras": "stock Keras, the same model",
    "example": "keras.io's example",
}


def measure(workspace: Workspace, options: Options, say: Callable[[str], object]) -> dict[str, Any]:
    """Train three arms on the encoded training rows of the selected dataset with each seed.

    All are judged on its validation rows. Stock Keras gets the network alone,
    neither word vectors nor the recipe's other aids.

    Args:
        workspace: where two classes of texts are encoded, such as IMDB.
        options: seeds, epochs of stock Keras, threads.
        say: where progress goes.

    Returns:
        Per arm and seed the epochs' val_loss, val_accuracy and seconds since the beginning.

    Raises:
        ParamsError: another dataset is encoded, or it is not two classes of texts.
    """
    settings = params.load(workspace.params)
    encoding = workspace.encoded / "encoding.json"
    about: dict[str, Any] = {"dataset": "nothing"}
    if encoding.exists():
        about = artifacts.read_json(encoding)
    if settings.dataset != about["dataset"] or about["task"] != "binary" or about["kind"] != "text":
        raise ParamsError(
            "The part `accuracy` trains on two classes of texts that are encoded; params.yaml "
            f"selects '{settings.dataset}', data/encoded holds '{about['dataset']}'.",
            fix="select such a dataset in params.yaml (`dataset: imdb`), then: dvc repro pretrain",
        )
    train, validation = (
        artifacts.read_sequences(workspace.encoded / f"{name}.parquet", spans=False)
        for name in ("train", "validation")
    )
    ours = settings.recipe("bilstm_attention")
    same = replace(
        options,
        vocabulary=about["vocabulary_size"],
        max_len=about["max_len"],
        embedding=ours.embedding,
        units=ours.units,
        batch_size=ours.batch_size,
    )
    arms: dict[str, tuple[str, Workspace | Options]] = {
        "recipe": ("recipe", workspace),
        "keras": ("keras_fit", same),
        "example": ("example", same),
    }
    runs: dict[str, dict[int, list[dict[str, float]]]] = {arm: {} for arm in arms}
    for seed in options.seeds:
        for arm, (function, first) in arms.items():
            found, _ = alone("learning", function, first, train, validation, seed)
            runs[arm][seed] = found.result
            shown = "  ".join(
                f"{epoch['val_accuracy']:.1%} after {epoch['seconds']:.0f} s"
                for epoch in found.result
            )
            say(f"  seed {seed}  {NAMES[arm]:<31} {shown}")
    return {
        "dataset": settings.dataset,
        "rows": {"train": len(train), "validation": len(validation)},
        "runs": runs,
    }


def reached(epochs: list[dict[str, float]], target: float) -> float | None:
    """Seconds until the end of the first epoch that has the accuracy; None where none has."""
    return next((one["seconds"] for one in epochs if one["val_accuracy"] >= target), None)
