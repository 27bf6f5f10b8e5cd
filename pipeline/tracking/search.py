"""The search's trials → MLflow: children of one run, in the dataset's experiment."""

from datetime import datetime

from optuna import Study

from pipeline.artifacts import Workspace
from pipeline.recipe_search import Search, finished, name_of, value
from pipeline.tracking import records, store
from pipeline.tracking.complete import hold
from pipeline.tracking.provenance import data_version, origin
from pipeline.tracking.records import Record
from pipeline.tracking.runs import Experiment


def complete(workspace: Workspace, search: Search, study: Study) -> None:
    """Make MLflow hold every finished trial, once.

    Raises:
        TrackingError: MLflow can't be reached or used; the next call goes on from there.
    """
    place = store.locate(workspace.home)
    client = store.connect(place)
    data = data_version(workspace)
    with store.readable_errors(place):
        experiment = Experiment(client, store.experiment(client, place, data.name), data)
        hold(experiment, _records(workspace, search, study), pack=None)


def _records(workspace: Workspace, search: Search, study: Study) -> list[Record]:
    """The search, and below it each trial."""
    trials = finished(study)
    tags = origin(workspace.root, stage="search")
    best = min(trials, key=value)
    parent = Record(
        name="recipe search",
        kind="search",
        fingerprint=records.hashed("search", study.study_name),
        params={"models": ", ".join(search.models), "seed": str(search.seed)},
        tags={"kind": "search", **tags},
        metrics={"validation/loss": value(best)},
        note=f"Best so far: {name_of(best)}. Judged by the models' mean validation loss; the "
        "test split is never read.",
        started=_milliseconds(trials[0].datetime_start),
        ended=_milliseconds(trials[-1].datetime_complete),
    )
    return [
        parent,
        *(
            Record(
                name=name_of(trial),
                kind="trial",
                fingerprint=records.hashed("trial", study.study_name, str(trial.number)),
                params={key: str(value) for key, value in trial.params.items()},
                tags={"kind": "trial", **tags},
                metrics={
                    "validation/loss": value(trial),
                    **{
                        f"validation/{key}": float(shown)
                        for key, shown in trial.user_attrs.items()
                        if key != "name"
                    },
                },
                parent=parent.fingerprint,
                started=_milliseconds(trial.datetime_start),
                ended=_milliseconds(trial.datetime_complete),
            )
            for trial in trials
        ),
    ]


def _milliseconds(moment: datetime | None) -> int:
    assert moment is not None, "a finished trial has begun and ended"
    return int(1000 * moment.timestamp())
