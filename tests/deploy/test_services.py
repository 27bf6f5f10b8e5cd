"""deploy/compose.yaml without containers: the pipeline tracks to it, a stranger does not.

make test-services
"""

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import mlflow
import pyarrow.parquet as pq
import pytest

from pipeline.core.predictions import read_predictions
from tests.support.load import records, send
from tests.support.project import (
    change,
    commit,
    copy_project,
    dvc,
    pipeline,
    tracked_runs,
    users_environment,
)
from tests.support.services import (
    COMPOSE,
    KNOWN,
    NEEDED,
    SECRETS,
    create_database,
    served_model,
    shared_services,
)

pytestmark = NEEDED

MODEL = "bilstm_attention"
ARTIFACTS = "api/2.0/mlflow-artifacts"


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """The address of MLflow, the port of its database, and a client of its storage."""
    with shared_services(tmp_path_factory.mktemp("mlflow")) as found:
        yield found


@pytest.fixture
def project(tmp_path):
    """One model that trains in seconds."""
    root = tmp_path / "project"
    root.mkdir()
    copy_project(root)
    change(root, {"models": [MODEL], "evaluate.resamples": 100})
    return root


def stored(database):
    """(run's id, metric) → value, as PostgreSQL has it; and the status of each run."""
    import psycopg2

    uri = f"postgresql://mlflow:{SECRETS['POSTGRES_PASSWORD']}@127.0.0.1:{database}/mlflow"
    connection = psycopg2.connect(uri)
    with connection.cursor() as cursor:
        cursor.execute("SELECT run_uuid, key, value FROM latest_metrics")
        metrics = {(run, key): value for run, key, value in cursor.fetchall()}
        cursor.execute("SELECT run_uuid, status FROM runs")
        states = dict(cursor.fetchall())
    connection.close()
    return metrics, states


@pytest.mark.parametrize("known", [{}, {**KNOWN, "MLFLOW_TRACKING_PASSWORD": "guessed at random"}])
def test_a_stranger_is_kept_out(services, project, known):
    """From the runs, from the artifacts; and `track` says it in words."""
    address, _, _ = services
    for path in ("", "api/2.0/mlflow/experiments/get?experiment_id=0", f"{ARTIFACTS}/artifacts"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/{path}")
        assert refused.value.code == 401
        refused.value.close()
    done = pipeline(project, "track", check=False, MLFLOW_TRACKING_URI=address, **known)
    assert done.returncode == 5
    assert "401" in done.stderr
    assert "MLFLOW_TRACKING_PASSWORD" in done.stderr


def test_the_pipeline_tracks_to_it(services, project, tmp_path, monkeypatch):
    """All runs end there, with their metrics and models; the champion answers from there."""
    address, database, storage = services
    known = {**KNOWN, "MLFLOW_TRACKING_URI": address}
    pipeline(project, "repro", **known)
    assert not list(project.glob("ml*"))  # neither a database nor artifacts here

    for name, value in KNOWN.items():
        monkeypatch.setenv(name, value)
    runs = tracked_runs(project, address)
    measured = json.loads((project / "results" / "metrics.json").read_text())["models"]
    assert set(runs) == {*measured, f"{MODEL}-1", "comparison"}
    metrics, states = stored(database)
    assert states == {run.info.run_id: "FINISHED" for run in runs.values()}
    for name, splits in measured.items():
        for split in ("validation", "test"):
            for key, value in splits[split].items():
                found = metrics[runs[name].info.run_id, f"{split}/{key}"]
                assert found == pytest.approx(value["mean"], rel=1e-5)

    listed = storage.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
    keys = [entry["Key"] for page in listed for entry in page["Contents"]]
    assert sum(key.endswith("/artifacts/MLmodel") for key in keys) == 1
    assert any(key.endswith("/artifacts/model/model.weights.h5") for key in keys)
    for name in runs.keys() - {MODEL}:  # its mean has no files
        assert any(f"/{runs[name].info.run_id}/artifacts/" in key for key in keys)

    texts = pq.read_table(project / "data" / "raw" / "test.parquet")["text"].to_pylist()
    predicted = read_predictions(project / "results" / "models" / f"{MODEL}-1" / "test.parquet")
    with served_model(tmp_path, {**users_environment(), **known}) as port:
        status, answer = send(port, records([texts[row] for row in predicted.rows[:8]]))
    assert status == 200
    labels = [row["label"] for row in answer["predictions"]]
    assert labels == [("neg", "pos")[column] for column in predicted.outputs[:8].argmax(axis=1)]


SEARCH = """
dataset: demo
models: [bilstm_attention]
seed: 1
trials: 3
space: {dropout: [0.2, 0.5], averaging: [0.0, 0.9]}
begin: {plain: {}, averaged: {averaging: 0.9}}
"""


def test_searches_share_their_trials(services, project, tmp_path, monkeypatch):
    """In PostgreSQL; each trial is run by one of them, here or on Ray, and is in MLflow once."""
    address, database, _ = services
    known = {**KNOWN, "MLFLOW_TRACKING_URI": address}
    for name, value in KNOWN.items():
        monkeypatch.setenv(name, value)
    (project / "studies" / "recipe").mkdir(parents=True)
    (project / "studies" / "recipe" / "params.yaml").write_text(SEARCH)
    commit(project)
    dvc(project, "remote", "add", "--local", "-d", "shared", str(tmp_path / "remote"))
    dvc(project, "repro", "pretrain")
    uri = f"postgresql://mlflow:{SECRETS['POSTGRES_PASSWORD']}@127.0.0.1:{database}/mlflow"
    create_database(uri, "trials")
    uri = uri.removesuffix("mlflow") + "trials"
    with ThreadPoolExecutor() as both:
        asked = ["search", "--storage", uri]
        done = [both.submit(pipeline, project, *asked, **known) for _ in range(2)]
        shown = [each.result().stdout for each in done]
    begun = [re.findall(r"^trial \d of 3", each, re.MULTILINE) for each in shown]
    assert all(begun)
    assert sum(map(len, begun)) == 3
    pipeline(project, *asked, "--trials", "5", "--cluster", "local", **known)
    client = mlflow.MlflowClient(tracking_uri=address)
    found = client.search_runs(
        [client.get_experiment_by_name("demo").experiment_id], "tags.kind = 'trial'"
    )
    assert len(found) == 5
    assert {"plain", "averaged"} < {run.info.run_name for run in found}


def test_the_model_of_the_compose_file_is_a_user_of_its_mlflow():
    """Which it otherwise could not read."""
    environment = COMPOSE["services"]["model"]["environment"]
    assert environment["MLFLOW_TRACKING_USERNAME"] == KNOWN["MLFLOW_TRACKING_USERNAME"]
    assert environment["MLFLOW_TRACKING_PASSWORD"] == "${MLFLOW_PASSWORD}"
