"""`track`: all results → MLflow, and a marker for DVC."""

import os
from collections.abc import Mapping

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import write_text
from pipeline.errors import TrackingError
from pipeline.serving.model import pack
from pipeline.tracking.sync import sync_runs
from pipeline.workspace import COMPLETE, Workspace

# The marker's hash is in dvc.lock, so it says no more than this, or that it is complete.
_INCOMPLETE = "MLflow was out of reach: python -m pipeline track\n"


def run(workspace: Workspace) -> Mapping[str, str]:
    """Record the workspace's runs in MLflow; returns the addresses of their pages in its UI.

    As a DVC stage it does not fail if MLflow is out of reach: results never depend on it.

    Raises:
        TrackingError: MLflow can't be reached or used, and this is not a DVC stage.
    """
    try:
        summary = sync_runs(workspace, params.load_params(workspace.params), pack=pack)
    except TrackingError as error:
        write_text(workspace.tracked, _INCOMPLETE)
        if "DVC_STAGE" not in os.environ:
            raise
        progress.say(f"warning: {error}")
        return {}
    write_text(workspace.tracked, COMPLETE)
    progress.say(str(summary))
    return summary.pages
