"""`pretrain`: data/encoded → data/vectors."""

from dataclasses import replace
from pathlib import Path

from pipeline import fingerprint
from pipeline.core import params
from pipeline.core.files import (
    read_json,
    sealed_folder,
    temporary_folder,
    write_array,
    write_arrays,
    write_json,
)
from pipeline.core.predictions import UNLABELED
from pipeline.core.sequences import Sequences, read_sequences, write_parts
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
            sorted(workspace.encoded.iterdir()),
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
    path = workspace.encoded / f"{UNLABELED}.parquet"
    if not path.exists():
        raise ParamsError(
            "params.yaml: `encode.vectors.corpus` is `all`, but this dataset has no unlabeled "
            "texts.",
            fix="set it to `train`; a source of kind `hub` may name them: `unsupervised: SPLIT`.",
        )
    parts = (part for rows in (train, read_sequences(path)) for part in rows.parts())
    write_parts(scratch / "texts.parquet", (replace(part, totals=None) for part in parts))
    return read_sequences(scratch / "texts.parquet")
