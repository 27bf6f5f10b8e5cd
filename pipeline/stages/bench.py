"""`make bench`: how fast and in how much memory; a table, a plot and the raw measurements."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline import artifacts, progress
from pipeline.artifacts import Workspace
from pipeline.benchmark import (
    accuracy,
    corpus,
    figure,
    inference,
    losses,
    scaling,
    starting,
    table,
    throughput,
)
from pipeline.benchmark.arms import ARMS
from pipeline.benchmark.processes import alone
from pipeline.benchmark.settings import ANSWERING_ARMS, NAMES, Options


def run(workspace: Workspace, **given: Any) -> None:
    """Measure what is asked for, show it, and write bench.json, bench.md and bench.png."""
    options = Options(**given)
    document = _measure(workspace, options)
    picture = figure.draw(document)
    text = table.markdown(document)
    out = workspace.root / options.out
    with artifacts.new_folder(out) as folder:
        artifacts.write_json(folder / "bench.json", document)
        artifacts.write_text(folder / "bench.md", text)
        if picture:
            artifacts.write_bytes(folder / "bench.png", picture)
    if picture and options.plot:
        artifacts.write_bytes(workspace.root / options.plot, picture)
    progress.say("\n" + text)
    progress.say(f"written: {options.out}/bench.json, bench.md{', bench.png' * bool(picture)}")


def _measure(workspace: Workspace, options: Options) -> dict[str, Any]:
    """The parts in turn; what one of them takes is no other's."""
    progress.say("reading the rows")
    found = corpus.load(
        workspace,
        options.data,
        rows=options.rows,
        vocabulary=options.vocabulary,
        max_len=options.max_len,
        seed=options.seed,
    )
    rows = found.sequences
    progress.say(f"{len(rows):,} rows, {int(rows.lengths.sum()):,} tokens: {found.about}\n")
    document: dict[str, Any] = {
        "machine": alone("machine", "facts", options.threads)[0].result,
        "sizes": asdict(options.sizes),
        "corpus": found.about,
    }
    for part in options.parts:
        progress.say(f"{part}: {_ABOUT[part]}")
        match part:
            case "throughput":
                arms = _installed(options.arms)
                measured: Any = throughput.measure(rows, options, arms, progress.say)
                if "pytorch" in arms:
                    measured["pytorch_ways"] = throughput.pytorch_ways(rows, options)
            case "inference":
                arms = _installed(ANSWERING_ARMS)
                measured = inference.measure(rows, options, arms, progress.say)
            case "length":
                measured = scaling.by_length(options, progress.say)
            case "rows":
                measured = scaling.by_rows(workspace, found.texts, options, progress.say)
            case "starting":
                measured = starting.measure(workspace.root)
            case "losses":
                measured = losses.measure(rows, options, progress.say)
            case "accuracy":
                measured = accuracy.measure(workspace, options, progress.say)
        document[part] = measured
    return document


_ABOUT = {
    "throughput": "training, arm against arm, in turn",
    "inference": "the same weights answer the same reviews",
    "length": "a training step and its memory, by the length of rows",
    "rows": "encode and train, by the number of rows",
    "starting": "the command line, and `dvc repro` with nothing to do",
    "losses": "whole trainings, from the same weights",
    "accuracy": "whole trainings of different recipes, as long as they take",
}


def _installed(arms: Sequence[str]) -> list[str]:
    for arm in arms:
        if not ARMS[arm].installed:
            progress.say(
                f"  {NAMES[arm]} is left out: it is not installed here; make bench does it"
            )
    return [arm for arm in arms if ARMS[arm].installed]
