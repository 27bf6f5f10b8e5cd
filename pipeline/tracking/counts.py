"""How many runs MLflow has of each data version."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import mlflow

from pipeline.errors import TrackingError
from pipeline.tracking import store


def runs_by_data(home: Path) -> Mapping[str, int] | None:
    """Digest of the data → runs made from it; None where MLflow can't be asked.

    A store of the project's own that is not there yet is not made for the question.
    """
    place = store.locate(home)
    if place.database is not None and not place.database.exists():
        return {}
    try:
        client = store.connect(place)
        with store.readable_errors(place):
            return Counter(_digests(client))
    except TrackingError:
        return None


def _digests(client: mlflow.MlflowClient) -> Iterator[str]:
    """The digest of every run's data."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    token = None
    while experiments:
        page = client.search_runs(experiments, page_token=token)
        for run in page:
            if run.inputs is not None:
                yield from (given.dataset.digest for given in run.inputs.dataset_inputs)
        token = page.token
        if not token:
            return
