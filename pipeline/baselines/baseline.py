"""The baselines of a dataset: TF-IDF + logistic regression, or naive forecasts of series."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pipeline import progress
from pipeline.baselines.naive import FREQUENCIES, MEAN, class_frequencies, naive_forecasts
from pipeline.baselines.tfidf import NGRAMS, Texts, fit_tfidf
from pipeline.core.predictions import TFIDF, Predictions
from pipeline.core.sequences import Sequences


class Baseline(NamedTuple):
    """One baseline.

    Attributes:
        predictions: on validation and test.
        card: its own entries in `model.json`.
        words: class name → its most telling n-grams; None if it has none.
    """

    predictions: Mapping[str, Predictions]
    card: Mapping[str, Any]
    words: Mapping[str, Any] | None = None


def text_baselines(
    splits: Mapping[str, Texts],
    *,
    classes: list[str],
    class_weight: Literal["none", "balanced"],
) -> dict[str, Baseline]:
    """Fit TF-IDF + logistic regression.

    Args:
        splits: train, validation and test.
        classes: the classes' names.
        class_weight: "balanced" makes rare classes count as much as frequent ones.
    """
    fitted = fit_tfidf(**splits, classes=classes, class_weight=class_weight)
    progress.say(
        f"{TFIDF}  C {fitted.inverse_regularization:g}  {fitted.features:,} n-grams  "
        f"validation log loss {fitted.validation_loss[fitted.inverse_regularization]:.4f}"
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
    return {TFIDF: Baseline(predictions, card, fitted.words)}


def series_baselines(
    splits: Mapping[str, Sequences], about: Mapping[str, Any]
) -> dict[str, Baseline]:
    """Compute naive forecasts, or, for classes, predict their frequencies in train.

    Args:
        splits: train, validation and test.
        about: `encoding.json` of their data.
    """
    predictions: dict[str, dict[str, Predictions]] = {}
    for split in ("validation", "test"):
        rows = splits[split]
        if about["task"] == "regression":
            features = about["features"]
            outputs = naive_forecasts(
                splits["train"],
                rows,
                target=features.index(about["target"]) if about["target"] in features else None,
                horizon=about.get("horizon", 1),
                season=about.get("season"),
            )
        else:
            outputs = class_frequencies(splits["train"], rows, classes=len(about["classes"]))
        for name, predicted in outputs.items():
            of_split = predictions.setdefault(name, {})
            of_split[split] = Predictions(rows.rows, rows.targets, predicted)
    parameters = {MEAN: 1, FREQUENCIES: len(about["classes"])}
    return {
        name: Baseline(of_splits, {"parameters": parameters.get(name, 0)})
        for name, of_splits in predictions.items()
    }
