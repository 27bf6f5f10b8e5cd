"""The machine that a run's record names."""

import pytest
import tensorflow as tf

from pipeline import machine
from pipeline.tracking import provenance


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A folder in place of /dev, and two GPUs that TensorFlow would find."""
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        {"GPU:0": {"device_name": "H"}, "GPU:1": {}}.get,
    )
    for function in (machine.gpus, provenance.environment):
        function.cache_clear()
    yield tmp_path
    for function in (machine.gpus, provenance.environment):
        function.cache_clear()


def test_without_a_driver_the_processor_computes(devices):
    """TensorFlow isn't even asked."""
    assert machine.gpus() == ()
    assert machine.device() == machine.processor()
    assert provenance.environment()["gpus"] == "none"


def test_with_one_the_gpus_do(devices):
    """A GPU whose name isn't known counts, too."""
    (devices / "nvidia0").touch()
    assert machine.gpus() == ("H", "unknown")
    assert machine.device() == "H"
    assert provenance.environment()["gpus"] == "H, unknown"
    assert provenance.environment()["processor"] == machine.processor()
