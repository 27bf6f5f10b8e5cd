"""What networks of a dataset begin with: word vectors, and a Bi-LSTM if its entry wants one."""

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


class Start(NamedTuple):
    """What was learned without labels.

    Attributes:
        vectors: <float32>[vocabulary, features].
        bilstm: the weights of Keras's Bidirectional LSTM, in its order; None without one.
        report: the content of `vectors.json`.
    """

    vectors: NDArray[np.float32]
    bilstm: list[NDArray[np.float32]] | None
    report: dict[str, Any]


def learn_start(
    rows: Rows,
    vectors: Vectors,
    language_model: LanguageModel | None,
    *,
    vocabulary_size: int,
    threads: int,
    checkpoints: tuple[Checkpoint, Checkpoint],
) -> Start:
    """Learn word vectors, then a language model from them; the same bytes each time.

    Args:
        rows: token ids of each text.
        vectors: settings of the word vectors.
        language_model: its settings; None for none.
        vocabulary_size: of the tokenizer.
        threads: that compute the language model.
        checkpoints: of the word vectors and of the language model. Learning that was killed
            resumes from them; the caller removes them once the result is safe.
    """
    tokens = sum(len(row) for row in rows)
    report = {**vectors.model_dump(), "texts": len(rows), "tokens": tokens}
    kept = checkpoints[0].restore()
    if kept:
        progress.say("word vectors: already learned, kept from the run before")
        learned = kept["vectors"]
    else:
        learned = _word_vectors(rows, vectors, vocabulary_size=vocabulary_size, tokens=tokens)
    if language_model is None:
        return Start(learned, None, report)
    checkpoints[0].save({"vectors": learned})

    with runtime.quiet_imports():
        from pipeline.pretraining import language_model as module  # TensorFlow, where it is used
    runtime.pin_threads(threads)
    nothing = np.zeros(len(rows), np.int64)
    starts = starts_of([len(row) for row in rows])
    texts = Sequences(np.arange(len(rows)), nothing, starts, np.concatenate(rows))
    model = module.learn_language_model(texts, learned, language_model, checkpoint=checkpoints[1])
    report["language_model"] = {"held_out_losses": model.losses}
    return Start(model.vectors, model.bilstm, report)


def tokenize(texts: pa.ChunkedArray, tokenizer: Tokenizer, *, max_len: int, keep: Keep) -> Rows:
    """Token ids of each text, truncated as the encoded splits are.

    Args:
        texts: <string>[n].
        tokenizer: that of the dataset.
        max_len: tokens of a text at most.
        keep: which end of a longer text is kept.
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
    from pipeline.pretraining.word_vectors import word_vectors  # gensim, where it is used

    progress.say(f"learning vectors from {len(rows):,} texts, {tokens:,} tokens")
    with progress.epoch_bar(what="epochs of word vectors", total=settings.epochs) as bar:
        return word_vectors(rows, settings, vocabulary_size=vocabulary_size, epoch_done=bar.update)
