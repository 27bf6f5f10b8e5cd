"""`repro`: DVC runs the stages, MLflow is updated, and the terminal shows the answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.commands import Subparsers, add_jobs, outcome
from pipeline.commands.advise import advice
from pipeline.core.runtime import quiet_imports
from pipeline.errors import TrackingError
from pipeline.repository import dvc_repro, init_dvc
from pipeline.workspace import COMPLETE, Workspace

if TYPE_CHECKING:
    from pipeline.core.params import Params


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "run the pipeline, update MLflow, and show the comparison"
    parser = commands.add_parser("repro", description=about)
    add_jobs(parser)
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="train on a Ray cluster, such as ray://head:10001"
    )
    parser.add_argument("dvc", nargs="*", help="passed on to `dvc repro`", metavar="ARG")
    parser.set_defaults(run=run)


def run(workspace: Workspace, jobs: int, cluster: str | None, dvc: list[str]) -> None:
    """Run the pipeline on the current `params.yaml`, and show the result.

    Args:
        workspace: the project's files.
        jobs: trainings at a time.
        cluster: address of the cluster that trains; None: this machine does.
        dvc: arguments passed on to `dvc repro`.

    Raises:
        PipelineError: a stage failed.
    """
    from pipeline.core.files import read_json
    from pipeline.core.params import load_params
    from pipeline.evaluation.reproduction import gaps
    from pipeline.evaluation.results import read_baseline_names

    settings = load_params(workspace.params)
    progress.say(
        f"dataset '{settings.dataset}': {', '.join(settings.models)} × seeds "
        f"{', '.join(map(str, settings.seeds))} (params.yaml)\n"
    )
    before = outcome.committed_metrics(workspace)
    init_dvc(workspace.root)
    if changed := changed_source(workspace, settings):
        progress.say(f"changed since last read: {', '.join(changed)}\n")
        dvc_repro(workspace.root, "--force", "--single-item", "download")
    workers = max(settings.recipe(model).workers for model in settings.models)
    threads = settings.threads * workers
    cells: dict[str, Any] = {"before": ["check", "pretrain"], "threads": threads}
    if cluster:
        from pipeline.cluster import repro_on_cluster

        repro_on_cluster(workspace.root, "train", address=cluster, **cells)
        dvc = ["--pull", *dvc]
    elif jobs > 1:
        from pipeline.cells import repro_cells

        logs = workspace.scratch / "jobs"
        repro_cells(workspace.root, "train", jobs=jobs, logs=logs, **cells)
    tracked = last_tracked(workspace)
    dvc_repro(workspace.root, *dvc)
    if last_tracked(workspace) in {None, tracked}:
        _track(workspace)
    metrics = read_json(workspace.metrics)
    comparison = read_json(workspace.comparison)
    progress.say("\n" + "\n".join(outcome.table(metrics, comparison, width=progress.width())))
    progress.say("\n" + progress.paragraph(comparison["headline"]))
    outcome.say_trust(workspace)
    if suggestions := advice(workspace):
        progress.say("\nWhat to try:\n" + progress.bullets(suggestions))
    if before is not None and before["dataset"] == metrics["dataset"]:
        baselines = read_baseline_names(workspace)
        progress.say("\n" + outcome.agreement(gaps(before, metrics, baselines=baselines)))
        progress.say(outcome.what_changed(workspace))
    progress.say(
        "\nnext: make report (the whole answer on one page) · make ui (every run in MLflow)"
    )


def changed_source(workspace: Workspace, settings: "Params") -> list[str]:
    """The selected dataset's files that differ from what its card recorded.

    DVC watches the files under `data/own` itself; it can't know the paths of the others.
    """
    from pipeline.core.files import read_json
    from pipeline.data import readers

    own = (workspace.root / "data" / "own").resolve()
    path = workspace.raw / "card.json"
    if not path.exists():
        return []
    card = read_json(path)
    source = card["source"]
    if (
        card["dataset"] != settings.dataset
        or "path" not in source
        or (workspace.home / Path(source["path"]).expanduser()).resolve().is_relative_to(own)
    ):
        return []
    return readers.changed_files(source, home=workspace.home)


def last_tracked(workspace: Workspace) -> int | None:
    """When the stage `track` last recorded everything in MLflow; None if it could not."""
    marker = workspace.tracked
    complete = marker.exists() and marker.read_text(encoding="utf-8") == COMPLETE
    return marker.stat().st_mtime_ns if complete else None


def _track(workspace: Workspace) -> None:
    """Update MLflow: the DVC stage had nothing to do, or could not reach it."""
    with quiet_imports():
        from pipeline.stages import track

    try:
        track.run(workspace)
    except TrackingError as error:
        progress.say(f"warning: {error}")
