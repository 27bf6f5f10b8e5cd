"""The search's trials → MLflow: child runs of one run, in the dataset's experiment."""

from datetime import datetime

from optuna import Study

from pipeline.studies.recipe.search import Search, finished, name_of, value
from pipeline.tracking import records, store
from pipeline.tracking.provenance import data_version, origin
from pipeline.tracking.records import Record
from pipeline.tracking.runs import Experiment
from pipeline.tracking.sync import hold
from pipeline.workspace import Workspace


def track_search(workspace: Workspace, part: Workspace, search: Search, study: Study) -> None:
    """Record every finished trial in MLflow, once.

    Raises:
        TrackingError: MLflow can't be reached or used; the next call completes it.
    """
    place = store.locate(workspace.home)
    client = store.connect(place)
    data = data_version(workspace)
    with store.readable_errors(place), store.alone(workspace.home):
        experiment = Experiment(client, store.experiment(client, place, data.name), data)
        hold(experiment, _records(workspace, part, search, study), pack=None)


def _records(workspace: Workspace, part: Workspace, search: Search, study: Study) -> list[Record]:
    """The run of the search, then its trials."""
    trials = finished(study)
    tags = origin(workspace.root, stage="search")
    best = min(trials, key=value)
    parent = Record(
        name=f"{part.base.name} search",
        kind="search",
        fingerprint=records.hashed("search", study.study_name),
        params={"models": ", ".join(search.models), "seed": str(search.seed)},
        tags={"kind": "search", **tags},
        metrics={"validation/loss": value(best)},
        note=f"Best so far: {name_of(best)}, by the models' mean validation loss. The test split "
        "is never read.",
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
    assert moment is not None, "a finished trial has a start and an end"
    return int(1000 * moment.timestamp())
