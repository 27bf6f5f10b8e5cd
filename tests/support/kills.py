"""Runs of `python -m pipeline repro` that are watched or killed, and what they leave."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import mlflow
import psutil
from ruamel.yaml import YAML

from tests.support.project import tracked_runs, users_environment


def stages_of(project):
    """The stages that the project's last run has begun so far, in order."""
    told = (project / "repro.log").read_text()
    return re.findall("^Running stage '(.+)'", told, re.MULTILINE)


def started(project):
    """A run that is going on, which writes to `repro.log`."""
    with (project / "repro.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", "repro"],
            cwd=project,
            env=users_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def durations(project):
    """Stage → how many seconds it takes, of a run to its end."""
    running, began = started(project), {}
    while running.poll() is None:
        for stage in stages_of(project):
            began.setdefault(stage, time.monotonic())
        time.sleep(0.05)
    assert running.returncode == 0, (project / "repro.log").read_text()
    ends = [*list(began.values())[1:], time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(began.items(), ends, strict=True)}


def share_cache(finished, project, *, but):
    """Give a project what a finished one has in DVC's cache, so that it runs only these stages.

    And those whose outputs persist, which DVC never restores. An output that a kill spoiled makes
    the stages after it run as well.
    """
    yaml = YAML(typ="safe")
    locked = yaml.load(finished / "dvc.lock")["stages"]
    wanted = {locked[stage]["cmd"] for stage in but}
    cache = project / ".dvc" / "cache"
    shutil.copytree(finished / ".dvc" / "cache", cache)
    for run in list((cache / "runs").glob("*/*/*")):
        if yaml.load(run)["cmd"] in wanted:
            shutil.rmtree(run.parent)


def killed(project, stage, after, sent):
    """Start a run, and kill it so many seconds after a stage began; whether it was there yet.

    A terminal sends Ctrl-C to all its processes, a machine's end comes to all, and SIGTERM to one.
    """
    running = started(project)
    try:
        while stage not in stages_of(project) and running.poll() is None:
            time.sleep(0.02)
        running.wait(after)
    except subprocess.TimeoutExpired:
        to_one = sent == signal.SIGTERM
        (running.send_signal if to_one else partial(os.killpg, running.pid))(sent)
        running.wait(300)
        where = f"{sent.name} {after:.1f} s after {stage} began"
        assert not (left := alive(running.pid)), f"{where} left {left}"
        print(where, "" if stages_of(project)[-1] == stage else f"in {stages_of(project)[-1]}")
        return True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 0, (project / "repro.log").read_text()
    return False


def alive(group):
    """The command lines of a group's processes, if some are still there after two minutes.

    Python hears Ctrl-C between two calls, and on a busy machine TensorFlow's first step is long.
    """
    for _ in range(1200):
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(" ".join(process.cmdline()))
        if not left:
            break
        time.sleep(0.1)
    return left


def files(project):
    """Path → bytes of everything that stages write and DVC keeps."""
    folders = (project / "data" / name for name in ("raw", "encoded", "vectors"))
    found = [path for folder in (*folders, project / "results") for path in folder.rglob("*")]
    made = {path for path in (*found, project / "dvc.lock") if path.is_file()}
    return {path.relative_to(project): path.read_bytes() for path in made}


def recorded(project):
    """Name → status, metrics and parameters of each run; the models; the registry's aliases."""
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    runs = tracked_runs(project)
    usage = ("usage/", "epoch/")
    told = {
        name: (
            run.info.status,
            {key: value for key, value in run.data.metrics.items() if not key.startswith(usage)},
            run.data.params,
            sorted(entry.path for entry in client.list_artifacts(run.info.run_id)),
        )
        for name, run in runs.items()
    }
    steps = {
        name: [point.step for point in client.get_metric_history(run.info.run_id, "epoch/val_loss")]
        for name, run in runs.items()
    }
    models = client.search_logged_models([next(iter(runs.values())).info.experiment_id])
    champion = client.get_registered_model("spotlight-demo")
    return told, steps, [(model.name, model.status) for model in models], champion.aliases
