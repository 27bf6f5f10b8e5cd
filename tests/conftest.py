"""What every test shares."""

import gc
import os

import hypothesis
import pytest

from pipeline.core import runtime

# Before any test module imports a library: no telemetry from the tests either.
os.environ |= runtime.QUIET

# These machines are noisy: how long an example takes says nothing.
hypothesis.settings.register_profile("spotlight", deadline=None, max_examples=50)
hypothesis.settings.load_profile("spotlight")


def pytest_collection_finish():
    """Leave what is imported by now out of every later garbage collection.

    statsmodels collects at each correction of p-values, which is slow where TensorFlow is loaded.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Encoded rows of which the first token decides, and an MLflow that is out of reach."""
    from tests.support.training import encoded_workspace

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    # TensorFlow runs already, and refuses another number of threads
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    return encoded_workspace(tmp_path)
