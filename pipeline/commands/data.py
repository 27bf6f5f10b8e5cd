"""`data`: list data versions, compare two of them, and add data of your own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline import progress
from pipeline.commands import Subparsers, data_add
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ArtifactError, DataError, ParamsError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.core.predictions import Predictions

ModelPredictions: TypeAlias = "Mapping[str, Sequence[Predictions]]"


def add_parser(commands: Subparsers) -> None:
    """Add the command and its actions."""
    about = "list data versions, compare two of them, or add data of your own"
    parser = commands.add_parser("data", description=about)
    parser.set_defaults(run=show)
    actions = parser.add_subparsers(metavar="[ACTION]")
    about = "show what changed between two versions, and how scores moved"
    compared = actions.add_parser("diff", help=about, description=about)
    compared.add_argument("old", metavar="REV", help="a git revision")
    compared.add_argument(
        "new", metavar="REV", nargs="?", help="another one (default: the workspace)"
    )
    compared.set_defaults(run=diff)
    data_add.add_parser(actions)


def show(workspace: Workspace) -> None:
    """List the data versions in this repository, and how many runs used each."""
    with quiet_imports():
        from pipeline.data import versions
        from pipeline.tracking.runs import runs_by_data

    seen = versions.list_versions(workspace.root)
    if not seen:
        progress.say("No data version yet: `make repro` makes the first.")
        return
    progress.say(versions.render_versions(seen, runs_by_data(workspace.home)))
    for version in seen:
        if version.current and version.card is not None:
            _say_changed_files(workspace, version.card)


def diff(workspace: Workspace, old: str, new: str | None) -> None:
    """Show what changed between two versions, and how each model's test score moved."""
    from pipeline.core.files import read_json
    from pipeline.core.params import load_params
    from pipeline.data import versions
    from pipeline.evaluation import data_change
    from pipeline.evaluation.significance import Bootstrap

    before, after = (versions.read_side(workspace.root, revision) for revision in (old, new))
    changes = versions.compare_versions(before, after)
    progress.say(versions.render_changes(before, after, changes))
    if new is None:
        _say_changed_files(workspace, after.card)
    try:
        predictions = [_predictions(workspace, revision) for revision in (old, new)]
        with versions.files_at(workspace.root, new, ["data/encoded/encoding.json"]) as folder:
            about = read_json(Workspace(folder).encoded / "encoding.json")
    except (ArtifactError, DataError, ParamsError) as error:
        progress.say(f"\nScores can't be compared. {error}")
        return
    if any(change.any for change in changes.values()) and _same(*predictions):
        progress.say(
            "\nScores can't be compared: both versions hold the same results, so one of them was "
            "not trained on its data.\nIf that is the workspace: make repro"
        )
        return
    settings = load_params(workspace.params).evaluate
    task = after.card["task"]
    tests = [side.card["splits"]["test"]["sha256"] for side in (before, after)]
    moved = data_change.score_changes(
        *predictions,
        task=task,
        same_rows=tests[0] == tests[1],
        bootstrap=Bootstrap(
            settings.confidence,
            settings.resamples,
            settings.seed,
            block=about.get("block", 1),
            groups=after.groups("test"),
        ),
        old_groups=before.groups("test"),
    )
    on = "the same test rows" if tests[0] == tests[1] else "each version's own test rows"
    progress.say(f"\nScores, on {on}:")
    for model, difference in moved.items():
        line = data_change.describe_change(
            model, difference, task=task, confidence=settings.confidence
        )
        progress.say(f"  {line}")


def _say_changed_files(workspace: Workspace, card: Mapping[str, Any]) -> None:
    from pipeline.data import readers

    for name in readers.changed_files(card["source"], home=workspace.home):
        progress.say(f"  {name} has changed since: `make repro` reads it again")


def _same(old: ModelPredictions, new: ModelPredictions) -> bool:
    """Whether two versions' predictions are equal to the last digit: training again never is."""
    import numpy as np

    return old.keys() == new.keys() and all(
        len(old[model]) == len(new[model])
        and all(
            np.array_equal(one.outputs, other.outputs)
            for one, other in zip(old[model], new[model], strict=True)
        )
        for model in old
    )


def _predictions(workspace: Workspace, revision: str | None) -> ModelPredictions:
    """The test predictions of a revision: model → those of each seed."""
    from pipeline.core.params import load_params
    from pipeline.core.predictions import read_predictions
    from pipeline.data import versions
    from pipeline.evaluation.results import read_baseline_names

    with versions.files_at(workspace.root, revision, ["params.yaml"]) as folder:
        settings = load_params(folder / "params.yaml")
    here = Workspace(Path())
    tests = [here.model(*run) / "test.parquet" for run in settings.runs]
    wanted = [path.as_posix() for path in (*tests, here.references)]
    with versions.files_at(workspace.root, revision, wanted) as folder:
        there = Workspace(folder)
        folders = {
            model: [there.model(model, seed) for seed in settings.seeds]
            for model in settings.models
        }
        for name in read_baseline_names(there):
            folders[name] = [there.reference(name)]
        return {
            model: [read_predictions(one / "test.parquet") for one in each]
            for model, each in folders.items()
        }
