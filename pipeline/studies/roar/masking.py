"""Masking the steps that a method ranks highest."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.sequences import Sequences
from pipeline.encoding.tokenizer import UNKNOWN_ID
from pipeline.explanation import gradients
from pipeline.explanation.candidates import weights_of
from pipeline.explanation.erasure import ranks
from pipeline.models.network import Network


def mask(
    sequences: Sequences, scores: NDArray[np.float64], ratio: float, *, ties: NDArray[np.float64]
) -> Sequences:
    """Put the unknown word in the place of a share of each row's steps.

    1. Those that are unknown already, by an earlier mask or by themselves, count as masked.
    2. Of the others, those of the largest scores by absolute value: with two classes it then makes
       no difference which of them is explained, so a mask can't give the class away.
    3. ratio · length steps in all, rounded up.

    Args:
        sequences: the rows.
        scores: <float64>[total], of a method.
        ratio: of each row's steps that are masked in the end.
        ties: <float64>[total], the order of equal scores.
    """
    sizes = np.where(sequences.values == UNKNOWN_ID, np.inf, np.abs(scores))
    count = np.ceil((ratio * sequences.lengths).round(9))
    masked = ranks(sequences, sizes, ties) < np.repeat(count, sequences.lengths)
    return replace(sequences, values=np.where(masked, np.int32(UNKNOWN_ID), sequences.values))


def score(
    method: str, network: Network, sequences: Sequences, *, points: int
) -> NDArray[np.float64]:
    """<float64>[total]: what a method says of each step.

    Args:
        method: one of `settings.Method`.
        network: whose predictions are explained.
        sequences: the rows.
        points: of integrated gradients; see `gradients.attribute`.
    """
    if method == "attention":
        return weights_of(network, sequences)
    integrated = method == "integrated_gradients"
    found = gradients.attribute(
        sequences, gradients.reader(network.predictor), points=points if integrated else 0
    )
    if integrated:
        return found.integrated
    return found.gradient_input if method == "gradient_input" else found.gradient_norm
