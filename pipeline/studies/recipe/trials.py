"""`make search`: try recipes on training and validation rows, and record each in MLflow."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import isfinite

import tensorflow as tf
from optuna import Study

from pipeline import fingerprint, progress
from pipeline.core import params
from pipeline.core.files import read_json, write_csv, write_json
from pipeline.core.sequences import read_sequences
from pipeline.errors import ParamsError, TrackingError
from pipeline.studies.parameters import read_encoded
from pipeline.studies.recipe.search import (
    INPUTS,
    Choice,
    Search,
    TrialResult,
    begun,
    finished,
    load_search,
    open_study,
    run_trial,
    table,
)
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_model
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace


def search_recipe(
    workspace: Workspace,
    part: Workspace,
    trials: int | None = None,
    storage: str | None = None,
) -> None:
    """Continue the search until that many trials are finished, or under way elsewhere.

    Args:
        workspace: the project.
        part: the search's own files.
        trials: how many; None for what the file says.
        storage: the address of a database that keeps the trials, shared with other processes;
            None for a file of this project.

    Raises:
        ParamsError: another dataset is encoded, `trials` is below 1, or the database can't be used.
    """
    settings, search, study = open_search(workspace, part, trials, storage)
    tf.get_logger().setLevel("ERROR")  # it warns of many graphs: each run has its own
    wanted = trials or search.trials

    def train(values: dict[str, Choice]) -> Sequence[TrialResult]:
        changed = {key: value for key, value in values.items() if value != search.origin[key]}
        what = changed or "the starting point"
        progress.say(f"\ntrial {begun(study)} of {wanted}: {what}")
        return [
            _train(workspace, part, settings, model, values, seed=search.seed)
            for model in search.models
        ]

    while begun(study) < wanted:
        run_trial(study, search, train)
        if finished(study):
            _write(part, search, study)
            _track(workspace, part, search, study)
    if not finished(study):
        progress.say(
            "No trial is finished yet: those of other processes are under way, and one in which a "
            "training diverges has no loss."
        )
        return
    _track(workspace, part, search, study)  # even with nothing left to do: the store may be new
    progress.say("")
    for row in table(search, finished(study)):
        progress.say("  ".join(f"{key} {value}" for key, value in row.items()))
    progress.say(
        f"\nnext: copy the best trial's values to datasets.{search.dataset} in params.yaml: "
        "`bigrams` and `vectors` under `encode`, the others under `training`"
    )


def open_search(
    workspace: Workspace, part: Workspace, trials: int | None = None, storage: str | None = None
) -> tuple[params.Params, Search, Study]:
    """Check what `search_recipe` is given, and open its study, or create it.

    Raises:
        ParamsError: as `search_recipe`.
    """
    if trials is not None and trials < 1:
        raise ParamsError(f"--trials is {trials}.", fix="ask for at least one trial.")
    search = load_search(part.params)
    settings = read_encoded(workspace, part, search.dataset)
    study = open_study(
        search,
        storage or part.scratch / "trials.log",
        fingerprint.configuration(
            __name__,
            [*sorted(workspace.encoded.iterdir()), *sorted(workspace.vectors.iterdir())],
            workspace.libraries,
            [
                *(search.models, search.seed, search.space),
                *(settings.threads, settings.training, settings.entry.training),
            ],
        ),
    )
    return settings, search, study


def _train(
    workspace: Workspace,
    part: Workspace,
    settings: params.Params,
    model: str,
    values: dict[str, Choice],
    *,
    seed: int,
) -> TrialResult:
    """Train one model of a trial, and measure it on validation rows.

    The result is kept, so that an interrupted trial goes on with the next model, and a search with
    more models or another space repeats no training.
    """
    begun = time.perf_counter()
    changes = {key: value for key, value in values.items() if key not in INPUTS}
    recipe = params.merge_recipe(
        model,
        {**settings.training, **settings.entry.training, **changes},
        settings.architectures,
        where=f"{part.part}/params.yaml",
    )
    run = TrainingRun.for_stage(
        __name__,
        model,
        seed,
        recipe,
        data=workspace.encoded,
        pretrained=workspace.vectors if values.get("vectors", True) else None,
        libraries=workspace.libraries,
        threads=settings.threads,
    )
    if not values.get("bigrams", True):
        run = replace(run, about={**run.about, "bigrams": 0, "trigrams": 0})
    mark = fingerprint.digest([], [run.fingerprint, run.about])
    # Several processes may search side by side: each trial has files of its own.
    name = f"{model}-{mark[:12]}"
    kept = part.scratch / "trained" / f"{name}.json"
    if kept.exists():
        progress.say(f"{model}: trained before")
        return TrialResult(**read_json(kept))
    splits = {
        split: read_sequences(workspace.encoded / f"{split}.parquet")
        for split in ("train", "validation")
    }
    checkpoint = Checkpoint(part.checkpoint(name, seed), mark)
    result = train_model(
        run.build_network(),
        splits["train"],
        splits["validation"],
        recipe,
        task=run.about["task"],
        seed=seed,
        unlabeled=run.read_unlabeled(),
        name=model,
        checkpoint=checkpoint,
    )
    best = result.history[result.best_epoch - 1]
    found = TrialResult(
        model,
        best["val_loss"],
        best["val_accuracy"],
        result.best_epoch,
        round(time.perf_counter() - begun, 1),
    )
    if isfinite(found.val_loss):  # JSON has no other numbers
        write_json(kept, asdict(found))
    checkpoint.remove()
    return found


def _write(part: Workspace, search: Search, study: Study) -> None:
    rows = table(search, finished(study))
    write_csv(part.results / "trials.csv", rows)


def _track(workspace: Workspace, part: Workspace, search: Search, study: Study) -> None:
    from pipeline.studies.recipe.tracking import track_search

    try:
        track_search(workspace, part, search, study)
    except TrackingError as error:
        progress.say(f"warning: {error}")
