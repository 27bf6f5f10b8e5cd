"""What a run of the pipeline ended with, as the terminal shows it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.evaluation.wording import METRIC_TITLES, listed, metric_and_sd, table_rows
from pipeline.repository import git
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.evaluation.reproduction import Gap

OUTPUTS = ("dvc.lock", "results/metrics.json", "results/scores.json")  # that are in git


def committed_metrics(workspace: Workspace) -> Mapping[str, Any] | None:
    """The metrics of the checked-out commit; None without git or readable metrics."""
    shown = git(workspace.root, "show", "HEAD:./results/metrics.json")
    try:
        committed = json.loads(shown or "null")
    except (ValueError, RecursionError):  # a merge's marks, committed
        return None
    return committed if isinstance(committed, dict) and "dataset" in committed else None


def table(
    metrics: Mapping[str, Any], comparison: Mapping[str, Any], *, width: int
) -> Iterator[str]:
    """The metrics on test, a line per model; ✓ marks the one to use, – what has no seeds.

    What doesn't fit into the width goes below, with the models' names again.
    """
    rows = dict(table_rows(metrics["models"]))
    marked = [f"{title} ✓" if title == comparison["use"] else title for title in rows]
    names = _column("test", marked, str.ljust)
    fixed = {name for name, model in comparison["models"].items() if model["deterministic"]}
    seeds = ["–" if title in fixed else str(about["seeds"]) for title, about in rows.items()]
    blocks = [[names, _column("seeds", seeds)]]
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


def say_trust(workspace: Workspace) -> None:
    """The trust card of each model with attention, if the weights were tested."""
    from pipeline.core.files import read_json
    from pipeline.explanation.trust import cards, lines

    path = workspace.explanations / "faithfulness.json"
    for model, card in cards(read_json(path)).items() if path.exists() else ():
        if card["average"]:
            progress.say(f"\nCan the weights of {model} be trusted?")
            progress.say(progress.bullets(lines(card)))


def agreement(found: Sequence["Gap"]) -> str:
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


def what_changed(workspace: Workspace) -> str:
    """What to do with results that differ from the committed ones; empty if none do."""
    shown = git(workspace.root, "status", "--porcelain", "--", *OUTPUTS) or ""
    changed = listed([line[3:] for line in shown.splitlines()])
    if not changed:
        return ""
    outputs = " ".join(OUTPUTS)
    return (
        f"Changed by this run: {changed}. To keep it, or to go back:\n"
        f"  git commit -m 'Results' {outputs}\n  git restore {outputs}"
    )
