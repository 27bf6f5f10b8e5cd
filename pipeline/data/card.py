"""The data's card: what `data/raw` holds, where it came from and what was left out of it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import artifacts
from pipeline.data.checks import Findings

ROW_GROUP = 10_000


def write(folder: Path, findings: Findings) -> dict[str, Any]:
    """Write the splits as parquet and `card.json` into an empty folder; return the card.

    The bytes are a function of the rows (and of pyarrow's version).
    """
    for name, table in findings.corpus.splits.items():
        write_table(folder / f"{name}.parquet", table)
    content = describe(
        findings,
        hashes={name: artifacts.sha256(folder / f"{name}.parquet") for name in findings.splits},
    )
    artifacts.write_json(folder / "card.json", content)
    return content


def write_table(path: Path, table: pa.Table) -> None:
    """Write one split, of which a group of rows is encoded in memory at a time."""
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)


def describe(findings: Findings, *, hashes: dict[str, str]) -> dict[str, Any]:
    """The card of a text dataset.

    Args:
        findings: of `checks.examine`.
        hashes: split → SHA-256 of its parquet file.
    """
    corpus = findings.corpus
    return {
        "dataset": corpus.name,
        "kind": "text",
        "task": "binary" if len(corpus.classes) == 2 else "multiclass",
        "classes": list(corpus.classes),
        "source": {key: value for key, value in corpus.origin.items() if key != "revision"},
        "revision": corpus.origin.get("revision"),
        "splits": {
            name: {
                "rows": split.rows,
                "sha256": hashes[name],
                "labels": dict(split.labels),
                "characters": dict(split.characters),
                "blank": split.blank,
                **({"made": dict(corpus.made[name])} if name in corpus.made else {}),
                **({"described": dict(corpus.facts[name])} if name in corpus.facts else {}),
            }
            for name, split in findings.splits.items()
        },
        "duplicates": {
            "within": {name: split.repeated for name, split in findings.splits.items()},
            "across": dict(findings.shared),
            "two_labels": findings.two_labels,
        },
        "dropped": {name: dict(others) for name, others in findings.dropped.items()},
    }
