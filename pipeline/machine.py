"""The machine that computes: its processor, and the GPUs that TensorFlow uses instead."""

import platform
from functools import cache
from pathlib import Path

DEVICES = Path("/dev")


@cache
def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@cache
def gpus() -> tuple[str, ...]:
    """The names of the GPUs that TensorFlow finds; it is asked only where a driver has made some.

    It finds none if CUDA's libraries are missing, or are not those that it was built for.
    """
    if not any(DEVICES.glob("nvidia[0-9]*")):
        return ()
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = map(tf.config.experimental.get_device_details, found)
    return tuple(one.get("device_name", "unknown") for one in details)


def device() -> str:
    """What trains a network here: a GPU if there is one, otherwise the processor."""
    return next(iter(gpus()), processor())
