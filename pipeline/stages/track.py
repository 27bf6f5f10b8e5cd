"""`track`: everything → MLflow, and a marker for DVC."""

import os
import subprocess
import sys

from pipeline import artifacts, params, progress, serving
from pipeline.artifacts import Workspace
from pipeline.errors import TrackingError
from pipeline.tracking import store
from pipeline.tracking.complete import complete

# The marker's bytes are in dvc.lock, so they tell no more than this.
_COMPLETE, _INCOMPLETE = "complete\n", "MLflow was out of reach: python -m pipeline track\n"


def run(workspace: Workspace) -> None:
    """Make MLflow hold the workspace's runs.

    As a DVC stage it does not fail when MLflow is out of reach: results never depend on it.

    Raises:
        TrackingError: MLflow can't be reached or used, and this is no DVC stage.
    """
    try:
        summary = complete(workspace, params.load(workspace.params), pack=serving.pack)
    except TrackingError as error:
        artifacts.write_text(workspace.tracked, _INCOMPLETE)
        if "DVC_STAGE" not in os.environ:
            raise
        progress.say(f"warning: {error}")
    else:
        artifacts.write_text(workspace.tracked, _COMPLETE)
        progress.say(str(summary))


def serve(workspace: Workspace, port: int) -> None:
    """Complete MLflow and serve its UI on loopback until it is stopped."""
    run(workspace)
    place = store.locate(workspace.home)
    progress.say(f"\nMLflow's UI: http://127.0.0.1:{port}  (stop it with Ctrl-C)")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    # One worker and no job runner: up in a third of the time, for one reader on one machine.
    subprocess.run(
        [*command, "--backend-store-uri", place.uri, "--workers", "1"],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        check=False,
    )
