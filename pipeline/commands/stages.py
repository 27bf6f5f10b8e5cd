"""The stages of dvc.yaml, which DVC calls one by one."""

from importlib import import_module
from typing import Any

from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace

STAGES = {
    "check": "check params.yaml before anything is made of it",
    "download": "read and check the selected dataset: data/raw",
    "encode": "split and tokenize it: data/encoded",
    "pretrain": "learn word vectors and a Bi-LSTM without labels: data/vectors",
    "train": "train one model with one seed: results/models/MODEL-SEED",
    "reference": "fit the baselines on the same split: results/reference",
    "evaluate": "measure and compare the models: results/*.json, results/plots",
    "explain": "show the attention weights, and test them: results/explanations",
    "report": "write everything up in one page: results/report.html",
    "track": "record every run of the workspace in MLflow, once",
}


def add_parser(commands: Subparsers) -> None:
    """Add a command for each stage."""
    for name, about in STAGES.items():
        parser = commands.add_parser(name, description=about)
        parser.set_defaults(run=run, stage=name)
        if name == "train":
            parser.add_argument("--model", required=True, help="one of `models` in params.yaml")
            parser.add_argument("--seed", required=True, type=int, help="one of its `seeds`")
        if name == "report":
            parser.add_argument(
                "--open", action="store_true", dest="opened", help="open it in the browser"
            )


def run(workspace: Workspace, stage: str, **options: Any) -> None:
    """Run one stage.

    Raises:
        ParamsError: params.yaml has no such training.
    """
    if stage == "train":
        _require_training(workspace, **options)
    with quiet_imports():
        module = import_module(f"pipeline.stages.{stage}")
    module.run(workspace, **options)


def _require_training(workspace: Workspace, model: str, seed: int) -> None:
    from pipeline.core.params import load_params
    from pipeline.errors import ParamsError

    settings = load_params(workspace.params)
    if (model, seed) not in settings.runs:
        raise ParamsError(
            f"params.yaml has no training of {model!r} with seed {seed}.",
            fix=f"name one of {', '.join(settings.models)} and of the seeds "
            f"{', '.join(map(str, settings.seeds))}, or add it to `models` and `seeds` there.",
        )
