"""Time and memory of the stages against the number of rows, of training against their length."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import sha256, temporary_folder, write_json
from pipeline.data.card import ROW_GROUP
from pipeline.studies.benchmark import corpus
from pipeline.studies.benchmark.settings import Options
from pipeline.studies.benchmark.throughput import start
from pipeline.studies.processes import alone
from pipeline.workspace import Workspace

Say = Callable[[str], object]
Measured = dict[str, Any]
MOST_TEST = 1_000_000  # test rows
_CLASSES = ("negative", "positive")


def by_rows(
    workspace: Workspace, texts: Path | None, options: Options, say: Say, kept: Sequence[Measured]
) -> list[Measured]:
    """Run the stages on multiples of IMDB's rows, each in a process of its own.

    A row is a passage of IMDB's reviews, of a review's length and with the label of the review
    that it begins in. There are as many test rows, but no more than a million. Training goes on
    for a tenth of an epoch; an epoch's time follows from its steps'. The later stages read networks
    as they are before training, and drawn outputs.

    Args:
        workspace: of the project; files are made in its scratch folder.
        texts: the folder of IMDB; None draws texts.
        options: multiples, sizes, threads.
        say: prints progress.
        kept: what was measured before; those multiples are not measured again.

    Returns:
        All of them, the smallest first.
    """
    tables = corpus.tables(texts) if texts else _drawn(options)
    passages = {split: _Passages(table) for split, table in tables.items()}
    measured = {one["times"]: one for one in kept}
    for times in options.scales:
        if times in measured:
            say(f"  {measured[times]['rows']:,} rows: measured before")
            continue
        with temporary_folder(workspace.scratch / "scaling") as folder:
            rows = {"train": round(times * corpus.ROWS) if texts else round(times * options.rows)}
            rows["test"] = min(rows["train"], MOST_TEST)
            _write(folder, passages, rows, options, libraries=workspace.libraries)
            about: dict[str, Any] = {"times": times, "rows": rows["train"], "test": rows["test"]}
            say(f"  {rows['train']:,} rows, {rows['test']:,} test rows")
            for stage in options.stages:
                if stage == "evaluate":
                    alone("benchmark.stages_alone", "draw_results", str(folder))
                arguments = ("train",) if stage == "train" else ("run", stage)
                told, peak = alone("benchmark.stages_alone", *arguments, str(folder))
                if stage == "train":
                    about |= told.result
                about[stage] = {
                    "seconds": told.seconds,
                    "cpu_seconds": told.cpu_seconds,
                    "peak_mb": peak,
                }
                say(f"  {stage:>9}  {told.cpu_seconds:8.1f} s of CPU time  {peak:6,.0f} MB")
            data = Workspace(folder).base / "data"
            size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
            measured[times] = {**about, "files_mb": size / 2**20}
    return [measured[times] for times in sorted(measured)]


def by_length(options: Options, say: Say) -> list[Measured]:
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


class _Passages:
    """Passages of a table's texts, from any word on, and the label of the text they begin in."""

    def __init__(self, table: pa.Table) -> None:
        texts = table["text"].to_pylist()
        self._joined = "\n".join(texts)
        # <int32>[words, 2], each word's characters
        self._words = np.array(
            [match.span() for match in re.finditer(r"\S+", self._joined)], np.int32
        )
        self._lengths = np.array([len(text.split()) for text in texts])
        self._labels = np.repeat(table["label"].to_numpy(), self._lengths)

    def draw(self, rows: int, rng: np.random.Generator) -> pa.Table:
        """`text` and `label` of passages that are as long as the texts are."""
        lengths = np.maximum(rng.choice(self._lengths, rows), 1)
        first = (rng.random(rows) * (len(self._words) - lengths)).astype(np.int64)
        starts, ends = self._words[first, 0], self._words[first + lengths - 1, 1]
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        texts = [self._joined[start:end] for start, end in spans]
        return pa.table({"text": texts, "label": self._labels[first]})


def _write(
    root: Path,
    passages: Mapping[str, _Passages],
    rows: Mapping[str, int],
    options: Options,
    *,
    libraries: Path,
) -> None:
    """Write passages as `download` would, and the other files that stages read."""
    made = Workspace(root)
    made.raw.mkdir(parents=True)
    rng = np.random.default_rng(options.seed)
    splits = {}
    for split, count in rows.items():
        path = made.raw / f"{split}.parquet"
        schema = pa.schema({"text": pa.string(), "label": pa.int64()})
        labels = np.zeros(2, np.int64)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(0, count, ROW_GROUP):
                part = passages[split].draw(min(ROW_GROUP, count - start), rng)
                labels += np.bincount(part["label"].to_numpy(), minlength=2)
                writer.write_table(part)
        of_class = dict(zip(_CLASSES, labels.tolist(), strict=True))
        splits[split] = {"rows": count, "labels": of_class, "sha256": sha256(path)}
    card = {
        "dataset": "bench",
        "kind": "text",
        "task": "binary",
        "classes": list(_CLASSES),
        "source": {"kind": "files"},
        "splits": splits,
    }
    write_json(made.raw / "card.json", card)
    made.libraries.parent.mkdir()
    shutil.copyfile(libraries, made.libraries)
    recipe = options.sizes.recipe(batch_size=options.spotlight_batch_size).model_dump()
    entry = {
        "source": {"kind": "files", "path": "."},
        "encode": {
            "vocabulary": options.vocabulary,
            "max_len": options.max_len,
            "bigrams": options.vocabulary,
            "vectors": {"corpus": "train", "size": options.embedding, "epochs": 1},
        },
        "training": {},
    }
    write_json(  # JSON is YAML
        made.params,
        {
            "dataset": "bench",
            "models": ["bilstm", "bilstm_attention"],
            "seeds": [1, 2],
            "threads": options.threads,
            "datasets": {"bench": entry},
            "training": {key: value for key, value in recipe.items() if key != "pooling"},
            "architectures": {
                "bilstm": {"pooling": "last"},
                "bilstm_attention": {"pooling": "additive"},
            },
            "evaluate": {},
            "explain": {"faithfulness_rows": 50, "candidate_rows": 10, "guided_rows": 50},
            "registry": {"minimum_validation_accuracy": 0},
        },
    )
