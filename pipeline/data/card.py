"""Writing `data/raw`: the splits, and a card with their source, contents and dropped rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import sha256, write_json

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
