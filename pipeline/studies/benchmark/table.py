"""The measurements as Markdown: what the terminal prints."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from pipeline.evaluation.wording import mean_and_sd
from pipeline.studies.benchmark import accuracy, arithmetic
from pipeline.studies.benchmark.settings import NAMES
from pipeline.studies.benchmark.workers import GIGABITS

MEMORY_LIMIT = 4096  # MB: ten million rows must fit


def markdown(document: Mapping[str, Any]) -> str:
    """A section per measured part; its bytes depend on the document alone."""
    parts: dict[str, Callable[[Any], Iterator[str]]] = {
        "throughput": _throughput,
        "inference": _inference,
        "single": _single,
        "rows": _rows,
        "length": _length,
        "growth": _growth,
        "starting": _starting,
        "answers": _answers,
        "losses": _losses,
        "recipe": _recipe,
        "workers": _workers,
        "cells": _cells,
        "accuracy": _accuracy,
    }
    lines = [_machine(document)]
    for part, write in parts.items():
        if document.get(part):
            lines += ["", *write(document[part])]
    return "\n".join(lines) + "\n"


def _machine(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    sizes = document["sizes"]
    computing = f"{machine['cores']} cores"
    if "cells" not in document:  # each of which has threads of its own
        threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
        computing = f"{threads} on {computing}"
    about = (
        f"Measured on {document['date']} with {machine['processor']}, {computing}, "
        f"{machine['memory_gb']} GB, Python {machine['python']}, {libraries}"
    )
    if "answers" in document:  # of the project's own models
        return f"{about}; load average {document['answers']['load_average']:.1f} at first."
    if "cells" in document:  # of the demo
        return f"{about}."
    return (
        f"{about}; {document['corpus']}. Embedding {sizes['embedding']}, {sizes['units']} "
        f"units each way, {sizes['vocabulary']:,} words, at most {sizes['max_len']} tokens a row."
    )


def _throughput(found: Mapping[str, Any]) -> Iterator[str]:
    first = next(iter(found["implementations"]))
    share = found["share_of_epoch"]
    yield (
        f"Training, {found['repeats']} repeats in turn over "
        + ("whole epochs" if share >= 1 else f"{share:.0%} of an epoch's batches, by length")
        + " (median, and lowest to highest):"
    )
    yield ""
    yield from _table(
        [
            "training",
            "batch",
            "real tokens/s",
            f"seconds an epoch ({found['rows']:,} reviews)",
            f"{NAMES[first]} is as fast",
            "in CPU time",
            "of the matrix limit",
            "peak memory",
        ],
        [
            [
                NAMES[implementation],
                str(each["batch_size"]),
                f"{median(each['tokens_per_second']):,.0f}",
                _spread(each["seconds_per_epoch"], ".1f"),
                *_ratios(found, implementation),
                f"{each['share_of_limit'][0]:.0%}",
                f"{each['peak_memory_mb']:,.0f} MB",
            ]
            for implementation, each in found["implementations"].items()
        ],
    )
    yield ""
    limit = found["limit_tokens_per_second"]
    others = [
        f"{limit / median(each['tokens_per_second']):.1f} × {NAMES[implementation]}"
        for implementation, each in found["implementations"].items()
        if implementation != first
    ]
    yield (
        f"The matrix limit: {median(found['gflops']):,.0f} GFLOP/s measured in between, and "
        f"{found['flops_per_token']:,} operations for a token, so {limit:,.0f} tokens/s"
        f"{', which is ' if others else ''}{'; '.join(others)}."
    )
    compared = [name for name in found["implementations"] if name.startswith("pytorch")]
    if len(compared) > 1 and first not in compared:
        rates = {name: found["implementations"][name]["tokens_per_second"] for name in compared}
        best = max(compared, key=lambda name: median(rates[name]))
        clock, cpu = _ratios(found, best)
        yield (
            f"Against the fastest form of PyTorch, “{NAMES[best]}”, {NAMES[first]} is {clock} as "
            f"fast, {cpu} in CPU time."
        )
    if ways := found.get("pytorch_ways"):
        yield (
            f"PyTorch reverses each row by its own length, {1000 * ways['reversed']:,.0f} ms a "
            f"batch; packed sequences took {1000 * ways['packed']:,.0f} ms."
        )


def _inference(found: Mapping[str, Any]) -> Iterator[str]:
    first = next(iter(found["implementations"]))
    yield from _table(
        [
            "inference",
            "reviews/s",
            f"{NAMES[first]} is as fast",
            "in CPU time",
            "one review",
            "its CPU time",
            "differs by at most",
        ],
        [
            [
                NAMES[implementation],
                f"{median(each['reviews_per_second']):,.0f}",
                *_ratios(found, implementation),
                f"{median(each['milliseconds_for_one']):.1f} ms",
                f"{median(each['cpu_milliseconds_for_one']):.1f} ms",
                "" if implementation == first else f"{each['largest_difference']:.0e}",
            ]
            for implementation, each in found["implementations"].items()
        ],
    )


def _ratios(found: Mapping[str, Any], implementation: str) -> Iterator[str]:
    """How many times as fast the first implementation is, by the clock and in CPU time."""
    for kind in ("ratios", "cpu_ratios"):
        ratio = found[kind].get(implementation)
        yield _spread(ratio, ".2f", " ×") if ratio else ""


def _single(found: Mapping[str, float]) -> Iterator[str]:
    parts = {
        "empty": "an empty function of TensorFlow's",
        "calls": "with two calls from its graph into Python, one for each direction",
        "recurrence": "with the recurrence in them",
        "prediction": "with words, matrix products and attention: a prediction",
        "onnx": "ONNX Runtime's prediction",
    }
    yield from _table(
        ["one review", "CPU time"],
        [[parts[name], f"{each:.2f} ms"] for name, each in found.items()],
    )


def _rows(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "Peak memory of a stage's process, and its CPU time:"
    yield ""
    stages = [name for name, value in found[0].items() if isinstance(value, Mapping)]
    yield from _table(
        ["rows", "test rows", *stages, "data on disk"],
        [
            [
                f"{each['rows']:,}",
                f"{each['test']:,}",
                *(_memory_and_time(each[stage]) if stage in each else "" for stage in stages),
                f"{each['files_mb']:,.0f} MB",
            ]
            for each in found
        ],
    )
    most = max(each[stage]["peak_mb"] for each in found for stage in stages if stage in each)
    yield ""
    yield (
        f"{found[-1]['rows']:,} rows need {most / 1024:.1f} GB at most: "
        + ("they fit in 4 GB." if most <= MEMORY_LIMIT else "they do not fit in 4 GB.")
        + " `train` is a tenth of an epoch."
    )


def _memory_and_time(measured: Mapping[str, float]) -> str:
    return f"{measured['peak_mb']:,.0f} MB, {_duration(measured['cpu_seconds'])}"


def _duration(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def _length(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from _table(
        ["tokens a row", "a training step", "peak memory"],
        [
            [
                f"{each['length']:,}",
                f"{1000 * each['seconds_per_step']:,.0f} ms",
                f"{each['train_peak_mb']:,.0f} MB",
            ]
            for each in found
        ],
    )


def _growth(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    columns = ["rows", "CPU time", "peak memory"]

    def cells(each: Mapping[str, Any]) -> list[str]:
        seconds = f"{each['cpu_seconds']:,.1f} s"
        return [f"{each['rows']:,}", seconds, f"{each['peak_mb']:,.0f} MB"]

    yield "Bootstrap of a pair of regressions in which every row has its own difference:"
    yield ""
    yield from _table(columns, [cells(each) for each in found["bootstrap"]])
    yield ""
    yield "Linear baselines, on texts drawn with IMDB's lengths, which the memory includes:"
    yield ""
    yield from _table(
        ["baseline", *columns, "n-grams"],
        [[each["baseline"], *cells(each), f"{each['features']:,}"] for each in found["baselines"]],
    )


def _starting(found: Mapping[str, Any]) -> Iterator[str]:
    repro = found["repro_seconds"]
    yield (
        f"`python -m pipeline --help`: {_spread(found['help_seconds'], '.2f')} s. "
        "`dvc repro` with nothing to do: "
        + (f"{_spread(repro, '.1f')} s." if repro else "not measured, it had something to do.")
    )


def _answers(found: Mapping[str, Any]) -> Iterator[str]:
    waited = {
        "predict": '`python -m pipeline predict "…"`: the answer',
        "page": "`python -m pipeline demo`: the page",
        "demo": "the same: two models' first answer on it",
        "serve": "`python -m pipeline serve`: the first answer over HTTP",
    }
    yield from _table(
        ["from the start of a process to", "seconds, median (lowest to highest)"],
        [[title, _spread(found[name], ".1f")] for name, title in waited.items()],
    )


def _losses(found: Mapping[str, Any]) -> Iterator[str]:
    epochs = range(len(next(iter(found["val_loss"].values()))))
    seeds = len(next(iter(found["runs"].values())))
    yield (
        f"Validation loss after each epoch, mean ± standard deviation over {_seeds(seeds)}, "
        f"batches of {found['batch_size']}:"
    )
    yield ""
    yield from _table(
        ["validation loss", *(f"epoch {epoch + 1}" for epoch in epochs), "each seed's least"],
        [
            [NAMES[implementation], *map(_deviating, [*by_epoch, found["least"][implementation]])]
            for implementation, by_epoch in found["val_loss"].items()
        ],
    )
    if found["p_values"]:
        yield ""
        yield (
            f"Welch's t-test of each epoch: p {_listed(found['p_values'])}; "
            f"after Holm's correction {_listed(found['p_values_holm'])}."
        )


def _recipe(found: Mapping[str, Any]) -> Iterator[str]:
    measured = found["cpu_milliseconds"]
    yield (
        f"A training step of IMDB's recipe, {len(measured['this'])} repeats in turn over "
        f"{found['batches']} batches (median, and lowest to highest):"
    )
    yield ""
    yield from _table(
        ["code", "CPU time a step", "this is as fast"],
        [
            [
                f"commit {name}" if name != "this" else name,
                f"{median(each):,.0f} ms ({min(each):,.0f} to {max(each):,.0f})",
                "" if name == "this" else _spread(found["cpu_ratio"], ".2f", " ×"),
            ]
            for name, each in measured.items()
        ],
    )


_WAYS = {
    "serial": "one after the other",
    "jobs": "`JOBS=2`",
    "ray": "a Ray of two cores, its start and DVC's remote included",
}


def _cells(found: Mapping[str, Any]) -> Iterator[str]:
    seconds = {way: arithmetic.spread(found["seconds"][way]) for way in _WAYS}
    rates = {way: [1 / each for each in found["seconds"][way]] for way in _WAYS}
    yield f"{found['cells']} trainings of the demo, each with one thread:"
    yield ""
    yield from _table(
        ["", "time", "as fast"],
        [
            [
                name,
                _spread(seconds[way], ".0f", " s"),
                ""
                if way == "serial"
                else _spread(arithmetic.ratios(rates, of=way)["serial"], ".2f", " ×"),
            ]
            for way, name in _WAYS.items()
        ],
    )
    yield ""
    same = "All ways left the same bytes" if found["same_bytes"] else "The ways left other bytes"
    yield f"{same}, as `dvc.lock` has them."


def _workers(found: Mapping[str, Any]) -> Iterator[str]:
    names = {
        "milliseconds": "a step",
        "cpu_milliseconds": "CPU time of all",
        "busiest_milliseconds": "CPU time of the busiest",
    }
    clock, busiest = found["milliseconds"], found["busiest_milliseconds"]
    yield (
        f"A training step of {found['batch_size']} rows, each worker on one core with one thread, "
        f"{len(clock['1'])} repeats in turn (median, and lowest to highest):"
    )
    yield ""
    yield from _table(
        ["workers", *names.values()],
        [
            [
                count,
                *(_spread(arithmetic.spread(found[name][count]), ".0f", " ms") for name in names),
            ]
            for count in clock
        ],
    )
    yield ""
    faster = [
        arithmetic.ratios({count: [1 / one for one in of[count]] for count in of}, of="2")["1"]
        for of in (clock, busiest)
    ]
    yield (
        f"Two workers are {_spread(faster[0], '.2f', ' ×')} as fast on the clock, and by the "
        f"busiest one's CPU time {_spread(faster[1], '.2f', ' ×')}."
    )
    numbers = found["numbers"]
    yield ""
    yield (
        f"On paper, from one worker's CPU time a step: {numbers['dense']:,} numbers of dense "
        f"gradients and {numbers['word']} for each word, 4 bytes each, in a ring at {GIGABITS} "
        "Gbit/s, without latency:"
    )
    yield ""
    yield from _table(
        ["machines", "rows on each", "words on each", "computes", "sends", "sending", "rows/s"],
        [
            [
                f"{each['machines']}",
                f"{each['rows']}",
                f"{each['words']:,.0f}",
                f"{1000 * each['computes']:.1f} ms",
                f"{each['bytes'] / 1e6:.1f} MB",
                f"{1000 * each['sends']:.1f} ms",
                f"{each['times']:.1f} ×",
            ]
            for each in found["paper"]
        ],
    )


def _accuracy(found: Mapping[str, Any]) -> Iterator[str]:
    seeds = len(next(iter(found["runs"].values())))
    yield (
        f"Time to accuracy on {found['rows']['validation']:,} validation rows of "
        f"{found['dataset']}, from encoded data "
        f"to the end of the first epoch that has it ({_seeds(seeds)}: median, and range):"
    )
    yield ""
    yield from _table(
        ["training", *(f"{target:.0%}" for target in accuracy.TARGETS), "best", "after"],
        [
            [
                accuracy.NAMES[implementation],
                *(_reached(list(runs.values()), target) for target in accuracy.TARGETS),
                *_best(list(runs.values())),
            ]
            for implementation, runs in found["runs"].items()
        ],
    )


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _reached(runs: Sequence[list[dict[str, float]]], target: float) -> str:
    times = [accuracy.reached(epochs, target) for epochs in runs]
    there = [time for time in times if time is not None]
    if not there:
        return "never"
    shown = f"{median(there):,.0f} s" + (
        f" ({min(there):,.0f} to {max(there):,.0f})" if len(there) > 1 else ""
    )
    return shown if len(there) == len(times) else f"{shown}, {len(there)} of {_seeds(len(times))}"


def _best(runs: Sequence[list[dict[str, float]]]) -> tuple[str, str]:
    best = [max(epochs, key=lambda epoch: epoch["val_accuracy"]) for epochs in runs]
    return (
        f"{median(epoch['val_accuracy'] for epoch in best):.1%}",
        f"{median(epoch['seconds'] for epoch in best):,.0f} s",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table, aligned for the terminal."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    ruler = ["-" * width for width in widths]
    for row in (head, ruler, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"


def _deviating(each: Mapping[str, float | None]) -> str:
    return mean_and_sd(each["mean"], each["deviation"], "{:.3f}".format)


def _listed(p_values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2g}" for value in p_values)


def _spread(values: Sequence[float], form: str, unit: str = "") -> str:
    middle, low, high = values
    return f"{middle:{form}}{unit} ({low:{form}} to {high:{form}})"
