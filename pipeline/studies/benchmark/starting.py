"""How long the command line and a `dvc repro` with nothing to do take."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.studies.benchmark.arithmetic import spread

_TIMES = 7


def measure(root: Path) -> dict[str, Any]:
    """Seconds of `python -m pipeline --help` and of `dvc repro`; None if that has work to do."""
    dvc = ["-m", "dvc"]
    clean = _run(root, [*dvc, "status", "--quiet"]) == 0
    return {
        "help_seconds": _seconds(root, ["-m", "pipeline", "--help"]),
        "repro_seconds": _seconds(root, [*dvc, "repro"]) if clean else None,
    }


def _seconds(root: Path, arguments: Sequence[str]) -> Any:
    seconds = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        _run(root, arguments)
        seconds.append(time.perf_counter() - begun)
    return spread(seconds)


def _run(root: Path, arguments: Sequence[str]) -> int:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, check=False).returncode
