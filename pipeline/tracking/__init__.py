"""MLflow: where the runs are, how they get there, and which model is the champion.

Tracking never decides a result. `live` logs epochs while a model trains, and stops with one line
if MLflow does not answer; `sync` records every run of the workspace from the stages' files. Only
this package and `serving` import mlflow.

    store       which store; creates it, and corrects its paths after the project was moved
    provenance  where a run comes from: commit, DVC stage, data version, libraries
    records     the stages' files → what each run should hold (no MLflow)
    live        epochs, while a model trains
    runs        one record → its run in MLflow: only what is missing
    sync        all records → MLflow
    registry    the champion, behind a gate
    model_card  the description of a registered model
"""

import os

# MLflow reads these at its first import, or at every request. The user's own settings win.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds, per attempt
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)

from pipeline.tracking.live import EpochLogger  # noqa: E402  (what it sets must come first)

__all__ = ["EpochLogger"]
