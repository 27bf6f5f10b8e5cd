"""What the learning curves and the encoding suggest to change, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

FEW_ROWS = 2000  # a network that starts from random numbers rarely beats a linear model below this
UNREAD, UNKNOWN = 0.02, 0.05  # shares of tokens that are worth a word
WORSE = 1.05  # a validation loss that is this many times its minimum has risen


class Curve(NamedTuple):
    """One run's training.

    Attributes:
        history: columns epoch, loss, val_loss, and val_accuracy for classes; a row per epoch.
        recipe: how it was trained.
    """

    history: pd.DataFrame
    recipe: Mapping[str, Any]


def advise(encoding: Mapping[str, Any], curves: Mapping[str, Sequence[Curve]]) -> list[str]:
    """Sentences that each say what was seen and what to change; none if nothing stands out.

    Args:
        encoding: `encoding.json`.
        curves: model → its runs.
    """
    return [*_of_data(encoding), *_of_training(curves, _majority(encoding))]


def _of_data(encoding: Mapping[str, Any]) -> Iterator[str]:
    train = encoding["splits"]["train"]
    if train["rows"] < FEW_ROWS:
        yield (
            f"{train['rows']:,} rows to train on are few for a network. More rows help most; until "
            "then, expect the linear baseline to be as good."
        )
    if (cut := train.get("tokens_cut_share", 0)) > UNREAD:
        other = "." if encoding["keep"] == "both" else ", or set encode.keep to both."
        yield (
            f"{100 * cut:.0f} % of the training tokens are not read: encode.max_len is "
            f"{encoding['max_len']}, and 95 % of the texts have at most "
            f"{train['tokens']['q95']:.0f} tokens. Raise encode.max_len{other}"
        )
    if (unknown := train.get("unknown_token_share", 0)) > UNKNOWN:
        yield (
            f"{100 * unknown:.0f} % of the tokens are not in the vocabulary. Raise "
            "encode.vocabulary, or set encode.tokenizer to bpe."
        )


def _of_training(curves: Mapping[str, Sequence[Curve]], majority: float | None) -> Iterator[str]:
    for model, runs in curves.items():
        epochs = runs[0].recipe["epochs"]
        constant = runs[0].recipe.get("schedule", "constant") == "constant"
        flat = [run for run in runs if majority is not None and _as_majority(run, majority)]
        improving = [run for run in runs if _best_epoch(run) == len(run.history) == epochs]
        early = [run for run in runs if _best_epoch(run) <= 2 and _risen(run)]
        if flat:
            clip = "" if runs[0].recipe.get("clip_norm") else "set training.clip_norm to 1.0, "
            remedy = f"{clip}raise training.epochs and min_epochs, or lower training.learning_rate."
            yield (
                f"{model} learned nothing in {_share(flat, runs)}: it is no better than the most "
                f"frequent class. {remedy[0].upper()}{remedy[1:]}"
            )
        elif improving and constant:
            yield (
                f"{model} was still improving at its last epoch, {epochs}, in "
                f"{_share(improving, runs)}. Raise training.epochs."
            )
        elif len(early) > len(runs) / 2:
            yield (
                f"{model} overfitted from epoch {_best_epoch(early[0]) + 1} on in "
                f"{_share(early, runs)}. Raise training.word_dropout or dropout, or lower "
                "training.learning_rate or units."
            )


def _best_epoch(run: Curve) -> int:
    """Counted from 1."""
    return int(run.history["val_loss"].to_numpy().argmin()) + 1


def _risen(run: Curve) -> bool:
    losses = run.history["val_loss"].to_numpy()
    return bool(losses[-1] > WORSE * losses.min())


def _as_majority(run: Curve, majority: float) -> bool:
    """Whether the run is no better than always predicting the most frequent class."""
    return bool(run.history["val_accuracy"].max() <= majority + 0.01)


def _majority(encoding: Mapping[str, Any]) -> float | None:
    """The most frequent class's share of validation; None where that is not known."""
    labels = encoding["splits"]["validation"].get("labels")
    return max(labels.values()) / sum(labels.values()) if labels else None


def _share(some: Sequence[Curve], runs: Sequence[Curve]) -> str:
    return "every run" if len(some) == len(runs) else f"{len(some)} of {len(runs)} runs"
