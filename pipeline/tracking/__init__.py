"""MLflow: where the runs are, how they get there, and which model is the champion.

Tracking never decides a result. `live` writes epochs while a model trains and gives up
quietly when MLflow does not answer; `complete` makes MLflow hold the workspace's runs, once
each, from the files that the stages wrote. Only this package and `serving` import mlflow.

    store       which store, made once, and mended after the project was moved
    provenance  what a run came from: commit, DVC stage, data version, libraries
    records     the stages' files → what each run should hold (no MLflow)
    live        epochs, while they happen
    complete    records → MLflow: only what is missing
    registry    the champion, behind a gate
"""

import os

# MLflow reads these when it is first imported, or at every request. A reader's own setting wins.
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
