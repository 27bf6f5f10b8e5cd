"""The compared network: input, Bi-LSTM, pooling, head. Only the pooling differs between models."""

from collections.abc import Mapping
from itertools import count
from typing import Any, Literal, NamedTuple

import keras

from pipeline.core.params import Recipe
from pipeline.core.predictions import Task
from pipeline.models.attention import AdditiveAttention, DotAttention
from pipeline.models.bigrams import Bigrams
from pipeline.models.chrono import Chrono
from pipeline.models.dropout import Dropout, SpatialDropout1D
from pipeline.models.lstm import BiLSTM
from pipeline.models.masked_max import MaskedMax
from pipeline.models.words import Distinct, Spread, WordDropout

Kind = Literal["text", "series"]

# The head's activation determines what an output means.
ACTIVATIONS: dict[Task, str] = {
    "binary": "sigmoid",  # (batch, 1), probability of the second class
    "multiclass": "softmax",  # (batch, classes), probabilities
    "regression": "linear",  # (batch, 1), the value itself
}


class Network(NamedTuple):
    """Two models that share their layers.

    Attributes:
        predictor: inputs -> output; this one is trained.
        explainer: inputs -> {"output": output, "weights": (batch, time_steps)}; None if the
            pooling has no weights.
    """

    predictor: keras.Model
    explainer: keras.Model | None


def build_network(
    recipe: Recipe,
    *,
    kind: Kind,
    task: Task,
    classes: int,
    vocabulary_size: int = 0,
    bigrams: int = 0,
    trigrams: int = 0,
    features: int = 0,
) -> Network:
    """Build a network with fresh weights from a recipe.

    Text, <int32>[batch, time_steps] token ids with 0 after the last token, goes through an
    embedding; a series, <float32>[batch, time_steps, features], goes straight into the
    Bi-LSTM. Everything after that is the same. The weights depend only on
    `keras.utils.set_random_seed`.

    Args:
        recipe: sizes, pooling and regularization.
        kind: of the input.
        task: determines the head.
        classes: number of classes; used only for the task "multiclass".
        vocabulary_size: for text, including the two special tokens.
        bigrams: number of token pairs with their own embedding; set them as `Bigrams.pairs`.
        trigrams: the same of triples, each a pair of bigrams.
        features: number of features of a series.
    """
    width = recipe.embedding if kind == "text" else features
    outputs = classes if task == "multiclass" else 1
    units = recipe.units
    if recipe.widened:
        units = widened_units(recipe, inputs=width, outputs=outputs)

    states: Any
    if kind == "text":
        inputs = keras.Input((None,), dtype="int32", name="tokens")
        ngrams = {"bigram": bigrams, "trigram": trigrams}
        states = _embed(recipe, inputs, vocabulary_size=vocabulary_size, ngrams=ngrams)
    else:
        states = inputs = keras.Input((None, features), dtype="float32", name="series")

    states = _encode(recipe, units, states)  # (batch, time_steps, width); last: (batch, width)
    pooled, weights = _pool(recipe, states)  # (batch, width); additive_max: (batch, 2 · width)
    pooled = Dropout(recipe.dropout, name="dropout")(pooled)
    # float32 even under a mixed precision policy, since the loss is computed from it
    output = keras.layers.Dense(
        outputs, activation=ACTIVATIONS[task], dtype="float32", name="output"
    )(pooled)

    predictor = keras.Model(inputs, output, name="predictor")
    if weights is None:
        return Network(predictor, None)
    explained = {"output": output, "weights": weights}
    return Network(predictor, keras.Model(inputs, explained, name="explainer"))


def split_at_encoder(model: keras.Model) -> tuple[keras.Model, BiLSTM, keras.Model]:
    """Split a model at its first Bi-LSTM into three that share its layers.

    The first outputs a list of what the Bi-LSTM takes, and another of the steps' mask, if there is
    one; the last takes the states and that list.
    """
    encoder = next(layer for layer in model.layers if isinstance(layer, BiLSTM))
    given = [one for one in keras.tree.flatten(encoder.input) if one.dtype != "bool"]
    masks = [one._keras_mask for one in given if getattr(one, "_keras_mask", None) is not None]
    below = keras.Model(model.inputs, [given, masks[:1]])
    return below, encoder, keras.Model([encoder.output, masks[:1]], model.outputs[0])


def widened_units(recipe: Recipe, *, inputs: int, outputs: int) -> int:
    """The fewest units with which a recipe has as many parameters as with additive attention.

    Args:
        recipe: the recipe to widen.
        inputs: features of one step that the Bi-LSTM reads.
        outputs: outputs of the head.
    """
    sibling = recipe.model_copy(update={"pooling": "additive"})
    target = count_parameters(sibling, recipe.units, inputs=inputs, outputs=outputs)
    return next(
        units
        for units in count(recipe.units)
        if count_parameters(recipe, units, inputs=inputs, outputs=outputs) >= target
    )


def count_parameters(recipe: Recipe, units: int, *, inputs: int, outputs: int) -> int:
    """Number of parameters after the embedding, which is independent of pooling and units."""
    width = 2 * units if recipe.merge == "concat" else units
    # four gates, each with a kernel, a recurrent kernel and a bias, in each direction
    layers = [inputs] + [width] * (recipe.layers - 1)
    encoder = sum(2 * 4 * units * (size + units + 1) for size in layers)
    normalization = {"none": 0, "layer": 2, "batch": 4}[recipe.normalization] * width
    additive = width * (width + 2)
    pooling = {"additive": additive, "additive_max": additive, "dot": width}.get(recipe.pooling, 0)
    pooled = 2 * width if recipe.pooling == "additive_max" else width
    return encoder + normalization + pooling + (pooled + 1) * outputs


def _embed(recipe: Recipe, tokens: Any, *, vocabulary_size: int, ngrams: Mapping[str, int]) -> Any:
    """Look up each distinct word of a batch, with its n-grams, and drop words.

    Returns:
        What the Bi-LSTM takes for scale · vectors[position]: these three. With spatial dropout,
        in which a word has other features in each row, the product itself.
    """
    layers: Any = keras.layers
    used = {name: known for name, known in ngrams.items() if known}
    ids = [tokens]
    for name, known in used.items():
        ids.append(Bigrams(known, name=f"{name}s")(ids[-1]))
    words, *numbers, position = Distinct(name="distinct")(ids)
    vectors = layers.Embedding(vocabulary_size, recipe.embedding, name="embedding")(words)
    # All start at 0, so that at first only the words count.
    added = [
        layers.Embedding(
            known + 1, recipe.embedding, embeddings_initializer="zeros", name=f"{name}_embedding"
        )(of_ngrams)
        for (name, known), of_ngrams in zip(used.items(), numbers, strict=True)
    ]
    if added:
        vectors = layers.Add(name="words_and_ngrams")([vectors, *added])
    scale = WordDropout(recipe.word_dropout, name="word_dropout")(position)
    if not recipe.spatial_dropout:
        return [vectors, position, scale]
    steps = Spread(name="steps")([vectors, position, scale])
    return SpatialDropout1D(recipe.spatial_dropout, name="spatial_dropout")(steps)


def _encode(recipe: Recipe, units: int, states: Any) -> Any:
    """Apply Bi-LSTM and normalization.

    The pooling "last" takes each direction's final state: the forward one at the last real step,
    the backward one at the first. Normalization then applies to that vector.
    """
    biases: dict[str, Any] = {}
    if recipe.chrono:
        biases = {"bias_initializer": Chrono(recipe.chrono), "unit_forget_bias": False}
    for number in range(1, recipe.layers + 1):
        ends = number == recipe.layers and recipe.pooling == "last"
        states = BiLSTM(
            keras.layers.LSTM(units, return_sequences=not ends, **biases),
            merge_mode=recipe.merge,
            name="bilstm" if recipe.layers == 1 else f"bilstm_{number}",
        )(states)
    # Padding affects neither: layer normalization is per step, batch normalization uses the mask.
    if recipe.normalization == "layer":
        return keras.layers.LayerNormalization(name="normalization")(states)
    if recipe.normalization == "batch":
        return keras.layers.BatchNormalization(name="normalization")(states)
    return states


def _pool(recipe: Recipe, states: Any) -> tuple[Any, Any]:
    """Pool states into one vector; returns it and the weights, if the pooling has any."""
    options: Any = {
        "normalizer": recipe.attention,
        "entropy": recipe.attention_entropy,
        "conicity": recipe.attention_conicity,
        "name": "attention",
    }
    match recipe.pooling:
        case "last":
            return states, None  # `_encode` has returned only that state
        case "mean":
            return keras.layers.GlobalAveragePooling1D(name="mean")(states), None
        case "max":
            return MaskedMax(name="max")(states), None
        case "additive":
            context, weights = AdditiveAttention(recipe.l2, **options)(states)
        case "dot":
            context, weights = DotAttention("learned", **options)(states)
        case "dot_last":
            context, weights = DotAttention("last", **options)(states)
        case "dot_max":
            context, weights = DotAttention("max", **options)(states)
        case "additive_max":
            context, weights = AdditiveAttention(recipe.l2, **options)(states)
            largest = MaskedMax(name="max")(states)
            context = keras.layers.Concatenate(name="both")([context, largest])
    return context, weights
