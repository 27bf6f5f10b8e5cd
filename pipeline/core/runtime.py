"""What holds for a whole process: quiet libraries, and how many threads compute."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

# No library of ours reports anything to anybody, and none fills the terminal.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import libraries without their greetings; what the user set in the environment stays.

    TensorFlow writes to the process's standard error before any setting of its own applies,
    so that is kept aside, and shown only if the import fails.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(original, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)


def pin_threads(threads: int) -> None:
    """Compute with `threads` threads: another number gives other last digits.

    Must come before TensorFlow's first computation. The BLAS that `models.recurrence` calls
    gets one: its products are small, and both directions run side by side.
    """
    import scipy.linalg.cython_blas
    import tensorflow as tf
    import threadpoolctl

    assert scipy.linalg.cython_blas  # loaded, so that its library is found
    threadpoolctl.threadpool_limits(1, user_api="blas")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
