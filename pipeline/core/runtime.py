"""Settings of the whole process: quiet libraries, the number of threads, and how a GPU computes."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.abc import MetaPathFinder

# No telemetry, and no logging of the libraries' own on the terminal.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}
# A GPU multiplies in float32, not in TF32 with its 10 bits, in which a prediction would depend on
# what shares its batch. And it gives a process the memory that this needs: several may share it.
GPU = {"NVIDIA_TF32_OVERRIDE": "0", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


class _Lean(MetaPathFinder):
    """Hides what Keras would import, if it is there, for parts of it that are not used here.

    A quarter of the time that Keras and TensorFlow take.
    """

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse them as long as Keras is being imported."""
        keras = sys.modules.get("keras")
        if name in {"sklearn", "matplotlib"} and keras and not hasattr(keras, "Model"):
            raise ModuleNotFoundError(name, name=name)


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import libraries quickly and without their messages; the user's environment takes precedence.

    TensorFlow writes to the process's standard error before any of its settings apply, so that
    is captured, and shown only if the import fails.
    """
    for name, value in (QUIET | GPU).items():
        os.environ.setdefault(name, value)
    lean = _Lean()
    sys.meta_path.insert(0, lean)
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(original, captured.read())
            raise
        finally:
            sys.meta_path.remove(lean)
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)


def pin_threads(threads: int) -> None:
    """Compute with `threads` threads; another number changes the last digits of results.

    Call this before TensorFlow's first computation. The BLAS that `models.recurrence` calls gets
    one thread: its products are small, and both directions run in parallel. A GPU adds in a fixed
    order, so that it gives the same bytes each time, as a CPU does without being told.
    """
    import scipy.linalg.cython_blas
    import tensorflow as tf
    import threadpoolctl

    assert scipy.linalg.cython_blas  # loaded, so that threadpoolctl finds its library
    threadpoolctl.threadpool_limits(1, user_api="blas")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
