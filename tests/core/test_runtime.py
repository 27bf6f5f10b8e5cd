import os
import subprocess
import sys

import pytest
import tensorflow as tf

from pipeline.core import runtime


def test_greetings_of_libraries_are_kept_aside_and_shown_if_the_import_fails(capfd):
    """What a library writes to the process's own standard error, below Python."""
    with runtime.quiet_imports():
        os.write(2, b"a greeting\n")
    assert "greeting" not in capfd.readouterr().err

    def fail():
        with runtime.quiet_imports():
            os.write(2, b"the reason\n")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert "the reason" in capfd.readouterr().err
    os.write(2, b"later\n")
    assert "later" in capfd.readouterr().err


def test_what_the_user_set_stays(monkeypatch):
    """Quiet by default, not by force."""
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    with runtime.quiet_imports():
        pass
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "0"


def test_a_gpu_gets_settings_of_its_own(monkeypatch):
    """Unless the user's environment has others."""
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    with runtime.quiet_imports():
        pass
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "1"
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.parametrize("gpus", [[], ["the only one"]])
def test_a_gpu_adds_in_a_fixed_order(gpus, monkeypatch):
    """TensorFlow is told so where there is one; the compiled functions need no such order."""
    told = []
    for name in ("intra", "inter"):
        setter = f"set_{name}_op_parallelism_threads"
        monkeypatch.setattr(tf.config.threading, setter, lambda _: None)
    monkeypatch.setattr(tf.config, "list_physical_devices", {"GPU": gpus}.get)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: told.append(1))
    runtime.pin_threads(2)
    assert len(told) == len(gpus)


def test_threads_are_pinned():
    """TensorFlow computes with as many as the parameter says."""
    code = (
        "import gc; gc.disable()\n"
        "from pipeline.core import runtime\n"
        "with runtime.quiet_imports(): import tensorflow as tf\n"
        "runtime.pin_threads(1)\n"
        "print(tf.config.threading.get_intra_op_parallelism_threads(), "
        "tf.config.threading.get_inter_op_parallelism_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
