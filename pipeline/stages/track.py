"""`track`: everything → MLflow, and a marker for DVC."""

import os
import subprocess
import sys
from collections.abc import Mapping

from pipeline import artifacts, params, progress, serving
from pipeline.artifacts import Workspace
from pipeline.errors import TrackingError
from pipeline.tracking import store
from pipeline.tracking.complete import complete

# The marker's bytes are in dvc.lock, so they tell no more than this.
_COMPLETE, _INCOMPLETE = "complete\n", "MLflow was out of reach: python -m pipeline track\n"


def run(workspace: Workspace) -> Mapping[str, str]:
    """Make MLflow hold the workspace's runs; returns the UI's pages of them.

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
        return {}
    artifacts.write_text(workspace.tracked, _COMPLETE)
    progress.say(str(summary))
    return summary.pages


def serve(workspace: Workspace, port: int) -> None:
    """Complete MLflow and serve its UI on loopback until it is stopped."""
    pages = run(workspace) or {"runs": ""}
    place = store.locate(workspace.home)
    served = place.uri.startswith(("http://", "https://"))
    address = str(place) if served else f"http://127.0.0.1:{port}"
    shown = "\n".join(f"  {name:<7} {address}/{page}" for name, page in pages.items())
    progress.say(f"\nMLflow's UI{'' if served else ', until Ctrl-C'}:\n{shown}")
    if served:
        return
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    # One worker and no job runner: up in a third of the time, for one reader on one machine.
    subprocess.run(
        [*command, "--backend-store-uri", place.uri, "--workers", "1"],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        check=False,
    )
