"""`train@LENGTH-MODEL-SEED` of the length study → studies/length/results/models/…."""

import time

from pipeline import artifacts, progress, training
from pipeline.artifacts import Workspace
from pipeline.checkpoint import Checkpoint
from pipeline.length_study import settings
from pipeline.stages.fits import Fit


def run(workspace: Workspace, length: str, model: str, seed: int) -> None:
    """Train on one length, evidence anywhere; predict the test reviews of every position."""
    begun = time.perf_counter()
    study = workspace.length_study
    wanted = settings.load(study.params)
    splits = {
        path.stem: artifacts.read_sequences(path, spans=False)
        for path in sorted((study.encoded / length).glob("*.parquet"))
    }
    train = splits.pop("train")
    fit = Fit.of(
        "stages.length_train",
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
    network = fit.build()
    checkpoint = Checkpoint(study.checkpoint(name, seed), fit.fingerprint)
    fitted = training.fit(
        network,
        train,
        splits["validation"],
        fit.recipe,
        task="binary",
        seed=seed,
        name=f"{name}-{seed}",
        checkpoint=checkpoint,
    )
    with artifacts.new_folder(study.model(name, seed)) as folder:
        fit.write(folder, network, fitted, splits)
    fit.write_costs(study.costs(name, seed), fitted, begun=begun)
    checkpoint.remove()
