"""`repro`: DVC runs the stages, MLflow is updated, and the terminal shows the answer."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.commands.advise import advice
from pipeline.core.runtime import quiet_imports
from pipeline.errors import TrackingError
from pipeline.evaluation.wording import METRIC_TITLES, listed, metric_and_sd, table_rows
from pipeline.repository import dvc_repro, git, init_dvc
from pipeline.workspace import COMPLETE, Workspace

if TYPE_CHECKING:
    from pipeline.core.params import Params
    from pipeline.evaluation.reproduction import Gap

MOST_JOBS = 256  # each is a process with a TensorFlow of its own


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


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the number of trainings at a time."""
    parser.add_argument(
        "--jobs", type=_count, default=1, metavar="N", help="trainings at a time (default: 1)"
    )


def _count(written: str) -> int:
    if not (written.isdecimal() and 1 <= int(written) <= MOST_JOBS):
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_JOBS}, not {written!r}")
    return int(written)


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
    before = _committed(workspace)
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
    tracked = _tracked(workspace)
    dvc_repro(workspace.root, *dvc)
    if _tracked(workspace) in {None, tracked}:
        _track(workspace)
    metrics = read_json(workspace.metrics)
    comparison = read_json(workspace.comparison)
    progress.say("\n" + "\n".join(_table(metrics, comparison["use"], width=progress.width())))
    progress.say("\n" + progress.paragraph(comparison["headline"]))
    _say_trust(workspace)
    if suggestions := advice(workspace):
        progress.say("\nWhat to try:\n" + progress.bullets(suggestions))
    if before is not None and before["dataset"] == metrics["dataset"]:
        baselines = read_baseline_names(workspace)
        progress.say("\n" + _agreement(gaps(before, metrics, baselines=baselines)))
        progress.say(_what_changed(workspace))
    progress.say(
        "\nnext: make report (the whole answer on one page) · make ui (every run in MLflow)"
    )


def _say_trust(workspace: Workspace) -> None:
    """The trust card of each model with attention, if the weights were tested."""
    from pipeline.core.files import read_json
    from pipeline.explanation.trust import cards, lines

    path = workspace.explanations / "faithfulness.json"
    for model, card in cards(read_json(path)).items() if path.exists() else ():
        if card["average"]:
            progress.say(f"\nCan the weights of {model} be believed?")
            progress.say(progress.bullets(lines(card)))


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


def _tracked(workspace: Workspace) -> int | None:
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


def _committed(workspace: Workspace) -> Mapping[str, Any] | None:
    """The metrics of the checked-out commit; None without git or readable metrics."""
    shown = git(workspace.root, "show", "HEAD:./results/metrics.json")
    try:
        committed = json.loads(shown or "null")
    except (ValueError, RecursionError):  # a merge's marks, committed
        return None
    return committed if isinstance(committed, dict) and "dataset" in committed else None


def _table(metrics: Mapping[str, Any], use: str, *, width: int) -> Iterator[str]:
    """The metrics on test, a line per model; ✓ marks the one to use.

    What doesn't fit into the width goes below, with the models' names again.
    """
    rows = dict(table_rows(metrics["models"]))
    marked = [f"{title} ✓" if title == use else title for title in rows]
    names = _column("test", marked, str.ljust)
    blocks = [[names, _column("seeds", [str(about["seeds"]) for about in rows.values()])]]
    for metric in next(iter(rows.values()))["test"]:
        cells = [metric_and_sd(about["test"][metric], metric) for about in rows.values()]
        column = _column(METRIC_TITLES.get(metric, metric), cells)
        if sum(len(one[0]) + 2 for one in [*blocks[-1], column]) - 2 > width:
            blocks.append([names])
        blocks[-1].append(column)
    for number, block in enumerate(blocks):
        if number:
            yield ""
        yield from map("  ".join, zip(*block, strict=True))


def _column(
    title: str, cells: Sequence[str], justify: Callable[[str, int], str] = str.rjust
) -> list[str]:
    """A title and the cells below it, of one width."""
    width = max(map(len, [title, *cells]))
    return [justify(one, width) for one in [title, *cells]]


def _agreement(found: Sequence["Gap"]) -> str:
    """Whether the metrics agree with the committed ones, within the spread of seeds."""
    if not found:
        return "None of these models has committed metrics to compare with."
    beyond = [gap for gap in found if not gap.within]
    if beyond:
        return "\n  ".join(
            [
                progress.paragraph(
                    "Beyond the tolerance of the committed metrics, so code, data or parameters "
                    "differ (other seeds or another processor change less):"
                ),
                *map(_gap, beyond),
            ]
        )
    if found[0].size == 0:
        return "The metrics on test equal the committed ones."
    return progress.paragraph(
        "The metrics on test agree with the committed ones, within what other seeds or another "
        f"processor change. Largest difference: {_gap(found[0])}."
    )


def _gap(gap: "Gap") -> str:
    return f"{gap.model}, {gap.metric}: {gap.size:.2g} of {gap.tolerance:.2g}"


_OUTPUTS = ("dvc.lock", "results/metrics.json", "results/scores.json")


def _what_changed(workspace: Workspace) -> str:
    """What to do with results that differ from the committed ones; empty if none do."""
    shown = git(workspace.root, "status", "--porcelain", "--", *_OUTPUTS) or ""
    changed = listed([line[3:] for line in shown.splitlines()])
    if not changed:
        return ""
    outputs = " ".join(_OUTPUTS)
    return (
        f"Changed by this run: {changed}. To keep it, or to go back:\n"
        f"  git commit -m 'Results' {outputs}\n  git restore {outputs}"
    )
