"""Time and memory of `encode` and `train` against the number and the length of rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import temporary_folder, write_json
from pipeline.studies.benchmark import corpus
from pipeline.studies.benchmark.processes import alone
from pipeline.studies.benchmark.settings import Options
from pipeline.studies.benchmark.throughput import start
from pipeline.workspace import Workspace

Say = Callable[[str], object]
_STEPS = 20  # batches of each measured training run
_GROUP = 10_000  # rows written at a time


def by_rows(
    workspace: Workspace, texts: Path | None, options: Options, say: Say
) -> list[dict[str, Any]]:
    """Encode multiples of IMDB, and train on each for a few steps.

    Training's memory grows with the rows it has read, not with its steps, so a few steps show
    its peak; an epoch's time follows from theirs.

    Args:
        workspace: of the project; files are made in its scratch folder.
        texts: the folder of IMDB; None draws texts.
        options: multiples, sizes, threads.
        say: prints progress.
    """
    tables = corpus.tables(texts) if texts else _drawn(options)
    measured = []
    for times in options.scales:
        with temporary_folder(workspace.scratch / "scaling") as folder:
            rows = _repeat(folder, tables, times, options)
            encoded, encode_peak = alone("stages_alone", "encode", str(folder))
            trained, train_peak = alone(
                "stages_alone", "train", str(folder), str(workspace.libraries), _STEPS
            )
            size = sum(path.stat().st_size for path in (folder / "data").rglob("*.parquet"))
        step = trained.result["seconds_per_step"]
        measured.append(
            {
                "times": times,
                "rows": rows,
                "files_mb": size / 2**20,
                "encode_seconds": encoded.seconds,
                "encode_peak_mb": encode_peak,
                "train_peak_mb": train_peak,
                **trained.result,
                "epoch_seconds": step * trained.result["steps_per_epoch"],
            }
        )
        say(
            f"  {rows:>9,} rows  encode {encoded.seconds:6.1f} s, {encode_peak:6,.0f} MB  "
            f"train {train_peak:6,.0f} MB, {1000 * step:5.0f} ms a step"
        )
    return measured


def by_length(options: Options, say: Say) -> list[dict[str, Any]]:
    """Train Spotlight on rows of one length at a time."""
    measured = []
    for length in options.lengths:
        rows = corpus.draw(
            4 * options.spotlight_batch_size,
            vocabulary=options.vocabulary,
            max_len=length,
            rng=np.random.default_rng(options.seed),
            length=length,
        )
        order = np.array_split(np.arange(len(rows)), 4)
        with start("spotlight", rows, options) as process:
            process.call("train", order[:1])
            seconds = min(process.call("train", [batch]).seconds for batch in order)
            peak = process.peak_memory()
        measured.append({"length": length, "seconds_per_step": seconds, "train_peak_mb": peak})
        say(f"  {length:>5} tokens a row  {1000 * seconds:6.0f} ms a step  {peak:6,.0f} MB")
    return measured


def _drawn(options: Options) -> dict[str, pa.Table]:
    """Texts of drawn words, where there is no copy of IMDB."""
    rng = np.random.default_rng(options.seed)
    tables = {}
    for split in ("train", "test"):
        drawn = corpus.draw(
            options.rows, vocabulary=options.vocabulary, max_len=options.max_len, rng=rng
        )
        parts = np.split(drawn.values, drawn.starts[1:-1])
        texts = [" ".join(f"w{number}" for number in part.tolist()) for part in parts]
        tables[split] = pa.table({"text": texts, "label": drawn.targets})
    return tables


def _repeat(root: Path, tables: dict[str, pa.Table], times: float, options: Options) -> int:
    """Write the tables, repeated, as `download` would; returns the number of rows."""
    raw = Workspace(root).raw
    raw.mkdir(parents=True)
    rows = 0
    for split, table in tables.items():
        left = round(times * table.num_rows)
        rows += left
        with pq.ParquetWriter(raw / f"{split}.parquet", table.schema) as writer:
            while left:
                part = table.slice(0, min(left, table.num_rows))
                writer.write_table(part, row_group_size=_GROUP)
                left -= part.num_rows
    classes = ["negative", "positive"]
    card = {
        "dataset": "bench",
        "kind": "text",
        "task": "binary",
        "classes": classes,
        "source": {"kind": "files"},
    }
    write_json(raw / "card.json", card)
    recipe = options.sizes.recipe(batch_size=options.spotlight_batch_size).model_dump()
    entry = {
        "source": {"kind": "files", "path": "."},
        "encode": {"vocabulary": options.vocabulary, "max_len": options.max_len},
        "training": {},
    }
    write_json(  # JSON is YAML
        Workspace(root).params,
        {
            "dataset": "bench",
            "models": ["bilstm_attention"],
            "seeds": [1],
            "threads": options.threads,
            "datasets": {"bench": entry},
            "training": {key: value for key, value in recipe.items() if key != "pooling"},
            "architectures": {"bilstm_attention": {"pooling": "additive"}},
            "evaluate": {},
            "explain": {},
            "registry": {"minimum_validation_accuracy": 0},
        },
    )
    return rows
