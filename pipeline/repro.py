"""`make repro`: DVC runs the stages, MLflow is completed, and the terminal shows the answer."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import artifacts, params, progress
from pipeline.artifacts import Workspace
from pipeline.data import files
from pipeline.errors import SpotlightError, TrackingError

# Between two processors the last digits differ, and training makes more of that.
TOLERANCE = 0.02


class PipelineError(SpotlightError):
    """DVC could not run the pipeline to its end; the stage has said why."""


def run(workspace: Workspace, dvc: list[str]) -> None:
    """Run the pipeline on `params.yaml` as it stands, and show what came out.

    Args:
        workspace: the project's files.
        dvc: arguments passed on to `dvc repro`.

    Raises:
        PipelineError: a stage failed.
    """
    settings = params.load(workspace.params)
    progress.say(
        f"dataset '{settings.dataset}': {', '.join(settings.models)} × seeds "
        f"{', '.join(map(str, settings.seeds))} (params.yaml)\n"
    )
    before = _committed(workspace)
    prepare(workspace)
    if changed := changed_source(workspace, settings):
        progress.say(f"changed since it was read: {', '.join(changed)}\n")
        dvc_repro("--force", "--single-item", "download")
    dvc_repro(*dvc)
    _track(workspace)
    metrics = artifacts.read_json(workspace.metrics)
    progress.say("\n" + "\n".join(_table(metrics)))
    progress.say("\n" + artifacts.read_json(workspace.comparison)["headline"])
    if before is not None and before["dataset"] == metrics["dataset"]:
        progress.say(_difference(before, metrics))
    progress.say(
        "\nnext: make report (the whole answer, one page) · make ui (every run, in MLflow)"
    )


def prepare(workspace: Workspace) -> None:
    """Let DVC work in an unpacked archive too: there it must be told that git is absent."""
    inside = subprocess.run(
        ["git", "rev-parse", "--is-inside-work-tree"],
        cwd=workspace.root,
        capture_output=True,
        check=False,
    )
    if inside.returncode:
        dvc = [sys.executable, "-m", "dvc"]
        if not (workspace.root / ".dvc").is_dir():
            subprocess.run([*dvc, "init", "--no-scm", "--quiet"], check=True)
        subprocess.run([*dvc, "config", "--local", "core.no_scm", "true"], check=True)


def changed_source(workspace: Workspace, settings: params.Params) -> list[str]:
    """The selected dataset's files that are no longer what its card recorded.

    DVC watches the files under `data/own`; these are the others, whose paths it can't know.
    """
    own = (workspace.root / "data" / "own").resolve()
    path = workspace.raw / "card.json"
    if not path.exists():
        return []
    card = artifacts.read_json(path)
    source = card["source"]
    if (
        card["dataset"] != settings.dataset
        or "path" not in source
        or (workspace.home / Path(source["path"]).expanduser()).resolve().is_relative_to(own)
    ):
        return []
    return files.changed(source, home=workspace.home)


def dvc_repro(*arguments: str) -> None:
    """Call `dvc repro`.

    Raises:
        PipelineError: a stage failed.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "repro", *arguments], check=False)
    if done.returncode:
        raise PipelineError(
            f"dvc repro ended with exit code {done.returncode}; the stage's own words are above.",
            fix="mend what they name, and run it again: what is finished is not done twice.",
        )


def _track(workspace: Workspace) -> None:
    """Complete MLflow where the DVC stage had nothing to do, or could not."""
    from pipeline.stages import track

    try:
        track.run(workspace)
    except TrackingError as error:
        progress.say(f"warning: {error}")


def _committed(workspace: Workspace) -> Mapping[str, Any] | None:
    """The metrics of the commit that is checked out; None without git or metrics."""
    shown = subprocess.run(
        ["git", "show", "HEAD:./results/metrics.json"],
        cwd=workspace.root,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if shown.returncode:
        return None
    committed: Mapping[str, Any] = json.loads(shown.stdout)
    return committed


def _table(metrics: Mapping[str, Any]) -> Iterator[str]:
    """The comparison on test, a line for each model."""
    models = metrics["models"]
    names = list(next(iter(models.values()))["test"])
    width = max(map(len, models)) + 2
    yield "test".ljust(width) + "seeds " + "".join(name.rjust(18) for name in names)
    for model, about in models.items():
        cells = "".join(_cell(about["test"][name]).rjust(18) for name in names)
        yield model.ljust(width) + str(about["seeds"]).rjust(5) + " " + cells


def _cell(value: Mapping[str, float | None]) -> str:
    """Mean and spread; small ones, such as a solved regression's errors, to two digits."""
    mean = value["mean"]
    if mean is None:
        return "–"
    form = ".4f" if mean == 0 or abs(mean) >= 0.001 else ".1e"
    return format(mean, form) + ("" if value["sd"] is None else f" ± {format(value['sd'], form)}")


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How far the means on test are from the committed ones."""
    gaps = {
        (model, name): abs(value["mean"] - before["models"][model]["test"][name]["mean"])
        for model, about in now["models"].items()
        if model in before["models"]
        for name, value in about["test"].items()
        if value["mean"] is not None
    }
    if not gaps:
        return "no model stands in the committed metrics too."
    (model, name), gap = max(gaps.items(), key=lambda item: item[1])
    verdict = "within" if gap <= TOLERANCE else "BEYOND"
    return (
        f"largest difference from the committed metrics: {gap:.6f} ({model}, {name}), {verdict} "
        f"the tolerance of {TOLERANCE:g} that another processor may make."
    )
