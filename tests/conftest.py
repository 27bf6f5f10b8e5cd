"""What every test shares."""

import gc
import os
import signal
from collections import Counter

import hypothesis
import pytest

from pipeline.core import runtime

# Until all modules are imported: next to nothing of what they make is garbage.
gc.disable()

# Before any test module imports a library: no telemetry from the tests either, and no threads of
# NumPy's own, which would wait for each other where the tests run side by side.
os.environ |= runtime.QUIET | runtime.GPU | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Nearly all tests are about the CPU, so they see no GPU. tests/models/test_gpu.py shows it its own.
os.environ.setdefault("GPU_OF_TESTS", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

# A shell makes what it starts in the background deaf to Ctrl-C, and some tests send that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# These machines are noisy: how long an example takes says nothing. And the tests say the same
# everywhere and each time; `make fuzz` looks for new examples.
hypothesis.settings.register_profile(
    "spotlight", deadline=None, max_examples=50, derandomize="FUZZ" not in os.environ
)
hypothesis.settings.load_profile("spotlight")


def pytest_xdist_auto_num_workers(config):
    """The whole suite runs side by side, a file at a time; named files and tests run right here.

    Each worker takes a core, and 1 GB with TensorFlow in it.
    """
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    return min(4, len(os.sched_getaffinity(0)))


def pytest_collection_modifyitems(config, items):
    """Side by side, the files with the most slow tests begin: none shall be the last to run."""
    if hasattr(config, "workerinput"):
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish():
    """Leave what is imported by now out of every later garbage collection, and collect less often.

    statsmodels collects at each correction of p-values, which is slow where TensorFlow is loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Encoded rows of which the first token decides, and an MLflow that is out of reach."""
    from tests.support.training import encoded_workspace

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    # TensorFlow runs already, and refuses another number of threads
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    return encoded_workspace(tmp_path)
