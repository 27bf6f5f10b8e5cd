"""`pretrain`: data/raw, data/encoded → data/vectors."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import fingerprint, progress
from pipeline.core import params
from pipeline.core.files import (
    read_json,
    read_parts,
    read_text,
    sealed_folder,
    temporary_folder,
    write_array,
    write_arrays,
    write_json,
)
from pipeline.core.sequences import Sequences, read_sequences, write_parts
from pipeline.data import splitting
from pipeline.encoding.text import encode_texts
from pipeline.encoding.tokenizer import load_tokenizer
from pipeline.errors import ParamsError
from pipeline.pretraining.weights import pretrain_weights
from pipeline.training.checkpoint import Checkpoint
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Learn what networks begin with, without labels, if the dataset's entry asks for it."""
    settings = params.load_params(workspace.params)
    encode = settings.entry.encode
    with (
        sealed_folder(workspace.vectors, stage="pretrain") as folder,
        temporary_folder(workspace.scratch / "pretrain") as scratch,
    ):
        if not isinstance(encode, params.TextEncode) or encode.vectors is None:
            write_json(folder / "vectors.json", {"corpus": None})
            return
        checkpoints = (
            _checkpoint(workspace, settings, "word_vectors"),
            _checkpoint(workspace, settings, "language_model"),
        )
        weights = pretrain_weights(
            _read_rows(workspace, encode.vectors, scratch=scratch),
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


def _read_rows(workspace: Workspace, wanted: params.Vectors, *, scratch: Path) -> Sequences:
    """Token ids of the training texts and, if they are wanted, of the unlabeled ones.

    Raises:
        ParamsError: the dataset has no unlabeled texts.
    """
    train = read_sequences(workspace.encoded / "train.parquet")
    if wanted.corpus == "train":
        return train
    path = workspace.raw / "unsupervised.parquet"
    if not path.exists():
        raise ParamsError(
            "params.yaml: `encode.vectors.corpus` is `all`, but this dataset has no unlabeled "
            "texts.",
            fix="set it to `train`; a source of kind `hub` may name them: `unsupervised: SPLIT`.",
        )
    about = read_json(workspace.encoded / "encoding.json")
    tokenizer = load_tokenizer(read_text(workspace.encoded / "tokenizer.json"))
    texts = progress.bar(
        _unlabeled(path, _held_out(workspace)),
        what="tokenizing the unlabeled texts",
        unit="thousand",
    )
    unlabeled = encode_texts(
        texts, tokenizer, max_len=about["max_len"], keep=about["keep"], spans=False
    )
    write_parts(
        scratch / "texts.parquet",
        (replace(part, totals=None) for part in chain(train.parts(), unlabeled)),
    )
    return read_sequences(scratch / "texts.parquet")


def _held_out(workspace: Workspace) -> NDArray[np.int64]:
    """The hashes of the texts that `encode` held out of train for validation.

    `download` has dropped those of a split that the source itself has.
    """
    if (workspace.raw / "validation.parquet").exists():
        return np.empty(0, np.int64)
    parts = read_parts(workspace.raw / "train.parquet", ["text"])
    rows = read_sequences(workspace.encoded / "validation.parquet").rows
    return np.concatenate([_hashes(part) for part in parts])[rows]


def _unlabeled(
    path: Path, held: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.int64]]]:
    """Row numbers, texts and no targets, a part after the other, without those held out."""
    shared = start = 0
    for part in read_parts(path, ["text"]):
        kept = np.flatnonzero(~np.isin(_hashes(part), held))
        shared += part.num_rows - len(kept)
        if len(kept):
            yield start + kept, part["text"].take(pa.array(kept)).to_pylist(), np.zeros_like(kept)
        start += part.num_rows
    if shared:
        progress.say(f"{shared:,} unlabeled texts are also in validation: not learned from")


def _hashes(part: pa.Table) -> NDArray[np.int64]:
    return splitting.identities({"": part["text"]})[""]
