"""Trainings one after the other, two at a time, and on a Ray cluster of this machine.

Each way gets a copy of the committed project, encoded, and must leave the same bytes.
"""

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.cells import repro_cells
from pipeline.cluster import repro_on_cluster
from pipeline.core.files import temporary_folder
from pipeline.core.schema import read_yaml
from pipeline.repository import dvc_repro, init_dvc
from pipeline.studies.benchmark.settings import Options
from pipeline.workspace import Workspace

BEFORE = ["check", "pretrain"]
# The demo's two models and two seeds: four trainings, with a thread for each.
MODELS, SEEDS = ["bilstm", "bilstm_attention"], [1, 2]
CHANGES = {"dataset": "demo", "models": MODELS, "seeds": SEEDS, "threads": 1}


def measure(
    workspace: Workspace, options: Options, say: Callable[[str], object]
) -> dict[str, Any] | None:
    """Train the same cells in each way, in turn.

    Args:
        workspace: whose commit is measured; copies are made in its scratch folder.
        options: how often.
        say: prints progress.

    Returns:
        By way, the seconds of each repeat and whether dvc.lock names the same outputs as the first
        way's; None without Ray.
    """
    if importlib.util.find_spec("ray") is None:
        say("  left out: Ray is not installed; sh locks/layer.sh cluster")
        return None
    with temporary_folder(workspace.scratch / "cells") as folder:
        prepared = folder / "prepared"
        _prepare(workspace.root, prepared)
        at_once: dict[str, Any] = {"before": BEFORE, "threads": CHANGES["threads"]}
        ways: dict[str, Callable[[Path], None]] = {
            "serial": _serial,
            "jobs": partial(_jobs, **at_once),
            "ray": partial(_ray, **at_once),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        locks = []
        for repeat in range(1, options.repeats + 1):
            for way, train in ways.items():
                copy = folder / f"{way}-{repeat}"
                shutil.copytree(prepared, copy, symlinks=True)
                begun = time.perf_counter()
                train(copy)
                seconds[way].append(time.perf_counter() - begun)
                locks.append(_outputs(copy))
                say(f"  repeat {repeat}/{options.repeats}  {way:<8} {seconds[way][-1]:6.0f} s")
        return {
            "cells": len(locks[0]),
            "seconds": seconds,
            "same_bytes": all(lock == locks[0] for lock in locks),
        }


def _prepare(root: Path, prepared: Path) -> None:
    """A clone with two trainings for each of two seeds ahead, and a remote beside it."""
    subprocess.run(["git", "clone", "--quiet", root, prepared], check=True)
    document: Any = read_yaml(prepared / "params.yaml")
    with (prepared / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(document | CHANGES, file)
    init_dvc(prepared)
    dvc_repro(prepared, *BEFORE)


def _serial(folder: Path) -> None:
    dvc_repro(folder, "train")


def _jobs(folder: Path, *, before: list[str], threads: int) -> None:
    logs = Workspace(folder).scratch / "jobs"
    repro_cells(folder, "train", jobs=2, before=before, threads=threads, logs=logs)


def _ray(folder: Path, *, before: list[str], threads: int) -> None:
    remote = folder.with_name(f"{folder.name}-remote")
    add = ["remote", "add", "--local", "--force", "-d", "shared", str(remote)]
    subprocess.run([sys.executable, "-m", "dvc", "--quiet", *add], cwd=folder, check=True)
    repro_on_cluster(folder, "train", address="local", before=before, threads=threads)
    dvc_repro(folder, "--pull", "train")


def _outputs(folder: Path) -> dict[str, Any]:
    """Cell → what it wrote, with its hash; the lock has those of other models and seeds, too."""
    lock: Any = read_yaml(folder / "dvc.lock")
    return {
        name: lock["stages"][name]["outs"]
        for name in (f"train@{model}-{seed}" for model in MODELS for seed in SEEDS)
    }
