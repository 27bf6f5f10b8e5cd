"""`flow@MODEL` of the length study → studies/length/results/flow/MODEL.json."""

import numpy as np

from pipeline.core.files import write_json
from pipeline.core.schema import Position
from pipeline.core.sequences import read_sequences
from pipeline.studies.length import corpus, settings
from pipeline.studies.length.flow import Flow, evidence_ends
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

POSITION: Position = "middle"  # as many steps before the evidence as after it


def run(workspace: Workspace, model: str) -> None:
    """Train one run once more, and measure its gradients on test reviews on the way."""
    study = workspace.length_study
    wanted = settings.load_study(study.params)
    flow = wanted.flow
    data = study.encoded / flow.length
    test = read_sequences(data / f"{settings.test_name(POSITION)}.parquet", spans=True)
    reviews = corpus.test_reviews(wanted.corpus, flow.length, POSITION)
    rows = test.take(np.arange(min(flow.rows, len(test))))
    ends = evidence_ends(rows, [review.evidence for review in reviews[: len(rows)]])
    measured = Flow(rows, ends, flow.epochs)
    # as the run of this seed was trained, but for where it ends
    last = max(flow.epochs)
    recipe = wanted.recipe(model).model_copy(update={"epochs": last, "min_epochs": last})
    run = TrainingRun.for_stage(
        __name__,
        model,
        flow.seed,
        recipe,
        data=data,
        libraries=study.libraries,
        threads=wanted.threads,
    )
    train_model(
        run.build_network(),
        read_sequences(data / "train.parquet"),
        read_sequences(data / "validation.parquet"),
        recipe,
        task="binary",
        seed=flow.seed,
        name=f"flow, {model}",
        callbacks=[measured],
    )
    write_json(study.results / "flow" / f"{model}.json", measured.curves)
