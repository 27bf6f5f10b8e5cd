"""Pretrained weights for a dataset: word vectors, and a Bi-LSTM if its entry asks for one."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import progress
from pipeline.core import runtime
from pipeline.core.params import LanguageModel, Vectors
from pipeline.core.sequences import Sequences
from pipeline.training.checkpoint import Checkpoint


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
    rows: Sequences,
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
    tokens = len(rows.values)
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
    model = module.learn_language_model(rows, learned, language_model, checkpoint=checkpoints[1])
    report["language_model"] = {
        "held_out_losses": model.losses,
        "best_epoch": model.best_epoch,
        "held_out_perplexity": float(np.exp(model.losses[model.best_epoch - 1])),
    }
    return PretrainedWeights(model.vectors, model.bilstm, report)


def _word_vectors(
    rows: Sequences, settings: Vectors, *, vocabulary_size: int, tokens: int
) -> NDArray[np.float32]:
    from pipeline.pretraining.word_vectors import word_vectors  # gensim, only if needed

    progress.say(f"learning vectors from {len(rows):,} texts, {tokens:,} tokens")
    with progress.epoch_bar(what="epochs of word vectors", total=settings.epochs) as bar:
        return word_vectors(rows, settings, vocabulary_size=vocabulary_size, epoch_done=bar.update)
