"""Attention layers that pool a sequence of states into one vector.

After Bahdanau, Cho & Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate" (ICLR 2015), in its keys-only form: there is no decoder, so a step's score depends only
on that step. The module needs Keras and nothing else from this package:

    from pipeline.models.attention import AdditiveAttention

    context, weights = AdditiveAttention()(states)
"""

from typing import Any, Literal

import keras
from keras import ops

Shape = tuple[int | None, ...]

# Below any real score, but finite: unlike -inf, it gives no NaN when a whole row is masked.
LOWEST_SCORE = -1e30


def additive_score(states: Any, kernel: Any, bias: Any, vector: Any) -> Any:
    """Score every step by u · tanh(W h + b).

    (batch, time_steps, features) -> (batch, time_steps).
    """
    return ops.matmul(ops.tanh(ops.matmul(states, kernel) + bias), vector)


def dot_score(states: Any, query: Any) -> Any:
    """Score every step by (q · h) / √features.

    The query is one vector for all rows, (features,), or one per row, (batch, features).
    (batch, time_steps, features) -> (batch, time_steps).
    """
    query = query / states.shape[-1] ** 0.5
    if len(query.shape) == 1:
        return ops.matmul(states, query)
    return ops.einsum("btf,bf->bt", states, query)


def masked_softmax(scores: Any, mask: Any = None) -> Any:
    """Softmax over the real steps of each row, in float32 or higher: (batch, time_steps).

    A masked step gets exactly 0, and so does every step of a row without real steps.
    """
    # not `ops.softmax`, which warns about sequences of one step
    exponentials = ops.exp(_centered(scores, mask))
    weights = exponentials / ops.sum(exponentials, axis=-1, keepdims=True)
    return weights if mask is None else ops.where(mask, weights, 0.0)


def masked_sparsemax(scores: Any, mask: Any = None) -> Any:
    """Sparsemax over the real steps of each row, in float32 or higher: (batch, time_steps).

    The point of the simplex that is nearest to the scores, with exactly 0 at low ones (Martins &
    Astudillo, "From Softmax to Sparsemax", ICML 2016, algorithm 1). For scores z in falling order:

    1. τₖ = (z₁ + … + zₖ - 1) / k
    2. the support is the steps up to the last k with zₖ > τₖ, and τ that τₖ
    3. αₜ = max(zₜ - τ, 0)

    Masked steps, and rows without real steps, are as in `masked_softmax`.
    """
    scores = _centered(scores, mask)
    falling, places = _falling(scores)
    supported = falling > (ops.cumsum(falling, axis=-1) - 1) / places
    support, size = _support(scores, falling, supported)
    # Given the support, τ is a mean: so the gradient is exact, and none goes through the sort.
    total = ops.sum(support * scores, axis=-1, keepdims=True)
    weights = support * ops.maximum(scores - (total - 1) / size, 0.0)
    return weights if mask is None else ops.where(mask, weights, 0.0)


def masked_entmax(scores: Any, mask: Any = None) -> Any:
    """1.5-entmax over the real steps of each row, in float32 or higher: (batch, time_steps).

    Between softmax and sparsemax (Peters, Niculae & Martins, "Sparse Sequence-to-Sequence Models",
    ACL 2019, algorithm 2). For halved scores z in falling order, with mean mₖ of the first k, and
    sₖ, the sum of their squared deviations:

    1. τₖ = mₖ - √((1 - sₖ) / k)
    2. the support is the steps up to the last k with zₖ ≥ τₖ, and τ that τₖ
    3. αₜ = max(zₜ - τ, 0)²

    Masked steps, and rows without real steps, are as in `masked_softmax`.
    """
    # At -1 and below the weight is 0; a square of -1e30 would be infinite.
    scores = ops.maximum(_centered(scores, mask) / 2, -2.0)
    falling, places = _falling(scores)
    mean = ops.cumsum(falling, axis=-1) / places
    spread = ops.cumsum(falling**2, axis=-1) / places - mean**2
    supported = falling >= mean - ops.sqrt(ops.maximum(1 / places - spread, 0.0))
    support, size = _support(scores, falling, supported)
    mean = ops.sum(support * scores, axis=-1, keepdims=True) / size
    spread = ops.sum(support * (scores - mean) ** 2, axis=-1, keepdims=True)
    threshold = mean - ops.sqrt((1 - spread) / size)
    weights = support * ops.maximum(scores - threshold, 0.0) ** 2
    return weights if mask is None else ops.where(mask, weights, 0.0)


def _falling(scores: Any) -> tuple[Any, Any]:
    """Each row's scores from the highest to the lowest, and their places, from 1."""
    places = ops.arange(1, ops.shape(scores)[1] + 1)
    return -ops.sort(-scores, axis=-1), ops.cast(places, scores.dtype)


def _support(scores: Any, falling: Any, supported: Any) -> tuple[Any, Any]:
    """1 for the scores of supported places, else 0, (batch, time_steps); their number, (batch, 1).

    The highest score is 0.
    """
    lowest = ops.min(ops.where(supported, falling, 0.0), axis=-1, keepdims=True)
    support = ops.cast(scores >= lowest, scores.dtype)
    return support, ops.sum(support, axis=-1, keepdims=True)


def _centered(scores: Any, mask: Any) -> Any:
    """Scores less their row's highest one, in float32 or higher: (batch, time_steps).

    Masked steps are far below the others, unless the whole row is masked: then they are 0.
    """
    # half precision -> float32; float64 stays
    scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
    if mask is not None:
        scores = ops.where(mask, scores, LOWEST_SCORE)
    return scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))


NORMALIZERS = {
    "softmax": masked_softmax,
    "sparsemax": masked_sparsemax,
    "entmax": masked_entmax,
}


def entropy(weights: Any, mask: Any = None) -> Any:
    """Each row's entropy as a share of even weights': 1 if all are equal, 0 if one has all.

    0 for a row of one real step or none. (batch, time_steps) -> (batch,).
    """
    logs = ops.log(ops.where(weights > 0, weights, 1.0))
    most = ops.log(ops.maximum(_real_steps(weights, mask), 1.0))
    return -ops.sum(weights * logs, axis=-1) / ops.where(most > 0, most, 1.0)


def conicity(states: Any, mask: Any = None) -> Any:
    """Each row's mean cosine between its real steps' states and their sum: 1 if they are all alike.

    Mohankumar et al., "Towards Transparent and Explainable Attention Models" (ACL 2020). 0 for a
    row without real steps. (batch, time_steps, features) -> (batch,), in float32 or higher.
    """
    states = ops.cast(states, keras.backend.result_type(states.dtype, "float32"))
    if mask is not None:
        states = ops.where(mask[:, :, None], states, 0.0)
    directions = _unit(states)
    mean = (
        ops.sum(directions, axis=1) / ops.maximum(_real_steps(states[:, :, 0], mask), 1.0)[:, None]
    )
    return ops.sum(mean * _unit(ops.sum(states, axis=1)), axis=-1)


def _unit(vectors: Any) -> Any:
    """Vectors of length 1; 0 stays 0, with a finite gradient."""
    squares = ops.sum(vectors**2, axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-12))


def _real_steps(like: Any, mask: Any) -> Any:
    """How many steps of each row are real, (batch,); `like` is (batch, time_steps)."""
    real = ops.ones_like(like) if mask is None else ops.cast(mask, like.dtype)
    return ops.sum(real, axis=-1)


def weighted_sum(weights: Any, states: Any) -> Any:
    """Σ αₜ hₜ: (batch, time_steps), (batch, time_steps, features) -> (batch, features)."""
    return ops.einsum("bt,btf->bf", ops.cast(weights, states.dtype), states)


def last_state(states: Any, mask: Any = None) -> Any:
    """The state at the last real step: (batch, time_steps, features) -> (batch, features)."""
    if mask is None:
        return states[:, -1]
    steps = ops.arange(ops.shape(states)[1])
    last = ops.max(ops.where(mask, steps, 0), axis=1)  # <int32>[batch]
    return ops.squeeze(ops.take_along_axis(states, last[:, None, None], axis=1), axis=1)


def largest_state(states: Any, mask: Any = None) -> Any:
    """The maximum of each feature over the real steps; 0 for a row without any.

    (batch, time_steps, features) -> (batch, features).
    """
    if mask is None:
        return ops.max(states, axis=1)
    mask = ops.cast(mask, "bool")[:, :, None]  # <bool>[batch, time_steps, 1]
    largest = ops.max(ops.where(mask, states, float("-inf")), axis=1)
    return ops.where(ops.any(mask, axis=1), largest, 0.0)


class _AttentionPooling(keras.layers.Layer):
    """Base of both layers: masks, shapes and the two outputs. A subclass computes the scores.

    Args:
        normalizer: "softmax", "sparsemax" or "entmax": how scores become weights.
        entropy: strength of a penalty, in training, on the rows' mean `entropy`.
        conicity: the same on the mean `conicity` of their states.
    """

    def __init__(
        self,
        normalizer: Literal["softmax", "sparsemax", "entmax"] = "softmax",
        entropy: float = 0.0,
        conicity: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if normalizer not in NORMALIZERS:
            raise ValueError(
                f"{self.name}: normalizer must be one of {', '.join(NORMALIZERS)}. "
                f"Received: normalizer={normalizer!r}"
            )
        self.normalizer = normalizer
        self.entropy = self._strength(entropy=entropy)
        self.conicity = self._strength(conicity=conicity)
        self.supports_masking = True

    def score(self, states: Any, mask: Any) -> Any:
        """Unnormalized score of every step: (batch, time_steps)."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        """Create the weights, and fix the number of features."""
        self._check_input(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: input_shape[-1]})

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> tuple[Any, Any]:
        """Return the context, (batch, features), and the weights, (batch, time_steps)."""
        if mask is not None:
            mask = ops.cast(mask, "bool")
            self._check_mask(mask.shape)
        weights = NORMALIZERS[self.normalizer](self.score(inputs, mask), mask)
        if training and self.entropy:
            self.add_loss(self.entropy * ops.mean(entropy(weights, mask)))
        if training and self.conicity:
            self.add_loss(self.conicity * ops.mean(conicity(inputs, mask)))
        return weighted_sum(weights, inputs), weights

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, to recreate this layer."""
        own = {name: getattr(self, name) for name in ("normalizer", "entropy", "conicity")}
        return {**super().get_config(), **own}

    def compute_mask(self, *_: Any) -> tuple[None, None]:
        """Stop the mask: the context has no time axis, and masked weights are already 0."""
        return None, None

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Shapes of the context and the weights."""
        self._check_input(input_shape)
        batch, time_steps, features = input_shape
        return (batch, features), (batch, time_steps)

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, training: bool | None = None
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Shapes and dtypes; under mixed precision, the weights are still float32."""
        if mask is not None:
            self._check_mask(mask.shape)
        context, weights = self.compute_output_shape(inputs.shape)
        precise = keras.backend.result_type(self.compute_dtype, "float32")
        return (
            keras.KerasTensor(context, dtype=self.compute_dtype),
            keras.KerasTensor(weights, dtype=precise),
        )

    def _strength(self, **given: float) -> float:
        """A penalty's strength, after a check."""
        ((name, value),) = given.items()
        if not value >= 0:
            raise ValueError(f"{self.name}: {name} must be 0 or more. Received: {name}={value!r}")
        return float(value)

    def _check_mask(self, shape: Shape) -> None:
        if len(shape) != 2:
            raise ValueError(
                f"{self.name}: the mask must have shape (batch, time_steps). "
                f"Received: mask of shape {tuple(shape)}"
            )

    def _check_input(self, input_shape: Shape) -> None:
        if len(input_shape) == 2:
            raise ValueError(
                f"{self.name}: the input must have shape (batch, time_steps, features), but it "
                "has no time axis, as when a recurrent layer returns only its last state. Set "
                "return_sequences=True in the previous layer. "
                f"Received: shape {tuple(input_shape)}"
            )
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"{self.name}: the input must have shape (batch, time_steps, features) with a "
                f"known number of features. Received: shape {tuple(input_shape)}"
            )


@keras.saving.register_keras_serializable(package="spotlight")
class AdditiveAttention(_AttentionPooling):
    """Weights the steps of a sequence by their content, and sums them.

    For states h₁…h_T with d features:

    1. v = tanh(W h + b)        (batch, time_steps, d)
    2. e = u · v                (batch, time_steps)
    3. α = softmax(e) over the unmasked steps, in float32
    4. c = Σ αₜ hₜ               (batch, d)

    Args:
        l2: strength of the L2 penalty on W and u.
        normalizer: in place of softmax, "sparsemax" or "entmax": exactly 0 for low scores.
        entropy: strength of a penalty, in training, on the rows' mean `entropy`.
        conicity: the same on the mean `conicity` of their states.

    Input: (batch, time_steps, features), and a mask (batch, time_steps) that is True at real
    steps, either passed as `mask=` or attached to the input by `mask_zero=True` or `Masking`.

    Output: always `(context, weights)`, of shapes (batch, features) and (batch, time_steps).
    A masked step has weight exactly 0; a row without real steps has zero weights and context.
    """

    def __init__(self, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.l2 = self._strength(l2=l2)

    def build(self, input_shape: Shape) -> None:
        """Create the weights."""
        super().build(input_shape)
        features = input_shape[-1]
        penalty = keras.regularizers.L2(self.l2) if self.l2 else None
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, features),
            initializer="glorot_uniform",
            regularizer=penalty,
        )
        self.bias = self.add_weight(name="bias", shape=(features,), initializer="zeros")
        self.vector = self.add_weight(
            name="vector", shape=(features,), initializer="glorot_uniform", regularizer=penalty
        )

    def score(self, states: Any, mask: Any) -> Any:
        """Unnormalized score of every step: (batch, time_steps)."""
        return additive_score(states, self.kernel, self.bias, self.vector)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, to recreate this layer."""
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package="spotlight")
class DotAttention(_AttentionPooling):
    """Weights the steps of a sequence by their similarity to a query, and sums them.

    For states h₁…h_T with d features:

    1. q = a learned vector (d,); or each row's last real state, or the maximum of each feature
       over its real steps, (batch, d). The last is the max-attention of Maini et al., "Why and
       When Should You Pool? Analyzing Pooling in Recurrent Architectures" (Findings of EMNLP
       2020), with the scale below.
    2. e = (q · h) / √d         (batch, time_steps)
    3. α = softmax(e) over the unmasked steps, in float32
    4. c = Σ αₜ hₜ               (batch, d)

    Args:
        query: "learned", "last" or "max".

    The other arguments, input, mask and output are as in `AdditiveAttention`.
    """

    def __init__(self, query: Literal["learned", "last", "max"] = "learned", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if query not in ("learned", "last", "max"):
            raise ValueError(
                f"{self.name}: query must be 'learned', 'last' or 'max'. Received: query={query!r}"
            )
        self.query = query

    def build(self, input_shape: Shape) -> None:
        """Create the weights."""
        super().build(input_shape)
        if self.query == "learned":
            self.vector = self.add_weight(
                name="vector", shape=(input_shape[-1],), initializer="glorot_uniform"
            )

    def score(self, states: Any, mask: Any) -> Any:
        """Unnormalized score of every step: (batch, time_steps)."""
        match self.query:
            case "learned":
                return dot_score(states, self.vector)
            case "last":
                return dot_score(states, last_state(states, mask))
            case "max":
                return dot_score(states, largest_state(states, mask))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, to recreate this layer."""
        return {**super().get_config(), "query": self.query}
