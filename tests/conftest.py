"""What every test shares."""

import gc
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from pipeline.core import runtime
from tests.support import mlflow_tables

# Until all modules are imported: next to nothing of what they make is garbage.
gc.disable()

# Before any test module imports a library: no telemetry from the tests either, and no threads of
# NumPy's own, which would wait for each other where the tests run side by side.
os.environ |= runtime.QUIET | runtime.GPU | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Each process that the tests start would compile the project anew, and each worker all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

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


# What takes more than eight seconds of a core, the longest first. Before them, a file that compiles
# what numba is to compile, and one without any: the pipeline's copies take it along.
LONGEST = (
    "models/test_lstm.py",
    "deploy/test_cell.py",
    "test_pipeline.py",
    "commands/test_own_data.py",
    "studies/test_benchmark.py",
    "training/test_workers.py",
    "training/test_unlabeled_rows.py",
    "training/test_loop.py",
    "stages/test_pretrain.py",
    "serving/test_model.py",
    "studies/test_length_pipeline.py",
    "tracking/test_at_once.py",
    "test_repository.py",
    "studies/test_recipe_trials.py",
    "studies/test_attention_study.py",
    "data/test_versions.py",
    "explanation/test_controls.py",
    "serving/test_http.py",
    "commands/test_main.py",
    "evaluation/test_plots.py",
    "models/test_attention.py",
    "tracking/test_live.py",
    "training/test_inference.py",
)


def pytest_xdist_auto_num_workers(config):
    """The whole suite runs side by side, a file at a time; named files and tests run right here.

    More workers than cores slow each other down by more than what they win while one waits. With
    TensorFlow's graphs in it, a worker grows to some 4 GB.
    """
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(4, len(os.sched_getaffinity(0)), memory // 2**32))


def pytest_collection_modifyitems(config, items):
    """Side by side, the files that take longest begin: none shall be the last to run."""
    if hasattr(config, "workerinput"):
        place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


def pytest_collection_finish():
    """Once all is imported, spare what takes long and shows nothing.

    - Garbage is collected less often, and never among what is imported by now. statsmodels
      collects at each correction of p-values, which is slow where TensorFlow is loaded.
    - TensorFlow doesn't optimize graphs, most of which run a few times: a tenth of its time here.
      The processes that tests start do, as all commands.
    - MLflow makes its tables in all its migrations once; later databases begin as a copy.
    """
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if "mlflow" in sys.modules:
        mlflow_tables.make_once()
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 20)
    gc.enable()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Encoded rows of which the first token decides, and an MLflow that is out of reach."""
    from tests.support.training import encoded_workspace

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    # TensorFlow runs already, and refuses another number of threads
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    return encoded_workspace(tmp_path)
