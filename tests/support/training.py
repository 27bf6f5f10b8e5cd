"""Something to train on in seconds."""

import shutil
from pathlib import Path

import numpy as np

from pipeline.core.files import read_json, write_array, write_json
from pipeline.core.predictions import SPLITS
from pipeline.core.sequences import Sequences, starts_of, write_sequences
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import change

CLASSES = {"binary": 2, "multiclass": 3, "regression": 0}


def rows(count, *, task="binary", seed=0):
    """Rows whose target is decided by the first token: learnable in a few epochs."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, count)
    starts = starts_of(lengths)
    values = rng.integers(5, 20, starts[-1]).astype(np.int32)
    targets = rng.integers(0, CLASSES[task] or 2, count)
    values[starts[:-1]] = 2 + targets
    if task == "regression":
        targets = targets.astype(np.float32)
    return Sequences(np.arange(count), targets, starts, values)


def encoded_workspace(root: Path) -> Workspace:
    """A workspace of encoded rows of which the first token decides."""
    shutil.copy(PARAMS, root / "params.yaml")
    shutil.copytree(PROJECT / "locks", root / "locks")
    small = {"embedding": 6, "units": 4, "epochs": 2, "min_epochs": 1}
    change(root, {"datasets.demo.training": small})
    made = Workspace(root)
    made.encoded.mkdir(parents=True)
    for seed, split in enumerate(SPLITS):
        write_sequences(made.encoded / f"{split}.parquet", rows(48, seed=seed))
    about = {"dataset": "demo", "kind": "text", "task": "binary", "classes": ["neg", "pos"]}
    write_json(made.encoded / "encoding.json", {**about, "vocabulary_size": 20, "max_len": 9})
    return made


def add_ngrams(workspace: Workspace) -> None:
    """Two bigrams and the trigram that they make, for the rows of `encoded_workspace`."""
    for name, pairs in {"bigrams": [[2, 5], [5, 6]], "trigrams": [[1, 2]]}.items():
        write_array(workspace.encoded / f"{name}.npy", np.array(pairs, np.int32))
    about = workspace.encoded / "encoding.json"
    write_json(about, {**read_json(about), "bigrams": 2, "trigrams": 1})
