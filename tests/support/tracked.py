"""MLflow as `track` leaves it: how to fill it, and how to read it."""

from pipeline.core.predictions import TFIDF
from pipeline.tracking.sync import sync_runs
from tests.support import project_results as results
from tests.support.short_names import short_name

from mlflow.models import Model  # isort: skip  (after pipeline.tracking: it keeps MLflow quiet)
from pipeline.tracking import store  # isort: skip

SETTINGS = results.settings(models=("bilstm_attention",))
NAMES = {
    "bilstm_attention",
    "bilstm_attention-1",
    "bilstm_attention-2",
    TFIDF,
    "comparison",
}


def pack(destination, **_):
    """A model folder, without a model."""
    destination.mkdir()
    Model().save(str(destination / "MLmodel"))


def finish(workspace, settings=SETTINGS, pack=pack, **options):
    """Complete MLflow."""
    return sync_runs(workspace, settings, pack=pack, **options)


def connected(workspace):
    """A client of the workspace's store."""
    return store.connect(store.locate(workspace.home))


def runs_of(workspace, dataset="demo"):
    """Short name → run, of those that MLflow shows; of one name the latest, of one identity one."""
    client = connected(workspace)
    experiment = client.get_experiment_by_name(dataset)
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    identities = [run.data.tags["fingerprint"] for run in found]
    assert len(set(identities)) == len(identities), "a run is there twice"
    return {short_name(run): run for run in found}


def study_runs(workspace, study):
    """Name → run, of a study's experiment."""
    client = connected(workspace)
    experiment = client.get_experiment_by_name(f"{study}-study")
    found = client.search_runs([experiment.experiment_id])
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found), "a run is there twice"
    return named


def history(workspace, run, key):
    """Each step of a metric, with its value."""
    metrics = connected(workspace).get_metric_history(run.info.run_id, key)
    return sorted((metric.step, metric.value) for metric in metrics)


def paths(client, run, folder=None):
    """Every artifact of a run."""
    for entry in client.list_artifacts(run.info.run_id, folder):
        if entry.is_dir:
            yield from paths(client, run, entry.path)
        else:
            yield entry.path


def aliases(workspace):
    """Alias → version."""
    model = connected(workspace).get_registered_model("spotlight-demo")
    return {alias: int(version) for alias, version in model.aliases.items()}
