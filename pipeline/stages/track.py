"""`track`: everything → MLflow, and a marker for DVC."""

import os
from collections.abc import Mapping

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import write_text
from pipeline.errors import TrackingError
from pipeline.serving.model import pack
from pipeline.tracking.sync import sync_runs
from pipeline.workspace import Workspace

# The marker's bytes are in dvc.lock, so they tell no more than this.
_COMPLETE, _INCOMPLETE = "complete\n", "MLflow was out of reach: python -m pipeline track\n"


def run(workspace: Workspace) -> Mapping[str, str]:
    """Make MLflow hold the workspace's runs; returns the UI's pages of them.

    As a DVC stage it does not fail when MLflow is out of reach: results never depend on it.

    Raises:
        TrackingError: MLflow can't be reached or used, and this is no DVC stage.
    """
    try:
        summary = sync_runs(workspace, params.load_params(workspace.params), pack=pack)
    except TrackingError as error:
        write_text(workspace.tracked, _INCOMPLETE)
        if "DVC_STAGE" not in os.environ:
            raise
        progress.say(f"warning: {error}")
        return {}
    write_text(workspace.tracked, _COMPLETE)
    progress.say(str(summary))
    return summary.pages
