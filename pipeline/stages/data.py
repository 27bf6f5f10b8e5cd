"""`python -m pipeline data`: the data versions, what changed between two, and data of your own."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import artifacts, params, progress
from pipeline.artifacts import Predictions, Workspace
from pipeline.data import files, look, versions
from pipeline.errors import ArtifactError, DataError, ParamsError
from pipeline.evaluation import across
from pipeline.evaluation.significance import Bootstrap

Fits = Mapping[str, Sequence[Predictions]]


def show(workspace: Workspace) -> None:
    """List the data versions that this repository has seen, and the runs made from each."""
    from pipeline.tracking import counts

    seen = versions.seen(workspace.root)
    if not seen:
        progress.say("No data version yet: `make repro` makes the first.")
        return
    progress.say(versions.render(seen, counts.runs_by_data(workspace.home)))
    for version in seen:
        if version.current and version.card is not None:
            _say_what_is_unread(workspace, version.card)


def diff(workspace: Workspace, old: str, new: str | None) -> None:
    """Tell what changed between two versions, and how each model's score on test moved."""
    before, after = (versions.side(workspace.root, revision) for revision in (old, new))
    changes = versions.compare(before, after)
    progress.say(versions.render_changes(before, after, changes))
    if new is None:
        _say_what_is_unread(workspace, after.card)
    try:
        fits = [_predictions(workspace, revision) for revision in (old, new)]
        about = artifacts.read_json(workspace.encoded / "encoding.json")
    except (ArtifactError, DataError, ParamsError) as error:
        progress.say(f"\nScores can't be compared. {error}")
        return
    if any(change.any for change in changes.values()) and _same(*fits):
        progress.say(
            "\nScores can't be compared: both versions hold the same results, so one of them was "
            "not trained on its data.\nIf it is the workspace: make repro"
        )
        return
    settings = params.load(workspace.params).evaluate
    task = after.card["task"]
    tests = [side.card["splits"]["test"]["sha256"] for side in (before, after)]
    moved = across.moved(
        *fits,
        task=task,
        same_rows=tests[0] == tests[1],
        bootstrap=Bootstrap(
            settings.confidence,
            settings.resamples,
            settings.seed,
            block=about.get("block", 1),
        ),
    )
    on = "the same test rows" if tests[0] == tests[1] else "each version's own test rows"
    progress.say(f"\nScores, on {on}:")
    for model, difference in moved.items():
        told = across.sentence(model, difference, task=task, confidence=settings.confidence)
        progress.say(f"  {told}")


def _say_what_is_unread(workspace: Workspace, card: Mapping[str, Any]) -> None:
    for name in files.changed(card["source"], home=workspace.home):
        progress.say(f"  {name} has changed since: make repro reads it again")


def _same(old: Fits, new: Fits) -> bool:
    """Whether two versions' models say the same, to the last digit: trainings never do."""
    return old.keys() == new.keys() and all(
        len(old[model]) == len(new[model])
        and all(
            np.array_equal(one.outputs, other.outputs)
            for one, other in zip(old[model], new[model], strict=True)
        )
        for model in old
    )


def _predictions(workspace: Workspace, revision: str | None) -> Fits:
    """What every model of a revision said on test: model → one for each fit."""
    with versions.files_at(workspace.root, revision, ["params.yaml"]) as folder:
        settings = params.load(folder / "params.yaml")
    here = Workspace(Path())
    tests = [here.model(*run) / "test.parquet" for run in settings.runs]
    wanted = [path.as_posix() for path in (*tests, here.references)]
    with versions.files_at(workspace.root, revision, wanted) as folder:
        there = Workspace(folder)
        folders = {
            model: [there.model(model, seed) for seed in settings.seeds]
            for model in settings.models
        }
        for name in artifacts.read_references(there):
            folders[name] = [there.reference(name)]
        return {
            model: [artifacts.read_predictions(one / "test.parquet") for one in each]
            for model, each in folders.items()
        }


def add(workspace: Workspace, file: str, name: str) -> None:
    """Take a file or folder in under `data/own/NAME`, and print its entry for params.yaml.

    Raises:
        DataError: the name can't be used, or there is nothing to learn from in the file.
    """
    source = files.existing(file, home=Path.cwd())
    folder = workspace.root / "data" / "own" / name
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise DataError(
            f"A dataset can't be called {name!r}.",
            fix="use small letters, digits, - and _, a letter first: NAME=reviews",
        )
    if folder.exists():
        raise DataError(
            f"There is a dataset '{name}' already, in {folder.relative_to(workspace.root)}.",
            fix="edit its file there (the next dvc repro sees it), or choose another NAME.",
        )
    guessed = look.guess(source)
    path = f"data/own/{name}/{source.name}"
    with artifacts.new_folder(folder) as own:
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, own / source.name)
    added = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--quiet", path],
        cwd=workspace.root,
        check=False,
    )
    if added.returncode:
        shutil.rmtree(folder)
        raise DataError(
            f"dvc add {path} ended with exit code {added.returncode}; its own words are above.",
            fix="mend what they name, and add the file again.",
        )
    columns = "\n".join(f"  {column}: {kind}" for column, kind in guessed.seen.items())
    progress.say(
        f"{path} is in. Its columns:\n{columns}\n\n"
        f"Paste this under `datasets:` in params.yaml, correct what was guessed wrong, and set "
        f"`dataset: {name}`:\n\n{look.entry(name, path, guessed)}\n"
        f"Then: make repro. To share it: git add data/own/{name} && dvc push"
    )
