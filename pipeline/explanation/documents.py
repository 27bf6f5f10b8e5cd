"""What `explain` writes about each run, and about all of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.core.predictions import Predictions
from pipeline.explanation import samples
from pipeline.explanation.agreement import agreement
from pipeline.explanation.attended import attended_words
from pipeline.explanation.estimates import Document
from pipeline.explanation.faithfulness import Weights
from pipeline.explanation.rows import Rows
from pipeline.explanation.verdict import verdict

LIMITS = (
    "A sequence with steps taken out is unlike anything the model was trained on, and part of the "
    "change comes from that; this is why random deletions stand beside it. A weight belongs to a "
    "hidden state, into which the Bi-LSTM has mixed the whole sequence: attention on a word does "
    "not mean that the word alone was read there. Passing these tests makes the weights a fair "
    "pointer to what matters on average; it does not make the highlights of a single text the "
    "reason for its prediction."
)
REFERENCES = (
    "DeYoung et al. 2020, ERASER: A Benchmark to Evaluate Rationalized NLP Models (ACL)",
    "Jain & Wallace 2019, Attention is not Explanation (NAACL)",
    "Wiegreffe & Pinter 2019, Attention is not not Explanation (EMNLP)",
    "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks (ICML)",
)


class MeasuredRun(NamedTuple):
    """A run's weights on the tested rows, and what was measured of them.

    Attributes:
        weights: <float32>[length] a row.
        predictions: of the run, for the tested rows.
        measured: what `faithfulness.measure` returned.
    """

    weights: Weights
    predictions: Predictions
    measured: Document


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
) -> Document:
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
    candidates: Mapping[str, Document],
    tested: Rows,
    classes: Sequence[str],
    *,
    confidence: float,
    seed: int,
) -> Document:
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
        models[model] = summarize(
            {number: run.measured for number, run in by_seed.items()},
            agreement([run.weights for run in of_model], confidence=confidence, seed=seed),
            None
            if tested.texts is None
            else attended_words(
                tested.texts,
                tested.sequences,
                [(run.weights, run.predictions) for run in of_model],
                classes,
            ),
            candidates.get(model),
        )
    return document(models, candidates, confidence=confidence)


def summarize(
    runs: Mapping[int, Document],
    agreed: Document | None,
    words: Mapping[str, list[Document]] | None = None,
    compared: Document | None = None,
) -> Document:
    """What `faithfulness.json` says about one model: its runs by seed, and the verdict."""
    level, sentences = verdict(list(runs.values()), agreed, compared)
    return {
        "level": level,
        "verdict": " ".join(sentences),
        "seeds": {str(seed): run for seed, run in runs.items()},
        "agreement": agreed,
        "words": words,
    }


def document(
    models: Mapping[str, Document], candidates: Mapping[str, Document], *, confidence: float
) -> Document:
    """The content of `results/explanations/faithfulness.json`.

    Args:
        models: from `summarize`, those with attention.
        candidates: from `controls.summarize`, every model's.
        confidence: of every interval.
    """
    return {
        "confidence": confidence,
        "models": dict(models),
        "candidates": dict(candidates),
        "limits": LIMITS,
        "references": list(REFERENCES),
    }
