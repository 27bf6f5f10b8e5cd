"""`make length-study`: DVC runs the study's stages, MLflow is completed, the answer is shown."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import artifacts, progress, repro
from pipeline.artifacts import Workspace
from pipeline.errors import TrackingError
from pipeline.length_study import settings


def run(workspace: Workspace) -> None:
    """Run the study on its parameters as they stand, and show what came out.

    Raises:
        PipelineError: a stage failed.
    """
    study = workspace.length_study
    wanted = settings.load(study.params)
    progress.say(
        f"{len(wanted.runs)} runs: {', '.join(wanted.lengths)} words × {', '.join(wanted.models)} "
        f"× seeds {', '.join(map(str, wanted.seeds))} ({study.part}/params.yaml)\n"
    )
    begun = time.monotonic()
    repro.prepare(workspace)
    repro.dvc_repro(f"{study.part}/dvc.yaml")
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    progress.say(f"\nDVC took {minutes} min {seconds} s.")
    _track(study, wanted)
    document = artifacts.read_json(study.summary)
    progress.say("\n" + "\n".join(_table(document)))
    progress.say(f"\n{document['answer']}")
    progress.say(f"\nnext: {study.part}/results/accuracy_by_length.png · make ui")


def _track(study: Workspace, wanted: settings.Study) -> None:
    from pipeline.tracking.length_study import complete

    try:
        progress.say(str(complete(study, wanted)))
    except TrackingError as error:
        progress.say(f"warning: {error}")


def _table(document: Mapping[str, Any]) -> Iterator[str]:
    """Accuracy, a line for each model, a column for each length; then by position."""
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
