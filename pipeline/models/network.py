"""The compared network: input, Bi-LSTM, pooling, head. Only the pooling differs between models."""

from itertools import count
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from pipeline.models.attention import AdditiveAttention, DotAttention
from pipeline.models.recurrence import LSTM
from pipeline.params import Recipe

Kind = Literal["text", "series"]
Task = Literal["binary", "multiclass", "regression"]

# The head's activation tells what an output means.
ACTIVATIONS: dict[Task, str] = {
    "binary": "sigmoid",  # (batch, 1), probability of the second class
    "multiclass": "softmax",  # (batch, classes), probabilities
    "regression": "linear",  # (batch, 1), the value itself
}


class Network(NamedTuple):
    """Two models over the same layers.

    Attributes:
        predictor: inputs -> output. This one is trained.
        explainer: inputs -> {"output": output, "weights": (batch, time_steps)}; None where the
            pooling has no weights.
    """

    predictor: keras.Model
    explainer: keras.Model | None


def build(
    recipe: Recipe,
    *,
    kind: Kind,
    task: Task,
    classes: int,
    vocabulary_size: int = 0,
    bigrams: int = 0,
    features: int = 0,
) -> Network:
    """Turn a recipe into a network with fresh weights.

    Text, <int32>[batch, time_steps] token ids with 0 after the last token, goes through an
    embedding; a series, <float32>[batch, time_steps, features], goes straight into the
    Bi-LSTM. Everything after that is the same. The weights depend on
    `keras.utils.set_random_seed` alone.

    Args:
        recipe: sizes, pooling and regularisation.
        kind: of the input.
        task: decides the head.
        classes: how many there are; counts for the task "multiclass" only.
        vocabulary_size: of text, with the two special tokens.
        bigrams: how many pairs of tokens have an embedding of their own; `Bigrams.pairs` takes
            them.
        features: of a series.
    """
    width = recipe.embedding if kind == "text" else features
    outputs = classes if task == "multiclass" else 1
    units = recipe.units
    if recipe.widened:
        units = widened_units(recipe, inputs=width, outputs=outputs)

    if kind == "text":
        inputs = keras.Input((None,), dtype="int32", name="tokens")
        states = keras.layers.Embedding(vocabulary_size, width, mask_zero=True, name="embedding")(
            inputs
        )
        if bigrams:
            pairs = Bigrams(bigrams, width, name="bigrams")(inputs)
            states = keras.layers.Add(name="words_and_bigrams")([states, pairs])
        # of whole words, wherever they stand; of whole features, in all words
        states = keras.layers.Dropout(
            recipe.word_dropout, noise_shape=(None, None, 1), name="word_dropout"
        )(states)
        states = keras.layers.SpatialDropout1D(recipe.spatial_dropout, name="spatial_dropout")(
            states
        )
    else:
        states = inputs = keras.Input((None, features), dtype="float32", name="series")

    states = _encode(recipe, units, states)  # (batch, time_steps, width); last: (batch, width)
    pooled, weights = _pool(recipe, states)  # (batch, width)
    pooled = keras.layers.Dropout(recipe.dropout, name="dropout")(pooled)
    # float32 also under a mixed precision policy: the loss is taken from it
    output = keras.layers.Dense(
        outputs, activation=ACTIVATIONS[task], dtype="float32", name="output"
    )(pooled)

    predictor = keras.Model(inputs, output, name="predictor")
    if weights is None:
        return Network(predictor, None)
    explained = {"output": output, "weights": weights}
    return Network(predictor, keras.Model(inputs, explained, name="explainer"))


def widened_units(recipe: Recipe, *, inputs: int, outputs: int) -> int:
    """The fewest units with which a recipe has as many parameters as its additive sibling.

    Args:
        recipe: the one to widen.
        inputs: features of one step as the Bi-LSTM reads it.
        outputs: of the head.
    """
    sibling = recipe.model_copy(update={"pooling": "additive"})
    target = count_parameters(sibling, recipe.units, inputs=inputs, outputs=outputs)
    return next(
        units
        for units in count(recipe.units)
        if count_parameters(recipe, units, inputs=inputs, outputs=outputs) >= target
    )


def count_parameters(recipe: Recipe, units: int, *, inputs: int, outputs: int) -> int:
    """Parameters after the embedding, which is the same for every pooling and any units."""
    width = 2 * units if recipe.merge == "concat" else units
    # four gates, each with a kernel, a recurrent kernel and a bias, in each direction
    layers = [inputs] + [width] * (recipe.layers - 1)
    encoder = sum(2 * 4 * units * (size + units + 1) for size in layers)
    normalization = {"none": 0, "layer": 2, "batch": 4}[recipe.normalization] * width
    pooling = {"additive": width * (width + 2), "dot": width}.get(recipe.pooling, 0)
    return encoder + normalization + pooling + (width + 1) * outputs


def _encode(recipe: Recipe, units: int, states: Any) -> Any:
    """Bi-LSTM and normalisation.

    The pooling "last" takes the state in which each direction ended: the forward one at the
    last real step, the backward one at the first. A normalisation then applies to that vector.
    """
    for number in range(1, recipe.layers + 1):
        ends = number == recipe.layers and recipe.pooling == "last"
        states = keras.layers.Bidirectional(
            LSTM(units, return_sequences=not ends),
            merge_mode=recipe.merge,
            name="bilstm" if recipe.layers == 1 else f"bilstm_{number}",
        )(states)
    # Padding touches neither: the one looks at each step alone, the other at the mask.
    if recipe.normalization == "layer":
        return keras.layers.LayerNormalization(name="normalization")(states)
    if recipe.normalization == "batch":
        return keras.layers.BatchNormalization(name="normalization")(states)
    return states


def _pool(recipe: Recipe, states: Any) -> tuple[Any, Any]:
    """Turn states into one vector, and the weights where the pooling has them."""
    match recipe.pooling:
        case "last":
            return states, None  # `_encode` has given that state alone
        case "mean":
            return keras.layers.GlobalAveragePooling1D(name="mean")(states), None
        case "max":
            return MaskedMax(name="max")(states), None
        case "additive":
            context, weights = AdditiveAttention(recipe.l2, name="attention")(states)
        case "dot":
            context, weights = DotAttention("learned", name="attention")(states)
        case "dot_last":
            context, weights = DotAttention("last", name="attention")(states)
    return context, weights


@keras.saving.register_keras_serializable(package="spotlight")
class Bigrams(keras.layers.Layer):
    """An embedding of each token together with the one after it.

    <int32>[batch, time_steps] -> (batch, time_steps, features). Pairs that are not known, and
    the last token, share the first row. All rows begin with 0, so that at first the words alone
    are heard.

    Args:
        count: how many pairs are known; which ones, the `pairs` say.
        features: of the embedding.
    """

    def __init__(self, count: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.features = count, features

    def build(self, input_shape: Any) -> None:
        """Make the embeddings and room for the pairs."""
        self._keys = self.add_weight(
            shape=(self.count,), dtype="int64", initializer="zeros", trainable=False, name="keys"
        )
        self.embeddings = self.add_weight(
            shape=(self.count + 1, self.features), initializer="zeros", name="embeddings"
        )
        self.built = True

    @property
    def pairs(self) -> NDArray[np.int32]:
        """<int32>[count, 2], the known pairs in the order of their ids."""
        keys = ops.convert_to_numpy(self._keys)
        return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)

    @pairs.setter
    def pairs(self, pairs: NDArray[np.int32]) -> None:
        first, second = pairs.astype(np.int64).T
        self._keys.assign(np.sort(first << 32 | second))

    def call(self, tokens: Any) -> Any:
        """Look up each pair among the sorted keys."""
        tokens = ops.cast(tokens, "int64")
        following = ops.pad(tokens[:, 1:], [[0, 0], [0, 1]])
        wanted = tokens * 2**32 + following
        keys = ops.convert_to_tensor(self._keys)
        place = ops.searchsorted(keys, ops.reshape(wanted, (-1,)))
        place = ops.minimum(ops.reshape(place, ops.shape(wanted)), self.count - 1)
        row = ops.where(ops.take(keys, place) == wanted, place + 1, 0)
        return ops.take(self.embeddings, row, axis=0)

    def compute_mask(self, tokens: Any, mask: Any = None) -> Any:
        """Real tokens, as `Embedding(mask_zero=True)` has it: a sum needs the mask of each part."""
        return ops.not_equal(tokens, 0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """A vector for each token."""
        return (*input_shape, self.features)

    def compute_output_spec(self, tokens: Any) -> Any:
        """As `compute_output_shape`, in the layer's precision."""
        return keras.KerasTensor((*tokens.shape, self.features), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "count": self.count, "features": self.features}


@keras.saving.register_keras_serializable(package="spotlight")
class MaskedMax(keras.layers.Layer):
    """The largest value of each feature over the real steps; Keras's own takes no mask.

    (batch, time_steps, features) -> (batch, features); 0 in a row without a real step.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the maxima: (batch, features)."""
        if mask is None:
            return ops.max(inputs, axis=1)
        mask = ops.cast(mask, "bool")[:, :, None]  # <bool>[batch, time_steps, 1]
        largest = ops.max(ops.where(mask, inputs, float("-inf")), axis=1)
        return ops.where(ops.any(mask, axis=1), largest, 0.0)

    def compute_mask(self, *_: Any) -> None:
        """End the mask here: the result has no time axis."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The time axis goes."""
        batch, _, features = input_shape
        return batch, features
