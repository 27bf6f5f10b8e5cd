"""`pretrain`: data/raw, data/encoded → data/vectors."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import artifacts, fingerprint, params, progress, text
from pipeline.artifacts import Sequences, Workspace
from pipeline.checkpoint import Checkpoint
from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline import language_model

_BATCH = 1000


def run(workspace: Workspace) -> None:
    """Learn what networks begin with, without labels, where the dataset's entry asks for it."""
    settings = params.load(workspace.params)
    encode = settings.entry.encode
    with artifacts.new_folder(workspace.vectors) as folder:
        if not isinstance(encode, params.TextEncode) or encode.vectors is None:
            artifacts.write_json(folder / "vectors.json", {"corpus": None})
            return
        from pipeline.pretraining import word_vectors  # gensim, where it is used

        wanted = encode.vectors
        rows = _rows(workspace, wanted)
        about = artifacts.read_json(workspace.encoded / "encoding.json")
        tokens = sum(len(row) for row in rows)
        checkpoint = _checkpoint(workspace, settings, "word_vectors")
        kept = checkpoint.restore()
        if kept:
            progress.say("word vectors: going on with those that were kept")
            vectors = kept["vectors"]
        else:
            progress.say(f"learning vectors from {len(rows):,} texts, {tokens:,} tokens")
            with progress.epoch_bar(what="epochs of word vectors", total=wanted.epochs) as bar:
                vectors = word_vectors(
                    rows, wanted, vocabulary_size=about["vocabulary_size"], epoch_done=bar.update
                )
        report: dict[str, Any] = {**wanted.model_dump(), "texts": len(rows), "tokens": tokens}
        if encode.language_model:
            checkpoint.keep({"vectors": vectors})
            learnt = _language_model(workspace, settings, rows, vectors)
            vectors, report["language_model"] = learnt.vectors, {"held_out_losses": learnt.losses}
            artifacts.write_arrays(folder / "bilstm.npz", learnt.bilstm)
        artifacts.write_array(folder / "vectors.npy", vectors)
        artifacts.write_json(folder / "vectors.json", report)
        checkpoint.remove()


def _language_model(
    workspace: Workspace,
    settings: params.Params,
    rows: list[NDArray[np.int32]],
    vectors: NDArray[np.float32],
) -> "language_model.Learnt":
    from pipeline import runtime

    with runtime.quiet_imports():
        from pipeline import language_model  # TensorFlow, where it is used
    runtime.pin_threads(settings.threads)
    encode = settings.entry.encode
    assert isinstance(encode, params.TextEncode)
    assert encode.language_model
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    nothing = np.zeros(len(rows), np.int64)
    texts = Sequences(np.arange(len(rows)), nothing, starts, np.concatenate(rows))
    checkpoint = _checkpoint(workspace, settings, "language_model")
    learnt = language_model.learn(texts, vectors, encode.language_model, checkpoint=checkpoint)
    checkpoint.remove()
    return learnt


def _checkpoint(workspace: Workspace, settings: params.Params, name: str) -> Checkpoint:
    """For a part of what this stage makes of its texts and parameters."""
    return Checkpoint(
        workspace.scratch / "checkpoints" / f"{name}.npz",
        fingerprint.configuration(
            "stages.pretrain",
            [*sorted(workspace.encoded.iterdir()), *sorted(workspace.raw.glob("unsupervised.*"))],
            workspace.libraries,
            [settings.entry.encode.model_dump(), settings.threads],
        ),
    )


def _rows(workspace: Workspace, wanted: params.Vectors) -> list[NDArray[np.int32]]:
    """Token ids of the training texts, as they are trained on, and of those without labels.

    Raises:
        ParamsError: the dataset has none without labels.
    """
    train = artifacts.read_sequences(workspace.encoded / "train.parquet", spans=False)
    rows = np.split(train.values, train.starts[1:-1])
    if wanted.corpus == "train":
        return rows
    path = workspace.raw / "unsupervised.parquet"
    if not path.exists():
        raise ParamsError(
            "params.yaml: `encode.vectors.corpus` is `all`, and this dataset has no unlabelled "
            "texts.",
            fix="set it to `train`; a source of kind `hub` may name them: `unsupervised: SPLIT`.",
        )
    tokenizer = text.load(artifacts.read_text(workspace.encoded / "tokenizer.json"))
    about = artifacts.read_json(workspace.encoded / "encoding.json")
    texts = artifacts.read_table(path, ["text"])["text"]
    for start in progress.bar(
        range(0, len(texts), _BATCH),
        what="tokenizing the unlabelled texts",
        total=-(-len(texts) // _BATCH),
        unit="thousand",
    ):
        batch = texts.slice(start, _BATCH).to_pylist()
        rows += [
            row.ids for row in tokenizer.encode(batch, max_len=about["max_len"], keep=about["keep"])
        ]
    return rows
