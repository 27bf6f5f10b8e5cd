"""Time to accuracy: validation accuracy against the time since training began."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.core import params
from pipeline.core.files import read_json
from pipeline.core.sequences import read_sequences
from pipeline.errors import ParamsError
from pipeline.studies.benchmark.settings import Options
from pipeline.studies.processes import alone
from pipeline.workspace import Workspace

TARGETS = (0.88, 0.90)
NAMES = {
    "recipe": "Spotlight, the dataset's recipe",
    "keras": "stock Keras, the same model",
    "example": "keras.io's example",
}


def measure(workspace: Workspace, options: Options, say: Callable[[str], object]) -> dict[str, Any]:
    """Train three implementations with each seed on the encoded training rows.

    All are measured on the validation rows. Stock Keras gets the network alone, without word
    vectors or the recipe's other aids.

    Args:
        workspace: where texts of two classes are encoded, such as IMDB.
        options: seeds, epochs of stock Keras, threads.
        say: prints progress.

    Returns:
        By implementation and seed: each epoch's val_loss, val_accuracy and seconds so far.

    Raises:
        ParamsError: another dataset is encoded, or it is not texts of two classes.
    """
    settings = params.load_params(workspace.params)
    encoding = workspace.encoded / "encoding.json"
    about: dict[str, Any] = {"dataset": "nothing"}
    if encoding.exists():
        about = read_json(encoding)
    if settings.dataset != about["dataset"] or about["task"] != "binary" or about["kind"] != "text":
        raise ParamsError(
            "The part `accuracy` needs encoded texts of two classes; params.yaml selects "
            f"'{settings.dataset}', data/encoded holds '{about['dataset']}'.",
            fix="select such a dataset in params.yaml (`dataset: imdb`), then: dvc repro pretrain",
        )
    train, validation = (
        read_sequences(workspace.encoded / f"{name}.parquet") for name in ("train", "validation")
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
    implementations: dict[str, tuple[str, Workspace | Options]] = {
        "recipe": ("recipe", workspace),
        "keras": ("keras_fit", same),
        "example": ("example", same),
    }
    runs: dict[str, dict[int, list[dict[str, float]]]] = {
        implementation: {} for implementation in implementations
    }
    for seed in options.seeds:
        for implementation, (function, first) in implementations.items():
            found, _ = alone("benchmark.learning", function, first, train, validation, seed)
            runs[implementation][seed] = found.result
            shown = "  ".join(
                f"{epoch['val_accuracy']:.1%} after {epoch['seconds']:.0f} s"
                for epoch in found.result
            )
            say(f"  seed {seed}  {NAMES[implementation]:<31} {shown}")
    return {
        "dataset": settings.dataset,
        "rows": {"train": len(train), "validation": len(validation)},
        "runs": runs,
    }


def reached(epochs: list[dict[str, float]], target: float) -> float | None:
    """Seconds until the end of the first epoch with that accuracy; None if none has it."""
    return next((one["seconds"] for one in epochs if one["val_accuracy"] >= target), None)
