"""The machine: what it is, and how fast it multiplies matrices."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline import machine
from pipeline.core import runtime

_LIBRARIES = ("tensorflow", "keras", "torch", "onnxruntime", "numpy")
_SIDE = 2048  # of the square matrices: too large for the caches of one core


def facts(threads: int) -> dict[str, Any]:
    """Processor, cores, memory, system and the versions of the libraries."""
    return {
        "processor": machine.processor(),
        **({"gpus": machine.gpus()} if machine.gpus() else {}),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


class Multiplier:
    """Measures the matrix limit: a product of two square matrices in float32."""

    def __init__(self, threads: int) -> None:
        runtime.pin_threads(threads)
        rng = np.random.default_rng(0)
        self._one, self._other = (
            tf.constant(rng.standard_normal((_SIDE, _SIDE)), tf.float32) for _ in range(2)
        )

    def gflops(self, times: int = 5) -> float:
        """10⁹ floating point operations per second, the best of several tries."""
        seconds = []
        for _ in range(times):
            begun = time.perf_counter()
            float(tf.matmul(self._one, self._other)[0, 0])
            seconds.append(time.perf_counter() - begun)
        return 2 * _SIDE**3 / min(seconds) / 1e9


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
