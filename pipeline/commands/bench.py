"""`bench`: time and memory beside stock Keras, PyTorch and ONNX Runtime."""

import argparse
from pathlib import Path
from typing import Any

from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace

# Those of a plain `make bench`, and those that take longer.
DEFAULT = ("throughput", "inference", "length", "rows", "starting")
PARTS = (
    *DEFAULT,
    "single",
    "answers",
    "growth",
    "losses",
    "recipe",
    "workers",
    "cells",
    "accuracy",
)
STAGES = ("encode", "pretrain", "train", "evaluate", "explain", "report", "track")
IMPLEMENTATIONS = (
    "spotlight", "keras", "keras_by_length", "pytorch", "pytorch_sparse", "pytorch_ids",
)  # fmt: skip
NUMBERS: dict[str, tuple[int, str]] = {
    "rows": (25_000, "rows in an epoch"),
    "vocabulary": (30_000, "number of different words"),
    "embedding": (128, "size of a word's vector"),
    "units": (64, "units of the LSTM in each direction"),
    "max-len": (400, "most tokens in a row"),
    "batch-size": (64, "rows in a batch"),
    "spotlight-batch-size": (64, "rows in a batch of Spotlight's"),
    "batches": (50, "batches in each repeat, sampled by length; 0 for whole epochs"),
    "repeats": (4, "how often each timing is repeated"),
    "threads": (2, "threads that compute"),
    "epochs": (4, "epochs of the parts `losses` and `accuracy`"),
    "seed": (0, "seed for choosing rows and batches"),
}


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "bench",
        description="measure time and memory beside stock Keras, PyTorch and ONNX Runtime",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=DEFAULT,
        metavar="NAME",
        help=f"what to measure: {', '.join(PARTS)}",
    )
    parser.add_argument(
        "--implementations",
        nargs="+",
        choices=IMPLEMENTATIONS,
        default=IMPLEMENTATIONS,
        metavar="NAME",
        help="what to train; the first is compared with the others",
    )
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=STAGES,
        default=STAGES,
        metavar="NAME",
        help=f"what the part `rows` runs: {', '.join(STAGES)}",
    )
    for name, (number, meaning) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=number, metavar="N", help=meaning)
    several: dict[str, tuple[type, list[int], str]] = {
        "lengths": (int, [100, 200, 400, 800, 1600], "tokens per row in the part `length`"),
        "growth": (int, [20_000, 80_000], "rows of the baselines in the part `growth`"),
        "scales": (float, [1, 3], "multiples of IMDB's size in the part `rows`"),
        "seeds": (int, [1, 2, 3], "seeds of the parts `losses` and `accuracy`"),
    }
    for name, (kind, numbers, meaning) in several.items():
        parser.add_argument(
            f"--{name}", type=kind, nargs="+", default=numbers, metavar="N", help=meaning
        )
    parser.add_argument(
        "--against",
        default="HEAD",
        metavar="COMMIT",
        help="commit whose code the part `recipe` compares with that of this folder",
    )
    paths: dict[str, tuple[Path | None, str]] = {
        "data": (None, "a copy of IMDB as on the hub; ../shared/data/imdb if not given"),
        "out": (Path(".spotlight/bench"), "folder for the table, the plot and the measurements"),
        "plot": (None, "another file to write the plot to"),
    }
    for name, (path, meaning) in paths.items():
        parser.add_argument(f"--{name}", type=Path, default=path, metavar="PATH", help=meaning)


def run(workspace: Workspace, **given: Any) -> None:
    """Run the chosen parts of the benchmark."""
    with quiet_imports():
        from pipeline.studies.benchmark.run import run_benchmark

    run_benchmark(workspace, **given)
