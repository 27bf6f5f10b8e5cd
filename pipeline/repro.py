"""`make repro`: DVC runs the stages, MLflow is completed, and the terminal shows the answer."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import artifacts, params, progress
from pipeline.artifacts import Workspace
from pipeline.data import files
from pipeline.errors import SpotlightError, TrackingError
from pipeline.evaluation.reproduction import Gap, gaps


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
        baselines = artifacts.read_references(workspace)
        progress.say("\n" + _agreement(gaps(before, metrics, baselines=baselines)))
        progress.say(_what_changed(workspace))
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


def _agreement(found: Sequence[Gap]) -> str:
    """Whether this run's metrics are the committed ones, by what other seeds would have given."""
    if not found:
        return "None of these models can be compared with the committed metrics."
    beyond = [gap for gap in found if not gap.within]
    if beyond:
        listed = "\n".join(f"  {_gap(gap)}" for gap in beyond)
        return (
            "Beyond the tolerance of the committed metrics, so code, data or parameters differ "
            f"(other seeds or another processor give less):\n{listed}"
        )
    if found[0].size == 0:
        return "The metrics on test are the committed ones."
    return (
        "The metrics on test agree with the committed ones: another processor or other seeds "
        f"give as much. Furthest apart: {_gap(found[0])}."
    )


def _gap(gap: Gap) -> str:
    return f"{gap.model}, {gap.metric}: {gap.size:.2g} of {gap.tolerance:.2g}"


_OUTPUTS = ("dvc.lock", "results/metrics.json")


def _what_changed(workspace: Workspace) -> str:
    """What to do with results that are not the committed ones; empty if they are."""
    shown = subprocess.run(
        ["git", "status", "--porcelain", "--", *_OUTPUTS],
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    changed = " and ".join(line[3:] for line in shown.stdout.splitlines())
    if shown.returncode or not changed:
        return ""
    return (
        f"{changed} now describe this run. To keep it: git commit -m 'Results' "
        f"{' '.join(_OUTPUTS)}. To go back: git restore {' '.join(_OUTPUTS)}."
    )
