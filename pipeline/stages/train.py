"""`train@MODEL-SEED`: data/encoded → results/models/MODEL-SEED."""

import contextlib
import sys
import time

import keras

from pipeline import progress
from pipeline.core import params, runtime
from pipeline.core.files import sealed_folder
from pipeline.core.predictions import SPLITS
from pipeline.core.sequences import read_sequences
from pipeline.tracking import EpochLogger
from pipeline.training import workers
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun, network_summary
from pipeline.workspace import Workspace


def run(workspace: Workspace, model: str, seed: int) -> None:
    """Train one model with one seed; the chief writes weights, history and predictions."""
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
    unlabeled = run.read_unlabeled()
    checkpoint = Checkpoint(workspace.checkpoint(model, seed), run.fingerprint)
    runtime.pin_threads(run.threads)
    with contextlib.ExitStack() as stack:
        team = stack.enter_context(
            workers.connected(
                run.recipe.workers,
                run.fingerprint,
                [sys.executable, "-m", "pipeline", "train", "--model", model, "--seed", str(seed)],
                folder=workspace.root,
                logs=workspace.worker_logs(model, seed),
            )
        )
        network = run.build_network()
        callbacks = []
        if team.chief:
            if seed == settings.seeds[0]:  # the others' is the same
                progress.say(network_summary(network))
            logger = stack.enter_context(
                EpochLogger(
                    workspace, settings, model=model, seed=seed, fingerprint=run.fingerprint
                )
            )
            callbacks = [
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: logger.epoch(epoch + 1, logs)
                )
            ]
        result = train_model(
            network,
            splits["train"],
            splits["validation"],
            run.recipe,
            task=run.about["task"],
            seed=seed,
            unlabeled=unlabeled,
            name=f"{model}-{seed}",
            callbacks=callbacks,
            checkpoint=checkpoint if team.chief else None,
            team=team,
        )
    if not team.chief:
        return
    with sealed_folder(workspace.model(model, seed), stage=f"train@{model}-{seed}") as folder:
        run.write_model(
            folder, network, result, {name: splits[name] for name in ("validation", "test")}
        )
    run.write_costs(workspace.costs(model, seed), result, begun=begun)
    checkpoint.remove()
