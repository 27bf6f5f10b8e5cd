"""Does an explanation change when what the network has learned is taken away?

From the output down, its layers get fresh weights, each time with all those above (Adebayo et al.
2018, "Sanity Checks for Saliency Maps"). An explanation that stays as it was doesn't tell what
these layers have learned.
"""

from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.core.sequences import Sequences

LEVELS = ("output", "encoder", "embedding")  # the encoder with the attention above it

Scores = Mapping[str, NDArray[np.float64]]


def correlations(
    predictor: keras.Model,
    sequences: Sequences,
    before: Scores,
    explain: Callable[[], Scores],
    *,
    seed: int,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """How alike each method's scores remain as more of the network gets fresh weights.

    Args:
        predictor: the network; in the end it is as it was.
        sequences: the rows.
        before: their scores by each method, <float64>[total].
        explain: scores them again, with the network as it then is.
        seed: of the fresh weights; it also sets the global seeds, as Keras's initializers do.

    Returns:
        Method → level → <float64>[rows of two steps or more], Spearman's ρ of the scores' sizes.
    """
    found: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in before}
    for level in randomize(predictor, seed=seed):
        for name, after in explain().items():
            found[name][level] = alike(sequences, before[name], after)
    return found


def randomize(predictor: keras.Model, *, seed: int) -> Iterator[str]:
    """Give the layers fresh weights, level by level, and at the end their own again."""
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(predictor)
    trained = predictor.get_weights()
    try:
        for level in LEVELS:
            layers = [layer for layer in predictor.layers if level_of(layer) == level]
            changed = [layer for layer in layers if layer.trainable_weights]
            for layer in changed:
                layer.set_weights(fresh.get_layer(layer.name).get_weights())
            if changed:
                yield level
    finally:
        predictor.set_weights(trained)


def level_of(layer: keras.Layer) -> str:
    """The level with which a layer gets fresh weights."""
    if layer.name == "output":
        return "output"
    return "embedding" if isinstance(layer, keras.layers.Embedding) else "encoder"


def alike(
    sequences: Sequences, one: NDArray[np.float64], two: NDArray[np.float64]
) -> NDArray[np.float64]:
    """<float64>[rows of two steps or more]: Spearman's ρ of the sizes; 0 where one has no order."""
    found = []
    for start, end in zip(sequences.starts[:-1], sequences.starts[1:], strict=True):
        if end - start > 1:
            ranks = [stats.rankdata(np.abs(each[start:end])) for each in (one, two)]
            constant = any(np.ptp(each) == 0 for each in ranks)
            found.append(0.0 if constant else float(np.corrcoef(ranks)[0, 1]))
    return np.array(found)
