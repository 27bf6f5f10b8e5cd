"""A language model that pretrains embedding and Bi-LSTM on texts without labels.

After Dai & Le, "Semi-supervised Sequence Learning" (NeurIPS 2015): the forward LSTM predicts each
following word, and the backward LSTM each preceding one.
"""

import time
from collections.abc import Callable
from math import ceil
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core.params import LanguageModel
from pipeline.core.sequences import Sequences
from pipeline.encoding.batching import batches, pad
from pipeline.models.dropout import Dropout
from pipeline.models.lstm import BiLSTM
from pipeline.models.words import WordDropout, distinct
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.optimizer import Adam

OUTPUT_SCALE = 3.0  # initial scale of the output's word vectors relative to the input's
_HELD_OUT = 100  # one text in this many is held out


class LearnedLanguageModel(NamedTuple):
    """Weights from which a network can start.

    Attributes:
        vectors: <float32>[vocabulary, features].
        bilstm: the weights of Keras's bidirectional LSTM, in its order.
        losses: the loss on held-out texts after each epoch, in nats per word.
        best_epoch: the epoch, from 1, whose weights these are.
    """

    vectors: NDArray[np.float32]
    bilstm: list[NDArray[np.float32]]
    losses: list[float]
    best_epoch: int


class NextWords:
    """Embedding, Bi-LSTM and a sampled softmax for each direction."""

    def __init__(self, vectors: NDArray[np.float32], settings: LanguageModel) -> None:
        vocabulary, features = vectors.shape
        layers: Any = keras.layers
        self.units = settings.units
        self.embedding = layers.Embedding(vocabulary, features)
        self.embedding.build(None)
        self.embedding.embeddings.assign(vectors)
        self.bilstm = BiLSTM(layers.LSTM(settings.units, return_sequences=True))
        self.bilstm.build((None, None, features))
        self.heads = [layers.Dense(features), layers.Dense(features)]  # next, previous
        for head in self.heads:
            head.build((None, settings.units))
        self.output = layers.Embedding(vocabulary, features)
        self.output.build(None)
        self.output.embeddings.assign(OUTPUT_SCALE * vectors)
        self.dropout = WordDropout(settings.word_dropout)
        self.state_dropout = Dropout(settings.state_dropout)

    @property
    def variables(self) -> list[Any]:
        made = [self.embedding, self.bilstm, *self.heads, self.output]
        return [variable for layer in made for variable in layer.trainable_variables]

    @property
    def start(self) -> list[Any]:
        """Variables from which a network can start: the embedding, then the Bi-LSTM's."""
        return [self.embedding.embeddings, *self.bilstm.weights]

    def loss(self, batch: Any, samples: Any, log_share: Any, *, training: bool) -> Any:
        """Mean negative log-likelihood of each word's neighbors, by a sampled softmax.

        Jean et al. 2015: the sum over the vocabulary is estimated from n words drawn with
        probabilities q, each weighted by 1 / (n q).

        Args:
            batch: <int32>[batch, time_steps].
            samples: <int32>[n], words drawn for the batch.
            log_share: (vocabulary,), log q.
            training: whether words and features of states are dropped.
        """
        mask = tf.not_equal(batch, 0)
        (words,), position = distinct(batch)
        scale = self.dropout(position, training=training)
        given = [self.embedding(words), position, scale]
        states = self.bilstm(given, mask=mask, training=training)
        states = self.state_dropout(states, training=training)
        both = tf.where(mask[:, 1:])  # where a word and the one before it are real
        among = tf.gather(self.output.embeddings, samples)  # (n, features)
        weight = tf.gather(log_share, samples) + tf.math.log(float(samples.shape[0]))
        ways = [
            (self.heads[0], states[:, :-1, : self.units], batch[:, 1:]),
            (self.heads[1], states[:, 1:, self.units :], batch[:, :-1]),
        ]
        losses = []
        for head, known, wanted in ways:
            query = head(tf.gather_nd(known, both))  # (words, features)
            target = tf.gather(self.output.embeddings, tf.gather_nd(wanted, both))
            right = tf.reduce_sum(query * target, axis=1)
            others = tf.matmul(query, among, transpose_b=True) - weight  # (words, n)
            everything = tf.reduce_logsumexp(tf.concat([right[:, None], others], axis=1), axis=1)
            losses.append(tf.reduce_sum(everything - right))
        # a batch of single words has no neighbors
        return tf.math.divide_no_nan(tf.add_n(losses), 2.0 * tf.cast(tf.shape(both)[0], tf.float32))


def learn_language_model(
    rows: Sequences,
    vectors: NDArray[np.float32],
    settings: LanguageModel,
    *,
    checkpoint: Checkpoint | None = None,
    say: Callable[[str], object] = progress.say,
) -> LearnedLanguageModel:
    """Train on texts, reproducibly for the same number of threads.

    Args:
        rows: token ids of each text.
        vectors: <float32>[vocabulary, features], the initial embedding.
        settings: units, epochs, patience, samples, batch size, rate, dropout and seed.
        checkpoint: saves the state after each epoch; an interrupted run resumes from it.
        say: called with a line of progress after each epoch.
    """
    keras.utils.set_random_seed(settings.seed)
    vocabulary = len(vectors)
    counts = sum(np.bincount(part.values, minlength=vocabulary) for part in rows.parts())
    share = (counts + 1.0) ** 0.75  # as in word2vec: rare words more often than they occur
    share /= share.sum()
    log_share = tf.constant(np.log(share), tf.float32)
    every = min(_HELD_OUT, len(rows))
    held = np.arange(len(rows)) % every == every - 1
    train, held_out = np.flatnonzero(~held), np.flatnonzero(held)

    model = NextWords(vectors, settings)
    steps = settings.epochs * ceil(len(train) / settings.batch_size)
    rate = keras.optimizers.schedules.PolynomialDecay(
        settings.learning_rate, steps, 0.05 * settings.learning_rate
    )
    optimizer = Adam(rate)
    optimizer.build(model.variables)
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([settings.samples], tf.int32)]

    def step(batch: Any, samples: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = model.loss(batch, samples, log_share, training=True)
        optimizer.apply(tape.gradient(loss, model.variables), model.variables)
        return loss

    def held_out_loss(batch: Any, samples: Any) -> Any:
        return model.loss(batch, samples, log_share, training=False)

    compiled = tf.function(step, input_signature=signature, autograph=False)
    judged = tf.function(held_out_loss, input_signature=signature, autograph=False)
    # The dropout layers' generators belong to the state: else a resumed run drops other words.
    generators = [*model.dropout.variables, *model.state_dropout.variables]
    state = [*model.variables, *optimizer.variables, *generators]
    losses, best = _restored(checkpoint, state)
    if losses:
        say(f"language model: resuming after epoch {len(losses)}")
    while len(losses) < settings.epochs and not _has_stopped(losses, settings.patience):
        epoch = len(losses)
        begun = time.perf_counter()
        rng = np.random.default_rng([settings.seed, epoch])
        order = batches(rows.lengths[train], settings.batch_size, rng)
        with progress.epoch_bar(what=f"language model, epoch {epoch + 1}", total=len(order)) as bar:
            for indices in order:
                compiled(
                    tf.constant(pad(rows, train[indices])), draw_words(share, settings.samples, rng)
                )
                bar.update()
        rng = np.random.default_rng(settings.seed)
        found = [
            float(
                judged(
                    tf.constant(pad(rows, held_out[one])), draw_words(share, settings.samples, rng)
                )
            )
            for one in batches(rows.lengths[held_out], settings.batch_size, None)
        ]
        losses.append(float(np.mean(found)))
        if _best_epoch(losses, settings.patience) == len(losses):
            best = [keras.ops.convert_to_numpy(variable) for variable in model.start]
        if checkpoint:
            checkpoint.save(_saved(losses, state, best))
        say(
            f"language model  epoch {epoch + 1}/{settings.epochs}  held-out loss {losses[-1]:.4f}"
            f"  {time.perf_counter() - begun:.0f} s"
        )
    vectors, *bilstm = best
    return LearnedLanguageModel(vectors, bilstm, losses, _best_epoch(losses, settings.patience))


def _best_epoch(losses: list[float], patience: int | None) -> int:
    """The epoch, from 1, whose weights are taken: that of the smallest loss, if patience counts."""
    return len(losses) if patience is None else 1 + int(np.argmin(losses))


def _has_stopped(losses: list[float], patience: int | None) -> bool:
    """Whether the loss has not fallen below its smallest for so many epochs."""
    if patience is None or not losses:
        return False
    return len(losses) - _best_epoch(losses, patience) >= patience


def _saved(losses: list[float], state: list[Any], best: list[Any]) -> dict[str, Any]:
    """Losses, all variables, and the weights to return, by name; `_restored` reads it."""
    values = enumerate(map(keras.ops.convert_to_numpy, state))
    return {
        "losses": losses,
        **{f"state_{number}": value for number, value in values},
        **{f"best_{number}": value for number, value in enumerate(best)},
    }


def _restored(checkpoint: Checkpoint | None, state: list[Any]) -> tuple[list[float], list[Any]]:
    """Restore the variables; returns the finished epochs' losses, and the weights to return."""
    kept = checkpoint.restore() if checkpoint else None
    if kept is None:
        return [], []
    for number, variable in enumerate(state):
        variable.assign(kept[f"state_{number}"])
    best = [kept[f"best_{number}"] for number in range(len(kept) - len(state) - 1)]
    return kept["losses"].tolist(), best


def draw_words(share: NDArray[np.floating[Any]], count: int, rng: np.random.Generator) -> Any:
    """Draw <int32>[count] words with probabilities proportional to `share`."""
    cumulative = np.cumsum(share)
    places = np.searchsorted(cumulative, rng.random(count) * cumulative[-1])
    return tf.constant(places.astype(np.int32))
