import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT


@pytest.mark.slow
def test_a_gpu_computes_what_the_compiled_functions_do():
    """With its cuDNN: the tests of on_gpu.py, in a process that sees it."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pytest.skip("this machine has no NVIDIA GPU: it lacks the driver, libcuda.so.1")
    tests = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "--noconftest"]
    ended = subprocess.run(
        [*tests, str(Path(__file__).with_name("on_gpu.py"))],
        cwd=PROJECT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": os.environ["GPU_OF_TESTS"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if " passed" not in ended.stdout:
        pytest.skip("TensorFlow sees no GPU here: it needs CUDA, as `tensorflow[and-cuda]` has it")
