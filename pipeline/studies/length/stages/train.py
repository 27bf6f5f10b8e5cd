"""`train@LENGTH-MODEL-SEED` of the length study → studies/length/results/models/…."""

import time

from pipeline import progress
from pipeline.core.files import sealed_folder
from pipeline.core.sequences import read_sequences
from pipeline.studies.length import settings
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace


def run(workspace: Workspace, length: str, model: str, seed: int) -> None:
    """Train on one length, evidence anywhere; predict the test reviews of every position."""
    begun = time.perf_counter()
    study = workspace.length_study
    wanted = settings.load_study(study.params)
    splits = {
        path.stem: read_sequences(path)
        for path in sorted((study.encoded / length).glob("*.parquet"))
    }
    train = splits.pop("train")
    run = TrainingRun.for_stage(
        __name__,
        model,
        seed,
        wanted.recipe(model),
        data=study.encoded / length,
        libraries=study.libraries,
        threads=wanted.threads,
    )
    name = f"{length}-{model}"
    number = 1 + wanted.runs.index((length, model, seed))
    progress.say(f"run {number} of {len(wanted.runs)}: {length} words, {model}, seed {seed}")
    network = run.build_network()
    checkpoint = Checkpoint(study.checkpoint(name, seed), run.fingerprint)
    result = train_model(
        network,
        train,
        splits["validation"],
        run.recipe,
        task="binary",
        seed=seed,
        name=f"{name}-{seed}",
        checkpoint=checkpoint,
    )
    with sealed_folder(study.model(name, seed), stage=f"train@{name}-{seed}") as folder:
        run.write_model(folder, network, result, splits)
    run.write_costs(study.costs(name, seed), result, begun=begun)
    checkpoint.remove()
