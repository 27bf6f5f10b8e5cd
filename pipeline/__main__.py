"""`python -m pipeline COMMAND`: starts fast; a command imports its libraries when it is called."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from pipeline.errors import SpotlightError

STAGES = {
    "download": "bring the selected dataset in: data/raw",
    "encode": "split and tokenize it: data/encoded",
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
