"""`pretrain`: data/raw, data/encoded → data/vectors."""

import numpy as np
import pyarrow as pa

from pipeline import fingerprint, progress
from pipeline.core import params
from pipeline.core.files import (
    read_json,
    read_table,
    read_text,
    sealed_folder,
    write_array,
    write_arrays,
    write_json,
)
from pipeline.core.sequences import read_sequences
from pipeline.data import splitting
from pipeline.encoding.tokenizer import load_tokenizer
from pipeline.errors import ParamsError
from pipeline.pretraining.weights import Rows, pretrain_weights, tokenize
from pipeline.training.checkpoint import Checkpoint
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Learn what networks begin with, without labels, if the dataset's entry asks for it."""
    settings = params.load_params(workspace.params)
    encode = settings.entry.encode
    with sealed_folder(workspace.vectors, stage="pretrain") as folder:
        if not isinstance(encode, params.TextEncode) or encode.vectors is None:
            write_json(folder / "vectors.json", {"corpus": None})
            return
        checkpoints = (
            _checkpoint(workspace, settings, "word_vectors"),
            _checkpoint(workspace, settings, "language_model"),
        )
        weights = pretrain_weights(
            _read_rows(workspace, encode.vectors),
            encode.vectors,
            encode.language_model,
            vocabulary_size=read_json(workspace.encoded / "encoding.json")["vocabulary_size"],
            threads=settings.threads,
            checkpoints=checkpoints,
        )
        if weights.bilstm is not None:
            write_arrays(folder / "bilstm.npz", weights.bilstm)
        write_array(folder / "vectors.npy", weights.vectors)
        write_json(folder / "vectors.json", weights.report)
    for checkpoint in checkpoints:
        checkpoint.remove()


def _checkpoint(workspace: Workspace, settings: params.Params, name: str) -> Checkpoint:
    """A checkpoint for one part of what this stage learns from its texts and parameters."""
    return Checkpoint(
        workspace.scratch / "checkpoints" / f"{name}.npz",
        fingerprint.configuration(
            __name__,
            [*sorted(workspace.encoded.iterdir()), *sorted(workspace.raw.glob("unsupervised.*"))],
            workspace.libraries,
            [settings.entry.encode.model_dump(), settings.threads],
        ),
    )


def _read_rows(workspace: Workspace, wanted: params.Vectors) -> Rows:
    """Token ids of the training texts and, if they are wanted, of the unlabeled ones.

    Raises:
        ParamsError: the dataset has no unlabeled texts.
    """
    train = read_sequences(workspace.encoded / "train.parquet", spans=False)
    rows = np.split(train.values, train.starts[1:-1])
    if wanted.corpus == "train":
        return rows
    path = workspace.raw / "unsupervised.parquet"
    if not path.exists():
        raise ParamsError(
            "params.yaml: `encode.vectors.corpus` is `all`, but this dataset has no unlabeled "
            "texts.",
            fix="set it to `train`; a source of kind `hub` may name them: `unsupervised: SPLIT`.",
        )
    about = read_json(workspace.encoded / "encoding.json")
    tokenizer = load_tokenizer(read_text(workspace.encoded / "tokenizer.json"))
    texts = _without_validation(workspace, read_table(path, ["text"])["text"])
    return [*rows, *tokenize(texts, tokenizer, max_len=about["max_len"], keep=about["keep"])]


def _without_validation(workspace: Workspace, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Drop unlabeled texts that `encode` held out of train for validation.

    `download` has dropped those of a split that the source itself has.
    """
    if (workspace.raw / "validation.parquet").exists():
        return texts
    rows = read_sequences(workspace.encoded / "validation.parquet", spans=False).rows
    held = read_table(workspace.raw / "train.parquet", ["text"])["text"].take(pa.array(rows))
    numbers = splitting.identities({"texts": texts, "held": held})
    shared = np.isin(numbers["texts"], numbers["held"])
    if shared.any():
        progress.say(f"{shared.sum():,} unlabeled texts are also in validation: not learned from")
    return texts.filter(pa.array(~shared))
