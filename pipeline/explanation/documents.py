"""What `explain` writes about each run, and about all of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.core import params
from pipeline.core.predictions import Predictions
from pipeline.explanation import alternatives, samples
from pipeline.explanation.agreement import agreement
from pipeline.explanation.attended import attended_words
from pipeline.explanation.estimates import Document
from pipeline.explanation.faithfulness import Weights
from pipeline.explanation.readout import Readout
from pipeline.explanation.rows import Rows
from pipeline.explanation.trust import trust_card
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
    "Serrano & Smith 2019, Is Attention Interpretable? (ACL)",
    "Adebayo et al. 2018, Sanity Checks for Saliency Maps (NeurIPS)",
    "Zhao & Aletras 2023, Incorporating Attribution Importance for Improving Faithfulness Metrics",
    "Ribeiro et al. 2016, “Why Should I Trust You?” (KDD)",
    "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks (ICML)",
)


class MeasuredRun(NamedTuple):
    """A run's weights on the tested rows, and what was measured of them.

    Attributes:
        states: the run's states and weights.
        predictions: of the run, for the tested rows.
        measured: what `faithfulness.measure` returned.
        guided: what `guided.compare` returned; None if it wasn't measured.
    """

    states: Readout
    predictions: Predictions
    measured: Document
    guided: Document | None = None


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
    settings: params.Explain,
    *,
    confidence: float,
) -> Document:
    """The content of `faithfulness.json`.

    Args:
        runs: model → seed → run, for the models with attention.
        candidates: model → what `controls.summarize` returned.
        tested: the rows.
        classes: their names.
        settings: the bound of the output, and the seed of whatever is random.
        confidence: of every interval.
    """
    models = {}
    for model, by_seed in runs.items():
        of_model = list(by_seed.values())
        weights = [run.states.split() for run in of_model]
        models[model] = summarize(
            {number: run.measured for number, run in by_seed.items()},
            agreement(weights, confidence=confidence, seed=settings.seed),
            None
            if tested.texts is None
            else attended_words(
                tested.texts,
                tested.sequences,
                [(own, run.predictions) for own, run in zip(weights, of_model, strict=True)],
                classes,
            ),
            candidates.get(model),
            {
                number: alternatives.measure(
                    run.states,
                    of_model[(place + 1) % len(of_model)].states if len(of_model) > 1 else None,
                    tested.sequences.targets,
                    bound=settings.output_bound,
                    confidence=confidence,
                    seed=settings.seed,
                )
                | ({"guided": run.guided} if run.guided else {})
                for place, (number, run) in enumerate(by_seed.items())
            },
        )
    return document(models, candidates, confidence=confidence)


def summarize(
    runs: Mapping[int, Document],
    agreed: Document | None,
    words: Mapping[str, list[Document]] | None = None,
    compared: Document | None = None,
    others: Mapping[int, Document] | None = None,
) -> Document:
    """What `faithfulness.json` says about one model: its runs by seed, and the verdict.

    Args:
        runs: seed → what `faithfulness.measure` returned.
        agreed: what `agreement` returned.
        words: what `attended_words` returned.
        compared: what `controls.summarize` returned.
        others: seed → what `alternatives.measure` returned.
    """
    moved = list((others or {}).values())
    level, sentences = verdict(list(runs.values()), agreed, compared, moved)
    return {
        "level": level,
        "verdict": " ".join(sentences),
        "seeds": {str(seed): run for seed, run in runs.items()},
        "agreement": agreed,
        "words": words,
        "others": {str(seed): other for seed, other in (others or {}).items()},
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
        "trust": {
            model: trust_card(models.get(model), compared) for model, compared in candidates.items()
        },
        "models": dict(models),
        "candidates": dict(candidates),
        "limits": LIMITS,
        "references": list(REFERENCES),
    }
