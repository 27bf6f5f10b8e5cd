"""Pretrained weights for a dataset: word vectors, and a Bi-LSTM if its entry asks for one."""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core import runtime
from pipeline.core.params import LanguageModel, Vectors
from pipeline.core.sequences import Sequences, starts_of
from pipeline.encoding.tokenizer import Keep, Tokenizer
from pipeline.training.checkpoint import Checkpoint

_BATCH = 1000
Rows = Sequence[NDArray[np.int32]]  # token ids of each text


class PretrainedWeights(NamedTuple):
    """Weights learned without labels.

    Attributes:
        vectors: <float32>[vocabulary, features].
        bilstm: the weights of Keras's bidirectional LSTM, in its order; None if there is none.
        report: the content of `vectors.json`.
    """

    vectors: NDArray[np.float32]
    bilstm: list[NDArray[np.float32]] | None
    report: dict[str, Any]


def pretrain_weights(
    rows: Rows,
    vectors: Vectors,
    language_model: LanguageModel | None,
    *,
    vocabulary_size: int,
    threads: int,
    checkpoints: tuple[Checkpoint, Checkpoint],
) -> PretrainedWeights:
    """Learn word vectors, then a language model from them; the same bytes each time.

    Args:
        rows: token ids of each text.
        vectors: settings of the word vectors.
        language_model: settings of the language model; None for none.
        vocabulary_size: the tokenizer's.
        threads: number of threads for the language model.
        checkpoints: of the word vectors and of the language model. An interrupted run resumes
            from them; the caller removes them once the result is saved.
    """
    tokens = sum(len(row) for row in rows)
    report = {**vectors.model_dump(), "texts": len(rows), "tokens": tokens}
    kept = checkpoints[0].restore()
    if kept:
        progress.say("word vectors: restored from the interrupted run")
        learned = kept["vectors"]
    else:
        learned = _word_vectors(rows, vectors, vocabulary_size=vocabulary_size, tokens=tokens)
    if language_model is None:
        return PretrainedWeights(learned, None, report)
    checkpoints[0].save({"vectors": learned})

    with runtime.quiet_imports():
        from pipeline.pretraining import language_model as module  # TensorFlow, only if needed
    runtime.pin_threads(threads)
    nothing = np.zeros(len(rows), np.int64)
    starts = starts_of([len(row) for row in rows])
    texts = Sequences(np.arange(len(rows)), nothing, starts, np.concatenate(rows))
    model = module.learn_language_model(texts, learned, language_model, checkpoint=checkpoints[1])
    report["language_model"] = {"held_out_losses": model.losses}
    return PretrainedWeights(model.vectors, model.bilstm, report)


def tokenize(texts: pa.ChunkedArray, tokenizer: Tokenizer, *, max_len: int, keep: Keep) -> Rows:
    """Tokenize texts, truncating them as in the encoded splits.

    Args:
        texts: <string>[n].
        tokenizer: the dataset's tokenizer.
        max_len: maximum number of tokens.
        keep: which tokens of a longer text to keep.
    """
    rows = []
    for start in progress.bar(
        range(0, len(texts), _BATCH),
        what="tokenizing the unlabeled texts",
        total=ceil(len(texts) / _BATCH),
        unit="thousand",
    ):
        batch = texts.slice(start, _BATCH).to_pylist()
        rows += [row.ids for row in tokenizer.encode(batch, max_len=max_len, keep=keep)]
    return rows


def _word_vectors(
    rows: Rows, settings: Vectors, *, vocabulary_size: int, tokens: int
) -> NDArray[np.float32]:
    from pipeline.pretraining.word_vectors import word_vectors  # gensim, only if needed

    progress.say(f"learning vectors from {len(rows):,} texts, {tokens:,} tokens")
    with progress.epoch_bar(what="epochs of word vectors", total=settings.epochs) as bar:
        return word_vectors(rows, settings, vocabulary_size=vocabulary_size, epoch_done=bar.update)
