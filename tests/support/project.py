"""A copy of the project with sizes that train in seconds, and how a user runs it."""

import contextlib
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import MappingProxyType

import mlflow
from ruamel.yaml import YAML

from pipeline.__main__ import main
from pipeline.workspace import Workspace
from tests.support.dvc_command import run_dvc
from tests.support.paths import PARAMS, PROJECT
from tests.support.short_names import short_name

PARTS = (".dvcignore", ".gitignore", "dvc.yaml", "pipeline", "locks", "data/own")


def study_workspace(root, name, study, changes=MappingProxyType({})):
    """A workspace that has only parameters, changed, and those of a study, such as "parts"."""
    shutil.copy(PARAMS, root / "params.yaml")
    change(root, changes)
    shutil.copytree(PROJECT / "locks", root / "locks")
    made = Workspace(root)
    part = Workspace(root, f"studies/{name}")
    part.base.mkdir(parents=True)
    part.params.write_text(study)
    return made


def copy_project(target):
    """The project's tracked files, with sizes that train in seconds.

    And the demo as the only dataset: DVC reads the parameters anew for each stage.
    """
    for part in PARTS:
        source = PROJECT / part
        copy = target / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            copy_compiled(source, copy)
        else:
            shutil.copy(source, copy)
    shutil.copy(PARAMS, target / "params.yaml")
    shutil.copytree(PROJECT / ".dvc", target / ".dvc", ignore=lambda *_: {"cache", "tmp"})
    change(
        target,
        {
            "datasets": {"demo": _document(PARAMS)["datasets"]["demo"]},
            "seeds": [1],
            "datasets.demo.source.train": 240,
            "datasets.demo.source.test": 100,
            "datasets.demo.encode.vocabulary": 400,
            "datasets.demo.training": {"embedding": 8, "units": 6, "epochs": 2, "min_epochs": 1},
            "evaluate.resamples": 200,
            "explain.samples": 3,
            "explain.faithfulness_rows": 30,
            "explain.candidate_rows": 6,
            "explain.integration_steps": 4,
            "explain.lime_samples": 20,
            "explain.guided_rows": 60,
            "registry.minimum_validation_accuracy": 0.1,
            "registry.require_baseline": False,
        },
    )


def copy_compiled(source, target):
    """Copy a folder of code, or over the same code, with what Python and numba compiled of it.

    They keep that beside a module, valid for the module's size and time of change, which the copy
    has too.
    """
    shutil.copytree(source, target, dirs_exist_ok=True)


def change(project, values):
    """Edit params.yaml as a user would: dotted keys → values."""
    path = project / "params.yaml"
    document = _document(path)
    for key, value in values.items():
        *parents, last = key.split(".")
        section = document
        for parent in parents:
            section = section[parent]
        assert last in section
        section[last] = value
    with path.open("w") as file:
        YAML().dump(document, file)


def _document(path):
    return deepcopy(_parsed(path.read_text()))


@cache
def _parsed(text):
    return YAML().load(text)


def users_environment():
    """The variables that a user has, with our Python first and none of the tests' own."""
    cleared = {"MLFLOW_TRACKING_URI", "DVC_ROOT", "MAKEFLAGS", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in cleared}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def run(project, *command, check=True, **environment):
    """Run a command as a user would, in the project, with our environment active."""
    done = subprocess.run(
        command,
        cwd=project,
        env={**users_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended(done, check)


def ended(done, check):
    """A command that ended without a traceback, and well if that is to be checked."""
    assert not check or done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


def pipeline(project, *arguments, **options):
    """Run `python -m pipeline …`."""
    return run(project, sys.executable, "-m", "pipeline", *arguments, **options)


def here(project, *arguments):
    """Run `pipeline …` in this process, which has the libraries; returns the exit code."""
    with contextlib.chdir(project):
        return main(arguments)


def dvc(project, *arguments, check=True, **environment):
    """Run `dvc …`."""
    environment = {**users_environment(), **environment}
    return ended(run_dvc(project, *arguments, environment=environment), check)


def commit(project):
    """Put the project into a repository of its own, with one commit."""
    run(project, "git", "init", "-q")
    run(project, "git", "add", "-A")
    run(
        project, "git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "-m", "begin"
    )


def tracked_runs(project, uri=None):
    """name → run of everything in the project's MLflow, or in the one with that address."""
    client = mlflow.MlflowClient(tracking_uri=uri or f"sqlite:///{project / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "demo"]
    runs = client.search_runs([experiment.experiment_id])
    names = [short_name(run) for run in runs]
    assert len(names) == len(set(names)), f"a run twice: {names}"
    return dict(zip(names, runs, strict=True))
