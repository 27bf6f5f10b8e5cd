"""Learning from rows without labels, beside those that have one.

1. Virtual adversarial training (Miyato, Dai & Goodfellow, "Adversarial Training Methods for
   Semi-Supervised Text Classification", ICLR 2017): a prediction should not change under the
   perturbation of the embeddings that would change it most.
2. Entropy minimization (Grandvalet & Bengio, "Semi-supervised Learning by Entropy Minimization",
   NeurIPS 2004): a prediction should be confident.

Words are dropped as in training, once for both predictions that are compared. The pooled features
are not: two of their draws would differ more than a perturbation changes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pipeline.models.dropout import of_whole_batch
from pipeline.models.network import split_at_encoder
from pipeline.models.words import spread
from pipeline.training.adversarial import worst_perturbation

LOSSES = ("entropy", "virtual_adversarial")
# Size of the random perturbation around which the direction is sought, as a share of a row's norm.
# It changes a logit by a few thousandths: little enough for a slope, and far above rounding.
PROBE = 0.01

# Per row, from probabilities and outputs. Keras computes them from the outputs' logits; clipped
# probabilities would have no slope.
_CROSS_ENTROPIES: dict[str, Callable[[Any, Any], Any]] = {
    "binary": keras.losses.binary_crossentropy,
    "multiclass": keras.losses.categorical_crossentropy,
}


class Unlabeled(NamedTuple):
    """What a step does with rows without labels.

    Attributes:
        gradients: batch -> (the batch's mean `LOSSES`, in nats, the gradients by `variables`).
        variables: those that the rows move.
    """

    gradients: Callable[[tf.Tensor], tuple[tf.Tensor, list[Any]]]
    variables: list[Any]


def unlabeled_gradients(
    model: keras.Model,
    task: str,
    *,
    share: float,
    entropy: float,
    embeddings: bool,
    seed: int,
) -> Unlabeled:
    """Make the function that computes the gradients of the loss of rows without labels.

    The loss is KL(p(x) ‖ p(x + r)) + `entropy` · H(p(x)), on average over the rows, where the first
    p(x) is a constant and r the virtual adversarial perturbation.

    Args:
        model: of texts, compiled with its optimizer, whose steps number the random directions.
        task: "binary" or "multiclass".
        share: the size of a row's perturbation, as a share of the row's norm; 0: none is made.
        entropy: the weight of the predictions' entropy.
        embeddings: whether the rows move these, too, or only what is above them.
        seed: of the random directions.

    Returns:
        The function, and the variables. Without a perturbation, KL is not among the losses.
    """
    embed, encoder, decode = split_at_encoder(model)
    variables = [*encoder.trainable_variables, *decode.trainable_variables]
    if embeddings:
        variables += embed.trainable_variables
    cross_entropy = _CROSS_ENTROPIES[task]

    def gradients(batch: tf.Tensor) -> tuple[tf.Tensor, list[Any]]:
        with tf.GradientTape() as tape:
            given, masks = embed(batch, training=True)
            seen = spread(*given) if len(given) > 1 else given[0]
            mask = masks[0] if masks else None

            def outputs(vectors: tf.Tensor, *, fixed: bool = False) -> tf.Tensor:
                states = encoder(vectors, mask=mask, training=True, fixed=fixed)
                return decode([tf.identity(states), masks], training=False)  # without its mask

            known = outputs(seen)
            losses = [tf.reduce_mean(cross_entropy(known, known))]
            total = entropy * losses[0] if entropy else 0.0
            if share:
                divergence = divergence_from(known, cross_entropy)
                with tape.stop_recording():
                    noise = random_directions(seen, seed, model.optimizer.iterations.value)
                    moved = virtual_perturbation(
                        lambda shift: divergence(outputs(seen + shift, fixed=True)),
                        seen, noise, mask, share=share,
                    )  # fmt: skip
                losses.append(tf.reduce_mean(divergence(outputs(seen + moved))))
                total += losses[1]
        return tf.stack(losses), tape.gradient(total, variables)

    return Unlabeled(gradients, variables)


def divergence_from(
    known: tf.Tensor, cross_entropy: Callable[[Any, Any], Any]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """KL(known ‖ outputs) per row, in nats, as a function of the outputs; no gradient to `known`.

    Args:
        known: probabilities, (batch, classes), or of the second of two classes, (batch, 1).
        cross_entropy: per row, from such probabilities and outputs.
    """
    constant = tf.stop_gradient(known)
    entropy = tf.stop_gradient(cross_entropy(known, known))
    return lambda outputs: cross_entropy(constant, outputs) - entropy


def virtual_perturbation(
    divergence: Callable[[tf.Tensor], tf.Tensor],
    seen: tf.Tensor,
    noise: tf.Tensor,
    mask: Any = None,
    *,
    share: float,
) -> tf.Tensor:
    """The perturbation that increases a row's divergence fastest, by a step of power iteration.

    At r = 0 the divergence and its slope are 0, so it grows by ½ rᵀ H r. The direction of the
    largest growth, H's first eigenvector, is approached from a random d: (Miyato et al., eq. 8)

    1. the slope at ξ d is about ξ H d, where ξ ‖d‖ = `PROBE` · ‖x‖
    2. r = share · ‖x‖ · H d / ‖H d‖

    Args:
        divergence: per row, of a perturbation like `seen`.
        seen: x, (batch, time_steps, features).
        noise: d, like `seen`.
        mask: <bool>[batch, time_steps], or None; masked steps are unchanged and don't count.
        share: the perturbation's size, as a share of the row's norm. The size 5 that Miyato et al.
            chose for IMDB is about 0.02 of 240 words in 256 features of variance 1.
    """
    probe = worst_perturbation(seen, noise, mask, share=PROBE)
    with tf.GradientTape() as tape:
        tape.watch(probe)
        total = tf.reduce_sum(divergence(probe))
    return worst_perturbation(seen, tape.gradient(total, probe), mask, share=share)


def random_directions(seen: tf.Tensor, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Normal random numbers like `seen`, which depend only on seed and step."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    return of_whole_batch(
        lambda rows: rows * tf.random.stateless_normal(tf.shape(rows), key), tf.ones_like(seen)
    )
