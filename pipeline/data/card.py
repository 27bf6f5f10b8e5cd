"""`data/raw`: the splits, and a card with their source, contents and dropped rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import read_json, read_table, sha256, write_json

ROW_GROUP = 10_000


def write_raw(folder: Path, tables: Mapping[str, pa.Table], content: Mapping[str, Any]) -> None:
    """Write the splits as parquet, and `card.json` with their SHA-256, into an empty folder.

    The bytes depend only on the rows and on pyarrow's version. One group of rows at a time is
    encoded in memory.
    """
    splits = {}
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)
        splits[name] = {**content["splits"][name], "sha256": sha256(path)}
    write_json(folder / "card.json", {**content, "splits": splits})


def read_groups(folder: Path, split: str) -> NDArray[np.int64] | None:
    """<int64>[n], what each row of a split belongs to; None if the source doesn't say.

    Args:
        folder: `data/raw`.
        split: its name; where it was taken from train, its rows are train's.
    """
    if not is_grouped(read_json(folder / "card.json")):
        return None
    path = folder / f"{split}.parquet"
    table = read_table(path if path.exists() else folder / "train.parquet", ["group"])
    return np.asarray(table["group"].to_numpy(), np.int64)


def is_grouped(card: Mapping[str, Any]) -> bool:
    """Whether the source of these splits says which rows belong together."""
    return bool({"group_column", "group_rows"} & card["source"].keys())
