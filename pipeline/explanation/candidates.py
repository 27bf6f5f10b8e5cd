"""Other scores of the steps beside attention: methods that might point better, and controls.

A method claims to point at what changes the prediction. A control knows too little to be trusted,
so a method that is no better than a control isn't either. All are measured alike: by the change
when their highest steps are deleted, or kept alone, and by the known evidence.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.explanation import gradients
from pipeline.explanation.erasure import Predict, keep, of_predicted
from pipeline.explanation.omission import Omitting, omitting
from pipeline.explanation.threads import side_by_side
from pipeline.explanation.untrained import untrained_weights
from pipeline.models.network import Network
from pipeline.training import inference

Scores = Mapping[str, NDArray[np.float64]]  # name → <float64>[total], or [draws, total]

# Of the random controls: a single untrained layer may point at what matters, or away from it, by
# chance, and that chance would drown any lead.
DRAWS = 4


def leave_one_out(
    sequences: Sequences, predict: Predict, omit: Omitting | None = None
) -> NDArray[np.float64]:
    """<float64>[total]: by how much the prediction falls without each step; 0 in rows of one.

    Args:
        sequences: the rows.
        predict: the outputs for sequences.
        omit: the outputs for a row without each of its steps; None: by `predict`.
    """
    scores = np.zeros(len(sequences.values))
    full = predict(sequences)

    def leave_out(row: int) -> None:
        steps = slice(sequences.starts[row], sequences.starts[row + 1])
        if omit is None:
            without = predict(each_left_out(sequences, row))
        else:
            without = omit(sequences.values[steps])
        own = np.repeat(full[row : row + 1], len(without), axis=0)
        scores[steps] = of_predicted(own, own) - of_predicted(own, without)

    side_by_side(leave_out, np.flatnonzero(sequences.lengths > 1).tolist())
    return scores


def each_left_out(sequences: Sequences, row: int) -> Sequences:
    """A row without its first step, without its second, and so on."""
    length = sequences.lengths[row]
    repeated = sequences.take(np.full(length, row))
    return keep(repeated, ~np.eye(length, dtype=bool).ravel())


def inverse_frequencies(train: Sequences, vocabulary: int) -> NDArray[np.float64]:
    """<float64>[vocabulary]: log((1 + texts) / (1 + texts with the token)), in train."""
    texts = np.zeros(vocabulary)
    for part in train.parts():
        row_of = np.repeat(np.arange(len(part), dtype=np.int64), part.lengths)
        tokens = np.unique(row_of * vocabulary + part.values) % vocabulary
        texts += np.bincount(tokens, minlength=vocabulary)
    return np.log((1 + len(train)) / (1 + texts))


def plain_controls(
    sequences: Sequences, idf: NDArray[np.float64] | None, *, seed: int
) -> dict[str, NDArray[np.float64]]:
    """The controls that know no network.

    Args:
        sequences: the rows.
        idf: of each token; None for a series.
        seed: of the random scores.
    """
    place = np.arange(len(sequences.values)) - np.repeat(sequences.starts[:-1], sequences.lengths)
    return {
        **({} if idf is None else {"idf": idf[sequences.values]}),
        "position": -place.astype(np.float64),
        "random": np.random.default_rng(seed).random((DRAWS, len(place))),
    }


def methods_of(
    network: Network, sequences: Sequences, *, points: int
) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Every method's scores for one run, attention first, and the integrated gradients' error."""
    found = gradients.attribute(sequences, gradients.reader(network.predictor), points=points)
    scores = {
        **({} if network.explainer is None else {"attention": weights_of(network, sequences)}),
        "gradient_input": found.gradient_input,
        "gradient_norm": found.gradient_norm,
        "integrated_gradients": found.integrated,
        "leave_one_out": leave_one_out(
            sequences, partial(inference.predict, network.predictor), omitting(network.predictor)
        ),
    }
    return scores, found.error


def controls_of(
    network: Network,
    sequences: Sequences,
    *,
    idf: NDArray[np.float64] | None,
    other: Network | None,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Every control's scores for one run; those of random draws are <float64>[draws, total].

    Args:
        network: the run's.
        sequences: the rows.
        idf: of each token; None for a series.
        other: the network of another seed; None if there is none.
        seed: of the random scores and the untrained attention.
    """
    scores = plain_controls(sequences, idf, seed=seed)
    if network.explainer is not None:
        untrained = untrained_weights(network.predictor, sequences, draws=DRAWS, seed=seed)
        if untrained is not None:
            scores["untrained_attention"] = untrained
        if other is not None:
            scores["other_seed"] = weights_of(other, sequences)
    return scores


def weights_of(network: Network, sequences: Sequences) -> NDArray[np.float64]:
    """<float64>[total]: the attention."""
    return np.concatenate(inference.predict_with_weights(network, sequences)[1], dtype=np.float64)
