"""What `explain` writes about each run, and about all of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.core.predictions import Predictions
from pipeline.explanation import faithfulness, samples
from pipeline.explanation.faithfulness import Weights
from pipeline.explanation.rows import Rows


class MeasuredRun(NamedTuple):
    """A run's weights on the tested rows, and what was measured of them.

    Attributes:
        weights: <float32>[length] a row.
        predictions: of the run, for the tested rows.
        measured: what `faithfulness.measure` returned.
    """

    weights: Weights
    predictions: Predictions
    measured: dict[str, Any]


def samples_document(
    shown: Rows,
    predictions: Predictions,
    weights: Weights | None,
    about: Mapping[str, Any],
    *,
    model: str,
    seed: int,
    disputed: Collection[int],
    drawn: Sequence[int],
) -> dict[str, Any]:
    """The content of one run's `samples.json`.

    Args:
        shown: the rows.
        predictions: the run's, for these rows.
        weights: likewise; None if the model has none.
        about: `encoding.json`.
        model, seed: which run it is.
        disputed: numbers of the rows on which the models disagree.
        drawn: the features of a series that are shown.
    """
    if shown.texts is None:
        return samples.series_document(
            model=model,
            seed=seed,
            classes=about["classes"],
            features=about["features"],
            drawn=drawn,
            sequences=shown.sequences,
            predictions=predictions,
            weights=weights,
            disagreements=disputed,
        )
    return samples.document(
        model=model,
        seed=seed,
        classes=about["classes"],
        texts=shown.texts,
        sequences=shown.sequences,
        predictions=predictions,
        weights=weights,
        max_len=about["max_len"],
        evidence=shown.evidence,
        disagreements=disputed,
    )


def faithfulness_document(
    runs: Mapping[str, Mapping[int, MeasuredRun]],
    candidates: Mapping[str, dict[str, Any]],
    tested: Rows,
    classes: Sequence[str],
    *,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """The content of `faithfulness.json`.

    Args:
        runs: model → seed → run, for the models with attention.
        candidates: model → what `controls.summarize` returned.
        tested: the rows.
        classes: their names.
        confidence: of every interval.
        seed: of the random orders.
    """
    models = {}
    for model, by_seed in runs.items():
        of_model = list(by_seed.values())
        models[model] = faithfulness.summarize(
            {number: run.measured for number, run in by_seed.items()},
            faithfulness.agreement(
                [run.weights for run in of_model], confidence=confidence, seed=seed
            ),
            None
            if tested.texts is None
            else faithfulness.attended_words(
                tested.texts,
                tested.sequences,
                [(run.weights, run.predictions) for run in of_model],
                classes,
            ),
            candidates.get(model),
        )
    return faithfulness.document(models, candidates, confidence=confidence)
