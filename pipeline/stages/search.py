"""`make search`: trials of recipes on training and validation rows; MLflow holds each."""

import csv
import io
import time
from dataclasses import replace

import tensorflow as tf
from optuna import Study

from pipeline import artifacts, fingerprint, params, progress, recipe_search, training
from pipeline.artifacts import Workspace
from pipeline.checkpoint import Checkpoint
from pipeline.errors import ParamsError, TrackingError
from pipeline.recipe_search import INPUTS, Choice, Search, Shown
from pipeline.stages.fits import Fit


def run(workspace: Workspace, trials: int | None = None) -> None:
    """Go on with the search until it has had so many trials; what is done stays done.

    Raises:
        ParamsError: the dataset that is encoded is another one, or no trial is wanted.
    """
    if trials is not None and trials < 1:
        raise ParamsError(f"--trials is {trials}.", fix="ask for one trial or more.")
    part = workspace.recipe_search
    search = recipe_search.load(part.params)
    settings = params.load(workspace.params)
    about = artifacts.read_json(workspace.encoded / "encoding.json")
    if not settings.dataset == about["dataset"] == search.dataset:
        raise ParamsError(
            f"The search is for '{search.dataset}', params.yaml selects '{settings.dataset}', "
            f"and data/encoded holds '{about['dataset']}'.",
            fix=f"set `dataset: {search.dataset}` in params.yaml, then: dvc repro pretrain",
        )
    tf.get_logger().setLevel("ERROR")  # it warns of many graphs: each training has one of its own
    study = recipe_search.open_study(
        search,
        part.scratch / "trials.log",
        fingerprint.configuration(
            "stages.search",
            [*sorted(workspace.encoded.iterdir()), *sorted(workspace.vectors.iterdir())],
            workspace.libraries,
            [
                *(search.models, search.seed, search.space),
                *(settings.threads, settings.training, settings.entry.training),
            ],
        ),
    )
    wanted = trials or search.trials
    while (done := len(recipe_search.finished(study))) < wanted:
        trial = recipe_search.next_trial(study, search)
        values = trial.params
        changed = {key: value for key, value in values.items() if value != search.origin[key]}
        progress.say(f"\ntrial {done + 1} of {wanted}: {changed or 'where the search comes from'}")
        shown = [_train(workspace, settings, search, model, values) for model in search.models]
        recipe_search.tell(study, trial, shown)
        _write(part, search, study)
        _track(workspace, search, study)
    _track(workspace, search, study)  # nothing was left to do, and MLflow's store may be another
    progress.say("")
    for row in recipe_search.table(search, recipe_search.finished(study)):
        progress.say("  ".join(f"{key} {value}" for key, value in row.items()))
    progress.say(
        f"\nnext: write the first one's values into datasets.{search.dataset}: `bigrams` and "
        "`vectors` under `encode`, the others under `training`"
    )


def _train(
    workspace: Workspace,
    settings: params.Params,
    search: Search,
    model: str,
    values: dict[str, Choice],
) -> Shown:
    """One model of a trial, on training rows, judged on validation rows."""
    begun = time.perf_counter()
    changes = {key: value for key, value in values.items() if key not in INPUTS}
    recipe = params.merged(
        model,
        {**settings.training, **settings.entry.training, **changes},
        settings.architectures,
        where="studies/recipe/params.yaml",
    )
    fit = Fit.of(
        "stages.search",
        model,
        search.seed,
        recipe,
        data=workspace.encoded,
        start=workspace.vectors if values.get("vectors") else None,
        libraries=workspace.libraries,
        threads=settings.threads,
    )
    if not values.get("bigrams"):
        fit = replace(fit, about={**fit.about, "bigrams": 0})
    splits = {
        name: artifacts.read_sequences(workspace.encoded / f"{name}.parquet", spans=False)
        for name in ("train", "validation")
    }
    mark = fingerprint.digest([], [fit.fingerprint, values])
    checkpoint = Checkpoint(workspace.recipe_search.checkpoint(model, search.seed), mark)
    fitted = training.fit(
        fit.build(),
        splits["train"],
        splits["validation"],
        recipe,
        task=fit.about["task"],
        seed=search.seed,
        name=model,
        checkpoint=checkpoint,
    )
    checkpoint.remove()
    best = fitted.history[fitted.best_epoch - 1]
    return Shown(
        model,
        best["val_loss"],
        best["val_accuracy"],
        fitted.best_epoch,
        round(time.perf_counter() - begun, 1),
    )


def _write(part: Workspace, search: Search, study: Study) -> None:
    rows = recipe_search.table(search, recipe_search.finished(study))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    artifacts.write_text(part.results / "trials.csv", buffer.getvalue())


def _track(workspace: Workspace, search: Search, study: Study) -> None:
    from pipeline.tracking.search import complete

    try:
        complete(workspace, search, study)
    except TrackingError as error:
        progress.say(f"warning: {error}")
