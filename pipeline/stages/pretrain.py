"""`pretrain`: data/raw, data/encoded → data/vectors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import artifacts, params, progress, text
from pipeline.artifacts import Workspace
from pipeline.errors import ParamsError

_BATCH = 1000


def run(workspace: Workspace) -> None:
    """Learn word vectors where the dataset's entry asks for them."""
    encode = params.load(workspace.params).entry.encode
    wanted = encode.vectors if isinstance(encode, params.TextEncode) else None
    with artifacts.new_folder(workspace.vectors) as folder:
        if wanted is None:
            artifacts.write_json(folder / "vectors.json", {"corpus": None})
            return
        from pipeline.pretraining import word_vectors  # gensim, where it is used

        rows = _rows(workspace, wanted)
        about = artifacts.read_json(workspace.encoded / "encoding.json")
        tokens = sum(len(row) for row in rows)
        progress.say(f"learning vectors from {len(rows):,} texts, {tokens:,} tokens")
        with progress.epoch_bar(what="epochs of word vectors", total=wanted.epochs) as bar:
            vectors = word_vectors(
                rows, wanted, vocabulary_size=about["vocabulary_size"], epoch_done=bar.update
            )
        artifacts.write_array(folder / "vectors.npy", vectors)
        report: dict[str, Any] = {**wanted.model_dump(), "texts": len(rows), "tokens": tokens}
        artifacts.write_json(folder / "vectors.json", report)


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
