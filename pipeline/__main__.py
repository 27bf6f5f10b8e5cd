"""`python -m pipeline COMMAND`: starts fast; a command imports its libraries when it is called."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import SpotlightError

STAGES = {
    "download": "bring the selected dataset in: data/raw",
    "encode": "split and tokenize it: data/encoded",
    "pretrain": "learn words and a Bi-LSTM without labels, if the entry says so: data/vectors",
    "train": "train one model with one seed: results/models/MODEL-SEED",
    "reference": "TF-IDF + logistic regression on the same split: results/reference",
    "evaluate": "measure and compare the models: results/metrics.json, comparison.json, plots",
    "explain": "show what the attention looks at, and test it: results/explanations",
    "report": "write it all up: results/report.html",
}
COMMANDS = {
    "repro": "run the pipeline, complete MLflow, and show the comparison",
    "track": "make MLflow hold the workspace's runs, once each",
    "ui": "complete MLflow, then serve its UI on this machine",
    "data": "list the data versions; what changed between two; add data of your own",
    "length-study": "vary length and evidence position, draw accuracy against length",
    "search": "look for the recipe of studies/recipe/params.yaml's dataset",
    "bench": "time and memory beside stock Keras, PyTorch and ONNX Runtime",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    options = vars(parsed)
    run: Callable[..., None] = options.pop("run")
    del options["command"]
    try:
        run(**options)
    except SpotlightError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "pipeline":
            raise
        print(
            f"error: this Python ({sys.executable}) lacks the library '{error.name}': the "
            "project's environment is not active.\n"
            "  → make setup && . .venv/bin/activate, or use make repro, which does both.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "\nstopped. Nothing that was finished is lost: run it again to go on.", file=sys.stderr
        )
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Does attention make a Bi-LSTM better, and can its weights be believed? "
        "DVC calls the stages; `make repro` calls everything.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    stages = {
        name: commands.add_parser(name, help=about, description=about)
        for name, about in STAGES.items()
    }
    for name, stage in stages.items():
        stage.set_defaults(run=_stage(name))
    stages["train"].add_argument("model", help="one of `architectures` in params.yaml")
    stages["train"].add_argument("seed", type=int, help="one of `seeds` in params.yaml")
    stages["report"].add_argument(
        "--open", action="store_true", dest="opened", help="show it in the browser"
    )
    other = {
        name: commands.add_parser(name, help=about, description=about)
        for name, about in COMMANDS.items()
    }
    other["repro"].add_argument("dvc", nargs="*", help="passed on to dvc repro", metavar="ARG")
    other["repro"].set_defaults(run=_command("repro", "run"))
    other["track"].set_defaults(run=_command("stages.track", "run"))
    other["ui"].add_argument("--port", type=int, default=5000)
    other["ui"].set_defaults(run=_command("stages.track", "serve"))
    _data(other["data"])
    _length_study(other["length-study"])
    other["search"].add_argument("--trials", type=int, metavar="N", help="so many in all")
    other["search"].set_defaults(run=_command("stages.search", "run"))
    _bench(other["bench"])
    return parser


def _data(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_command("stages.data", "show"))
    actions = parser.add_subparsers(metavar="ACTION")
    about = "what changed between two versions, and how the models' scores moved"
    diff = actions.add_parser("diff", help=about, description=about)
    diff.add_argument("old", metavar="REV", help="a git revision")
    diff.add_argument("new", metavar="REV", nargs="?", help="another; by default the workspace")
    diff.set_defaults(run=_command("stages.data", "diff"))
    about = "copy a file or folder under data/own/NAME, and print its entry for params.yaml"
    add = actions.add_parser("add", help=about, description=about)
    add.add_argument("file", metavar="FILE", help="CSV, TSV, JSON lines, JSON, parquet or a folder")
    add.add_argument("name", metavar="NAME", help="what to call the dataset")
    add.set_defaults(run=_command("stages.data", "add"))


def _length_study(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_command("stages.length_study", "run"))
    stages = parser.add_subparsers(metavar="STAGE")
    about = "write the reviews of one length"
    corpus = stages.add_parser("corpus", help=about, description=about)
    about = "train one model with one seed on them, and test it at every position"
    train = stages.add_parser("train", help=about, description=about)
    for stage in (corpus, train):
        stage.add_argument("length", help="one of `lengths` in studies/length/params.yaml")
    train.add_argument("model", help="one of its `models`")
    train.add_argument("seed", type=int, help="one of its `seeds`")
    about = "measure, compare and draw"
    summary = stages.add_parser("summary", help=about, description=about)
    for name, stage in {"corpus": corpus, "train": train, "summary": summary}.items():
        stage.set_defaults(run=_command(f"stages.length_{name}", "run"))


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    parser.set_defaults(run=_command("stages.bench", "run"))
    parts = ["throughput", "inference", "length", "rows", "starting", "losses", "accuracy"]
    arms = ["spotlight", "keras", "pytorch"]
    choices: dict[str, tuple[list[str], list[str], str]] = {
        "parts": (parts, parts[:-2], f"what is measured, of: {', '.join(parts)}"),
        "arms": (arms, arms, "what is trained; the first is compared with the others"),
    }
    for name, (possible, chosen, about) in choices.items():
        parser.add_argument(
            f"--{name}", nargs="+", choices=possible, default=chosen, metavar="NAME", help=about
        )
    numbers: dict[str, tuple[int, str]] = {
        "rows": (25_000, "rows of an epoch"),
        "vocabulary": (30_000, "different words"),
        "embedding": (128, "features of a word"),
        "units": (64, "of the LSTM, each way"),
        "max-len": (400, "tokens of a row at most"),
        "batch-size": (64, "rows in a batch"),
        "spotlight-batch-size": (64, "rows in a batch of Spotlight's"),
        "batches": (50, "of an epoch in each repeat, chosen by length; 0: whole epochs"),
        "repeats": (4, "of everything that is timed in turn"),
        "threads": (2, "that compute"),
        "epochs": (4, "of the parts losses and accuracy"),
        "seed": (0, "of the choice of rows and batches"),
    }
    for name, (default, about) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=about)
    several: dict[str, tuple[type, list[int], str]] = {
        "lengths": (int, [100, 200, 400, 800, 1600], "tokens a row, of the part length"),
        "scales": (float, [1, 3, 10], "how many times IMDB, of the part rows"),
        "seeds": (int, [1, 2, 3], "of the parts losses and accuracy"),
    }
    for name, (kind, values, about) in several.items():
        parser.add_argument(
            f"--{name}", type=kind, nargs="+", default=values, metavar="N", help=about
        )
    paths: dict[str, tuple[Path | None, str]] = {
        "data": (None, "a copy of IMDB as the hub has it; by default ../shared/data/imdb"),
        "out": (Path(".spotlight/bench"), "where table, plot and measurements go"),
        "plot": (None, "a file where the plot goes as well"),
    }
    for name, (path, about) in paths.items():
        parser.add_argument(f"--{name}", type=Path, default=path, metavar="PATH", help=about)


def _stage(name: str) -> Callable[..., None]:
    return _command(f"stages.{name}", "run")


def _command(module: str, function: str) -> Callable[..., None]:
    """A function that imports its module, and TensorFlow or MLflow with it, when called."""

    def run(**options: Any) -> None:
        from pipeline import runtime

        with runtime.quiet_imports():
            loaded = import_module(f"pipeline.{module}")
        workspace = import_module("pipeline.artifacts").Workspace.current()
        getattr(loaded, function)(workspace, **options)

    return run


if __name__ == "__main__":
    sys.exit(main())
