"""`train@MODEL-SEED`: data/encoded → results/models/MODEL-SEED."""

import time

import keras

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import sealed_folder
from pipeline.core.predictions import SPLITS
from pipeline.core.sequences import read_sequences
from pipeline.tracking import EpochLogger
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun, network_summary
from pipeline.workspace import Workspace


def run(workspace: Workspace, model: str, seed: int) -> None:
    """Train one model with one seed; write weights, history and predictions."""
    begun = time.perf_counter()
    settings = params.load_params(workspace.params)
    splits = {name: read_sequences(workspace.encoded / f"{name}.parquet") for name in SPLITS}
    run = TrainingRun.for_stage(
        __name__,
        model,
        seed,
        settings.recipe(model),
        data=workspace.encoded,
        pretrained=workspace.vectors,
        libraries=workspace.libraries,
        threads=settings.threads,
    )
    network = run.build_network()
    if seed == settings.seeds[0]:  # the others' is the same
        progress.say(network_summary(network))
    checkpoint = Checkpoint(workspace.checkpoint(model, seed), run.fingerprint)
    with EpochLogger(
        workspace, settings, model=model, seed=seed, fingerprint=run.fingerprint
    ) as logger:
        result = train_model(
            network,
            splits["train"],
            splits["validation"],
            run.recipe,
            task=run.about["task"],
            seed=seed,
            name=f"{model}-{seed}",
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: logger.epoch(epoch + 1, logs)
                )
            ],
            checkpoint=checkpoint,
        )
    with sealed_folder(workspace.model(model, seed), stage=f"train@{model}-{seed}") as folder:
        run.write_model(
            folder, network, result, {name: splits[name] for name in ("validation", "test")}
        )
    run.write_costs(workspace.costs(model, seed), result, begun=begun)
    checkpoint.remove()
