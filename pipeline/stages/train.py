"""`train@MODEL-SEED`: data/encoded → results/models/MODEL-SEED."""

import csv
import io
import resource
import time

import keras

from pipeline import artifacts, fingerprint, inference, params, progress, runtime, training
from pipeline.artifacts import Workspace, read_sequences
from pipeline.models import network
from pipeline.tracking import EpochLogger


def identity(workspace: Workspace, settings: params.Params, model: str) -> str:
    """The fingerprint of a configuration: data, parameters, code and libraries, but no seed."""
    files = [
        *sorted(workspace.encoded.iterdir()),
        *fingerprint.modules("stages.train"),
        workspace.root / "locks" / "run.txt",
    ]
    recipe = settings.recipe(model).model_dump()
    return fingerprint.digest(files, [model, settings.threads, recipe])


def run(workspace: Workspace, model: str, seed: int) -> None:
    """Train one model with one seed; write weights, history and predictions."""
    begun = time.perf_counter()
    settings = params.load(workspace.params)
    recipe = settings.recipe(model)
    about = artifacts.read_json(workspace.encoded / "encoding.json")
    splits = {
        name: read_sequences(workspace.encoded / f"{name}.parquet") for name in artifacts.SPLITS
    }
    configuration = identity(workspace, settings, model)
    run_identity = fingerprint.digest([], [configuration, seed])

    runtime.pin_threads(settings.threads)
    keras.utils.set_random_seed(seed)
    built = network.build(
        recipe,
        kind=about["kind"],
        task=about["task"],
        classes=len(about["classes"]),
        vocabulary_size=about.get("vocabulary_size", 0),
        features=len(about.get("features", [])),
    )
    if seed == settings.seeds[0]:  # the others' is the same
        progress.say(_summary(built.predictor))
    checkpoint = training.Checkpoint(workspace.checkpoint(model, seed), run_identity)
    with EpochLogger(
        workspace, settings, model=model, seed=seed, fingerprint=run_identity
    ) as logger:
        fitted = training.fit(
            built.predictor,
            splits["train"],
            splits["validation"],
            recipe,
            task=about["task"],
            seed=seed,
            name=f"{model}-{seed}",
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: logger.epoch(epoch + 1, logs)
                )
            ],
            checkpoint=checkpoint,
        )
    with artifacts.new_folder(workspace.model(model, seed)) as folder:
        for name in ("validation", "test"):
            rows = splits[name]
            outputs = inference.predict(built.predictor, rows)
            predicted = artifacts.Predictions(rows.rows, rows.targets, outputs)
            artifacts.write_predictions(folder / f"{name}.parquet", predicted)
        built.predictor.save_weights(folder / "model.weights.h5")
        artifacts.write_text(folder / "history.csv", _csv(fitted.history))
        artifacts.write_text(folder / "summary.txt", _summary(built.predictor))
        inputs = ("kind", "task", "classes", "vocabulary_size", "max_len", "features", "time_steps")
        artifacts.write_json(
            folder / "model.json",
            {
                "model": model,
                "seed": seed,
                "dataset": settings.dataset,
                **{key: about[key] for key in inputs if key in about},
                "recipe": recipe.model_dump(),
                "parameters": built.predictor.count_params(),
                "best_epoch": fitted.best_epoch,
                "epochs": len(fitted.history),
                "threads": settings.threads,
                "configuration": configuration,
                "fingerprint": run_identity,
            },
        )
    # Time and memory differ from run to run, so they stay out of what DVC hashes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    artifacts.write_json(
        workspace.costs(model, seed),
        {
            "fingerprint": run_identity,
            "wall_seconds": round(time.perf_counter() - begun, 2),
            "peak_memory_mb": round(peak, 1),
            "epoch_seconds": [round(value, 2) for value in fitted.seconds],
        },
    )
    checkpoint.path.unlink(missing_ok=True)


def _csv(history: list[training.Epoch]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    rounded = [{key: f"{value:.6g}" for key, value in epoch.items()} for epoch in history]
    writer.writerows(rounded)
    return buffer.getvalue()


def _summary(model: keras.Model) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=80)
    return "\n".join(lines) + "\n"
