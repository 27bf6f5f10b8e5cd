"""Datasets of the Hugging Face Hub: at a pinned revision, or a local copy of one."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import datasets
import huggingface_hub
import pyarrow as pa
from datasets.exceptions import DatasetsError

from pipeline.core.predictions import ALL_SPLITS
from pipeline.core.sources import HubSource
from pipeline.data import readers
from pipeline.data.header import require_columns
from pipeline.data.tables import Read, linked, place_in
from pipeline.errors import DataError

# Seconds until the Hub counts as unreachable; read once, when `huggingface_hub` is imported.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

TIMEOUT = 10.0  # seconds until the Hub counts as unreachable

Wanted = Callable[[str], Sequence[str]]  # split → the columns to read


def read_remote(source: HubSource, wanted: Wanted, *, cache: Path) -> Read:
    """Read a dataset on the Hub, at its pinned revision.

    Raises:
        DataError: it can't be reached or read, or lacks a revision, a split or a column.
    """
    at = f"{source.path} at revision {source.revision}" if source.revision else source.path
    copy = (
        "use a local copy (`dvc exp run -S datasets.NAME.source.path=FOLDER`, or `source.path` in "
        "params.yaml), or the bundled corpus (`dataset: demo`)."
    )
    try:
        # Check quickly first: `datasets` would retry for half a minute.
        found = huggingface_hub.HfApi().dataset_info(
            source.path, revision=source.revision, timeout=TIMEOUT
        )
        loaded = datasets.load_dataset(
            source.path, name=source.config, revision=found.sha, cache_dir=str(cache)
        )
    except huggingface_hub.errors.RevisionNotFoundError:
        raise DataError(
            f"The Hub's dataset {source.path!r} has no revision {source.revision!r}.",
            fix="set `source.revision` in params.yaml to a commit from the dataset's history.",
        ) from None
    except (
        huggingface_hub.errors.RepositoryNotFoundError,
        huggingface_hub.errors.HFValidationError,
    ):
        raise DataError(
            f"There is no dataset {source.path!r} on the Hub that you can access, and no such "
            "file or folder here.",
            fix=f"correct `source.path` in params.yaml, or {copy}",
        ) from None
    except (ValueError, DatasetsError) as error:
        raise DataError(
            f"The Hub's dataset {at} can't be read: {readers.root_cause(error)}",
            fix="correct `source.config` in params.yaml, or choose another dataset or revision.",
        ) from None
    except Exception as error:  # httpx, OSError, offline mode: a network can fail in many ways
        raise DataError(
            f"Could not reach the Hugging Face Hub for the dataset {at}: "
            f"{readers.root_cause(error)}",
            fix=f"connect to the network and try again, {copy}",
        ) from None
    chosen = _chosen(loaded, source, wanted, where=f"The Hub's dataset {source.path!r}")
    origin = {
        "kind": source.kind,
        "path": source.path,
        "config": source.config,
        "revision": found.sha,
    }
    return Read(
        chosen, {split: place_in(f"{source.path}, split {split}") for split in chosen}, origin
    )


def is_copy(path: Path) -> bool:
    """Whether a folder is a dataset's repository or was saved to disk, rather than bare files."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "README.md"))


def read_copy(path: Path, source: HubSource, wanted: Wanted, *, cache: Path) -> Read:
    """Read a local copy of a dataset.

    Raises:
        DataError: it is damaged, or lacks a split or a column.
    """
    try:
        if (path / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(str(path))
        else:
            with tempfile.TemporaryDirectory() as links:
                loaded = datasets.load_dataset(
                    linked(path, Path(links) / "copy"), name=source.config, cache_dir=str(cache)
                )
    except (ValueError, TypeError, KeyError, OSError, pa.ArrowException, DatasetsError) as error:
        raise readers.damaged_parquet(path) or DataError(
            f"The local copy {path} can't be read: {readers.root_cause(error)}",
            fix="copy it again, complete with its README.md, or correct `source.config` in "
            "params.yaml.",
        ) from None
    chosen = _chosen(loaded, source, wanted, where=f"The local copy {path}")
    origin = {
        "kind": source.kind,
        "path": source.path,
        "config": source.config,
        "revision": None,
        "files": readers.file_hashes(path),
    }
    return Read(chosen, {split: place_in(f"{path}, split {split}") for split in chosen}, origin)


def _chosen(
    loaded: Mapping[str, datasets.Dataset], source: HubSource, wanted: Wanted, *, where: str
) -> dict[str, datasets.Dataset]:
    """The splits that the source selects, under our names."""
    chosen = {}
    for split in ALL_SPLITS:
        original = getattr(source, split)
        if original is None:
            continue
        if original not in loaded:
            raise DataError(
                f"{where} has no split {original!r}. It has: {', '.join(loaded)}.",
                fix=f"correct `source.{split}` in params.yaml, or set it to null.",
            )
        part = loaded[original]
        if not set(wanted(split)) <= set(part.column_names):
            part = part.flatten()  # a nested column may be wanted, such as content.body
        require_columns(part.column_names, wanted(split), file=f"{where}, split {original}")
        chosen[split] = part
    return chosen
