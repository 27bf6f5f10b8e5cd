"""`make bench`: time and memory, as a table, a plot and raw measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.core.files import new_folder, read_json, write_bytes, write_json, write_text
from pipeline.core.sequences import Sequences
from pipeline.studies.benchmark import (
    accuracy,
    answers,
    cells,
    corpus,
    figure,
    growth,
    inference,
    losses,
    recipe,
    scaling,
    starting,
    table,
    throughput,
    workers,
)
from pipeline.studies.benchmark.implementations import IMPLEMENTATIONS
from pipeline.studies.benchmark.settings import NAMES, PREDICTING, Options
from pipeline.studies.processes import alone
from pipeline.workspace import Workspace


def run_benchmark(workspace: Workspace, **given: Any) -> None:
    """Run the chosen parts, show the results, and write bench.json, bench.md and bench.png."""
    options = Options(**given)
    document = _measure(workspace, options)
    picture = figure.draw(document)
    text = table.markdown(document)
    out = workspace.root / options.out
    with new_folder(out) as folder:
        write_json(folder / "bench.json", document)
        write_text(folder / "bench.md", text)
        if picture:
            write_bytes(folder / "bench.png", picture)
    if picture and options.plot:
        write_bytes(workspace.root / options.plot, picture)
    progress.say("\n" + text)
    progress.say(f"written: {options.out}/bench.json, bench.md{', bench.png' * bool(picture)}")


def _measure(workspace: Workspace, options: Options) -> dict[str, Any]:
    """Run the parts one after the other."""
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
        "date": datetime.now(UTC).date().isoformat(),
        "machine": alone("benchmark.machine", "facts", options.threads)[0].result,
        "sizes": asdict(options.sizes),
        "corpus": found.about,
    }
    kept = _kept(workspace.root / options.out / "bench.json", document)
    for part in options.parts:
        progress.say(f"{part}: {_ABOUT[part]}")
        match part:
            case "throughput":
                measured: Any = _throughput(rows, options)
            case "inference":
                implementations = _installed(PREDICTING)
                measured = inference.measure(rows, options, implementations, progress.say)
            case "single":
                reviews = inference.one_by_one(rows)
                comparable = _installed(["onnx"])
                measured = (
                    comparable and alone("benchmark.single", "measure", reviews, options)[0].result
                )
            case "length":
                measured = scaling.by_length(options, progress.say)
            case "rows":
                measured = scaling.by_rows(
                    workspace, found.texts, options, progress.say, kept.get("rows", [])
                )
            case "growth":
                before = kept.get("growth", {}).get("baselines", [])
                measured = growth.measure(options, progress.say, before)
            case "starting":
                measured = starting.measure(workspace.root)
            case "answers":
                measured = answers.measure(workspace.root, options.repeats)
            case "losses" | "workers":
                of_rows = losses if part == "losses" else workers
                measured = of_rows.measure(rows, options, progress.say)
            case "recipe":
                measured = recipe.measure(workspace, rows, options, progress.say)
            case "cells" | "accuracy":
                module = cells if part == "cells" else accuracy
                measured = module.measure(workspace, options, progress.say)
        document[part] = measured
    return document


def _kept(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier command measured, if machine, sizes and texts were the same."""
    earlier: dict[str, Any] = read_json(path) if path.exists() else {}
    same = all(earlier.get(key) == document[key] for key in ("machine", "sizes", "corpus"))
    return earlier if same else {}


def _throughput(rows: Sequences, options: Options) -> dict[str, Any]:
    implementations = _installed(options.implementations)
    measured = throughput.measure(rows, options, implementations, progress.say)
    if "pytorch" in implementations:
        measured["pytorch_ways"] = throughput.pytorch_ways(rows, options)
    return measured


_ABOUT = {
    "throughput": "training, one implementation after the other",
    "inference": "prediction speed, with the same weights on the same reviews",
    "single": "where the time of one review's prediction goes",
    "length": "time and memory of a training step, by the length of rows",
    "rows": "time and memory of the stages, by the number of rows",
    "growth": "the bootstrap and the baselines, by the number of rows",
    "starting": "start of the command line, and `dvc repro` with nothing to do",
    "answers": "from the start of a process to its first answer",
    "losses": "whole training runs from the same weights",
    "recipe": "CPU time of a step of IMDB's recipe, with this code and another commit's",
    "cells": "trainings one after the other, two at a time, and on Ray",
    "workers": "two workers on a core each, and one on one core",
    "accuracy": "whole training runs of different recipes",
}


def _installed(implementations: Sequence[str]) -> list[str]:
    for implementation in implementations:
        if not IMPLEMENTATIONS[implementation].installed:
            progress.say(f"  {NAMES[implementation]} is left out: not installed. Run `make bench`.")
    return [
        implementation
        for implementation in implementations
        if IMPLEMENTATIONS[implementation].installed
    ]
