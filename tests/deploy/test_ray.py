"""`repro --cluster` on a Ray of two nodes, over PostgreSQL, S3 and MLflow's server.

make test-services
"""

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from tests.support import kills
from tests.support.processes import free_port
from tests.support.project import (
    change,
    commit,
    copy_project,
    dvc,
    pipeline,
    tracked_runs,
    users_environment,
)
from tests.support.services import KEYS, KNOWN, NEEDED, bucket, family, ray_node, shared_services

pytestmark = [
    *NEEDED,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="not installed: ray; `make test-services`"
    ),
]
MODELS = ["bilstm", "bilstm_attention"]
STORE = "store/spotlight/checkpoints"


@pytest.fixture
def project(tmp_path):
    """Two cells that train long enough for a node to be lost meanwhile."""
    root = tmp_path / "project"
    root.mkdir()
    copy_project(root)
    recipe = {"embedding": 8, "units": 6, "epochs": 60, "min_epochs": 60}
    change(root, {"models": MODELS, "threads": 1, "datasets.demo.training": recipe})
    commit(root)
    return root


def test_a_lost_nodes_cell_ends_elsewhere_and_all_bytes_are_the_serial_ones(
    project, tmp_path, monkeypatch
):
    """One of two nodes is killed after its cell's first checkpoint; MLflow has each run once."""
    serial = tmp_path / "serial"
    shutil.copytree(project, serial)
    pipeline(serial, "repro")
    port = free_port()
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-test-alone-" + "0" * 32}
    with shared_services(tmp_path) as (mlflow, _, _), bucket("dvc") as (storage, client):
        dvc(project, "remote", "add", "--local", "-d", "shared", "s3://dvc/store")
        dvc(project, "remote", "modify", "--local", "shared", "endpointurl", storage)
        known = {**KEYS, **KNOWN, **token, "MLFLOW_TRACKING_URI": mlflow}
        head, other = tmp_path / "head", tmp_path / "other"
        head.mkdir()
        other.mkdir()
        with (
            ray_node(head, "--head", f"--port={port}", "--node-ip-address=127.0.0.1", **known),
            ray_node(
                other, f"--address=127.0.0.1:{port}", "--node-ip-address=127.0.0.2", **known
            ) as lost,
            (tmp_path / "repro.log").open("w+") as log,
        ):
            command = [sys.executable, "-m", "pipeline", "repro", "--cluster", f"127.0.0.1:{port}"]
            environment = {**users_environment(), **known}
            with subprocess.Popen(
                command, cwd=project, env=environment, stdout=log, stderr=log
            ) as training:
                while not stored(client, trained_by(lost)):
                    assert training.poll() is None, (tmp_path / "repro.log").read_text()
                    time.sleep(0.1)
                for process in family(lost):
                    process.kill()
            said = (tmp_path / "repro.log").read_text()
            assert training.returncode == 0, said
        assert not stored(client, MODELS[0])
        assert "2 of 2:" in said
        assert "Running stage 'train@" not in said  # by the head
        made, expected = kills.files(project), kills.files(serial)
        locks = [YAML(typ="safe").load(files.pop(Path("dvc.lock"))) for files in (made, expected)]
        assert locks[0] == locks[1]  # in another order
        assert made.keys() == expected.keys()
        assert [path for path in made if made[path] != expected[path]] == []
        for name, value in KNOWN.items():
            monkeypatch.setenv(name, value)
        runs = tracked_runs(project, mlflow)
        assert set(runs) == set(tracked_runs(serial))
        assert {one.info.status for one in runs.values()} == {"FINISHED"}


def trained_by(node):
    """The model that is trained on a node now; None if none is."""
    with contextlib.suppress(psutil.Error):
        for process in family(node):
            words = process.cmdline()
            if "train" in words and "--model" in words:
                return words[words.index("--model") + 1]
    return None


def stored(client, model):
    """Whether the bucket has a checkpoint of that model."""
    if model is None:
        return False
    found = client.list_objects_v2(Bucket="dvc", Prefix=f"{STORE}/{model}-1.npz")
    return found["KeyCount"] > 0
