"""The baselines of a dataset: linear models of its text, or forecasts of its series."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline import progress
from pipeline.baselines.linear import fit_naive_bayes, fit_tfidf
from pipeline.baselines.naive import FREQUENCIES, MEAN, class_frequencies, naive_forecasts
from pipeline.baselines.ngrams import Texts
from pipeline.baselines.ridge import RIDGE, fit_ridge
from pipeline.core.predictions import NAIVE_BAYES, TFIDF, Predictions
from pipeline.core.schema import ClassWeight
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
    class_weight: ClassWeight,
) -> dict[str, Baseline]:
    """Fit logistic regression on TF-IDF, and on n-grams weighted by naive Bayes.

    Args:
        splits: train, validation and test.
        classes: the classes' names.
        class_weight: "balanced" makes rare classes count as much as frequent ones.
    """
    baselines = {}
    for name, fit in ((TFIDF, fit_tfidf), (NAIVE_BAYES, fit_naive_bayes)):
        fitted = fit(**splits, classes=classes, class_weight=class_weight)
        losses = fitted.validation_loss
        progress.say(
            f"{name}  C {fitted.inverse_regularization:g}  {fitted.features:,} n-grams  "
            f"validation log loss {losses[fitted.inverse_regularization]:.4f}"
        )
        card = {
            "C": fitted.inverse_regularization,
            "class_weight": class_weight,
            "validation_loss": {
                f"{strength:g}": round(loss, 6) for strength, loss in losses.items()
            },
            "ngrams": list(fitted.ngrams),
            "features": fitted.features,
            "parameters": fitted.parameters,
        }
        baselines[name] = Baseline(fitted.predictions, card, fitted.words)
    return baselines


def series_baselines(
    splits: Mapping[str, Sequences], about: Mapping[str, Any]
) -> dict[str, Baseline]:
    """Compute naive forecasts and fit ridge regression, or, for classes, predict their frequencies.

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
    baselines = {
        name: Baseline(of_splits, {"parameters": parameters.get(name, 0)})
        for name, of_splits in predictions.items()
    }
    ridge = fit_ridge(**splits) if about["task"] == "regression" else None
    if ridge is not None:
        progress.say(f"{RIDGE}  penalty {ridge.penalty:g}  {ridge.steps} steps")
        card = {
            "penalty": ridge.penalty,
            "validation_loss": {f"{key:g}": loss for key, loss in ridge.validation_loss.items()},
            "steps": ridge.steps,
            "parameters": ridge.parameters,
        }
        baselines[RIDGE] = Baseline(ridge.predictions, card)
    return baselines
