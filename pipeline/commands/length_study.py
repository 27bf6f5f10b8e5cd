"""`length-study`: DVC runs the study's stages, MLflow is updated, and the answer is shown."""

import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from pipeline import progress
from pipeline.commands import Subparsers, add_jobs
from pipeline.commands.studies import say_tracked
from pipeline.core.runtime import quiet_imports
from pipeline.repository import dvc_repro, init_dvc
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command, and the study's stages, which DVC calls, as its subcommands."""
    about = "vary length and evidence position, and plot accuracy against length"
    parser = commands.add_parser("length-study", description=about)
    add_jobs(parser)
    parser.set_defaults(run=run)
    stages = parser.add_subparsers(title="stages, called by DVC", metavar="[STAGE]")
    about = "write the reviews of one length"
    corpus = stages.add_parser("corpus", help=about, description=about)
    about = "train one model with one seed, and test it at every position"
    train = stages.add_parser("train", help=about, description=about)
    for stage in (corpus, train):
        stage.add_argument(
            "--length", required=True, help="one of `lengths` in studies/length/params.yaml"
        )
    train.add_argument("--model", required=True, help="one of its `models`")
    train.add_argument("--seed", required=True, type=int, help="one of its `seeds`")
    about = "measure a model's gradients in training"
    flow = stages.add_parser("flow", help=about, description=about)
    flow.add_argument("--model", required=True, help="one of `flow.models`")
    about = "measure, compare and plot"
    summary = stages.add_parser("summary", help=about, description=about)
    every = {"corpus": corpus, "train": train, "flow": flow, "summary": summary}
    for name, stage in every.items():
        stage.set_defaults(run=run_stage, stage=name)


def run_stage(workspace: Workspace, stage: str, **options: Any) -> None:
    """Run one of the study's stages."""
    del options["jobs"]  # of the whole study
    with quiet_imports():
        module = import_module(f"pipeline.studies.length.stages.{stage}")
    module.run(workspace, **options)


def run(workspace: Workspace, jobs: int) -> None:
    """Run the study on its current parameters, and show the result.

    Args:
        workspace: the project's files.
        jobs: trainings at a time.

    Raises:
        PipelineError: a stage failed.
    """
    from pipeline.core.files import read_json
    from pipeline.studies.length.settings import load_study
    from pipeline.studies.length.tracking import track_study

    study = workspace.length_study
    wanted = load_study(study.params)
    progress.say(
        f"{len(wanted.runs)} runs: {', '.join(wanted.lengths)} words × {', '.join(wanted.models)}, "
        f"and {len(wanted.remedies.models) + len(wanted.more_data.models)} with a remedy, "
        f"× seeds {', '.join(map(str, wanted.seeds))} ({study.part}/params.yaml)\n"
    )
    begun = time.monotonic()
    init_dvc(study.base)
    if jobs > 1:
        from pipeline.cells import repro_cells

        for stage in ("train", "remedy", "more_data", "flow"):
            repro_cells(
                study.base,
                stage,
                jobs=jobs,
                before=["corpus"],
                threads=wanted.threads,
                logs=study.scratch / "jobs",
            )
    dvc_repro(study.base)
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    progress.say(f"\nDVC took {minutes} min {seconds} s.")
    say_tracked(lambda: track_study(study, wanted))
    document = read_json(study.summary)
    progress.say("\n" + "\n".join(_table(document)))
    progress.say(f"\n{document['answer']}")
    progress.say(f"\nnext: {study.part}/results/accuracy_by_length.png · make ui")


def _table(document: Mapping[str, Any]) -> Iterator[str]:
    """Accuracy by position: a line per model, a column per length."""
    lengths = list(document["accuracy"]["anywhere"])
    for position, accuracy in document["accuracy"].items():
        yield f"test, evidence {position}".ljust(28) + "".join(
            f"{length} words".rjust(24) for length in lengths
        )
        for model in document["changes"]["models"]:
            cells = (
                f"{found['accuracy']:.3f} ({found['low']:.3f}–{found['high']:.3f})"
                for found in (accuracy[length][model] for length in lengths)
            )
            yield f"  {model}".ljust(28) + "".join(cell.rjust(24) for cell in cells)
