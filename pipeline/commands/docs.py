"""`docs`: write the tables of README.md and docs/ from the results in git."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.commands.studies import read_rows
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.params import Params
    from pipeline.documentation.kept import Kept
    from pipeline.documentation.together import Together
    from pipeline.evaluation.results import ModelResult

# The folders of docs/results that a benchmark fills.
BENCHES = ("bench", "growth", "rows", "single", "answers", "losses", "commits", "workers", "cells")


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "write the tables of README.md and docs/ from the results in git"
    parser = commands.add_parser("docs", description=about)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    chosen.add_argument(
        "--keep",
        action="store_true",
        help="first copy the workspace's results to docs/results, in place of what is kept",
    )
    chosen.add_argument(
        "--add-seeds",
        action="store_true",
        help="first add the workspace's runs to the results that are kept, as further seeds",
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, check: bool, keep: bool, add_seeds: bool) -> None:
    """Bring every table up to date, or tell that one is not.

    Raises:
        DocumentError: a marker is wrong, or with `check` a document is stale.
        ArtifactError: a result is missing, or the runs aren't further seeds of what is kept.
    """
    from pipeline.core.files import write_text
    from pipeline.documentation.blocks import DocumentError, fill

    if keep:
        progress.say(f"kept: {keep_results(workspace).relative_to(workspace.root)}")
    if add_seeds:
        progress.say(f"added to: {keep_seeds(workspace).relative_to(workspace.root)}")
    tables = written_tables(workspace)
    stale = []
    for path in documents(workspace.root):
        name = path.relative_to(workspace.root).as_posix()
        text = path.read_text(encoding="utf-8")
        filled = fill(text, tables, document=name)
        if filled != text:
            stale.append(name)
            if not check:
                write_text(path, filled)
    if check and stale:
        raise DocumentError(
            f"The tables of {', '.join(stale)} are not those of the results in git.",
            fix="make docs",
        )
    progress.say(f"written: {', '.join(stale)}" if stale else "Every table is up to date.")


def documents(root: Path) -> list[Path]:
    """The Markdown files at the top and in docs/."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]


def written_tables(workspace: Workspace) -> dict[str, str]:
    """Every table that a document may show, by its name."""
    from pipeline.core.files import read_json
    from pipeline.core.schema import read_yaml
    from pipeline.documentation import (
        answer,
        graph,
        licenses,
        parameters,
        study_tables,
        tables,
        together,
        tree,
    )
    from pipeline.studies.benchmark import table

    kept = list(_kept(workspace))
    beside = {one.dataset: list(_together(workspace, one)) for one in kept}
    recipes, units = (
        read_rows(search.results / "trials.csv")
        for search in (workspace.recipe_search, workspace.units_search)
    )
    suggested = workspace.suggestion_study.results / "results.csv"
    intervals = workspace.interval_study.results / "results.csv"
    lengths = read_json(workspace.length_study.summary)
    distracted = read_rows(workspace.distractor_study.results / "intervals.csv")
    sized = read_rows(workspace.size_study.results / "intervals.csv")
    parts, costs = (
        read_rows(workspace.parts_study.results / f"{name}.csv") for name in ("intervals", "costs")
    )
    of_parts = read_yaml(workspace.parts_study.params)
    pipeline = read_yaml(workspace.pipeline)
    assert isinstance(pipeline, dict)
    assert isinstance(of_parts, dict)
    return {
        "demo": "\n\n".join(
            tables.models(one.metrics, one.comparison) for one in kept if one.dataset == "demo"
        ),
        "overview": tables.overview(kept),
        "poolings": answer.table(kept, lengths, distracted, sized),
        "answer": answer.points(
            kept,
            {
                one.dataset: together.sentence(beside[one.dataset], one.comparison["use"])
                + (
                    study_tables.best_parts(parts, costs, of_parts)
                    if one.dataset == of_parts["dataset"]
                    else ""
                )
                for one in kept
            },
        ),
        "datasets": tables.datasets(kept),
        "together": together.table([one for found in beside.values() for one in found]),
        "explanations": tables.explanations(kept),
        "candidates": tables.candidates(kept),
        "orders": tables.orders(kept),
        "lime": tables.lime(kept),
        "length-study": study_tables.length_study(lengths),
        "learning": study_tables.learning(lengths),
        "remedies": study_tables.remedies(lengths),
        "suggestion": study_tables.suggestion(read_rows(suggested)),
        "sizes": _measured(workspace.size_study, "accuracy_by_rows", study_tables.sizes),
        "intervals": study_tables.intervals(read_rows(intervals)),
        "distractors": _measured(
            workspace.distractor_study, "accuracy_by_length", study_tables.distractors
        ),
        "parts": study_tables.parts(parts, costs) if parts else _NOT_RUN,
        "roar": _roar(workspace.roar_study, study_tables.roar),
        "attention": _attention(workspace.attention_study, study_tables.attention),
        "recipe": study_tables.recipe(recipes),
        "units": study_tables.recipe(units),
        **{name: _benchmark(workspace, name, table.markdown) for name in BENCHES},
        "parameters": parameters.document(),
        "licenses": licenses.table(workspace.root / "pyproject.toml"),
        "tree": tree.table(workspace.root / "pipeline"),
        "graph": graph.mermaid(pipeline["stages"]),
    }


def _together(workspace: Workspace, one: "Kept") -> "Iterator[Together]":
    """What the networks of a dataset reach with a baseline; nothing of a regression."""
    from pipeline.documentation.together import measure

    if one.comparison["task"] != "regression":
        yield from measure(workspace.root / "docs" / "results" / one.dataset, one.comparison)


def _benchmark(
    workspace: Workspace, name: str, markdown: Callable[[Mapping[str, Any]], str]
) -> str:
    """What `bench --out docs/results/NAME` measured, with its plot; a sentence if it has not."""
    from pipeline.core.files import read_json

    place = f"results/{name}"
    folder = workspace.root / "docs" / place
    if not (folder / "bench.json").exists():
        return "No measurements are in git."
    picture = f"\n![The plot of these figures]({place}/bench.png)\n"
    return markdown(read_json(folder / "bench.json")) + picture * (folder / "bench.png").exists()


def _measured(part: Workspace, picture: str, table: Callable[[list[dict[str, str]]], str]) -> str:
    """The intervals that a study measured, with their plot; a sentence if it has not been run."""
    rows = read_rows(part.results / "intervals.csv")
    return _plotted(part, picture, table(rows)) if rows else _NOT_RUN


def _roar(part: Workspace, table: Callable[[Mapping[str, Any]], str]) -> str:
    """What `roar` measured, with its plot; a sentence if it has not been run."""
    from pipeline.core.files import read_json

    if not part.summary.exists():
        return _NOT_RUN
    return _plotted(part, "accuracy_by_ratio", table(read_json(part.summary)))


def _attention(part: Workspace, table: Callable[[list[Mapping[str, Any]]], str]) -> str:
    """What `attention-study` measured on each dataset; a sentence if it has not been run."""
    from pipeline.core.files import read_json

    found = [read_json(path) for path in sorted(part.results.glob("*.json"))]
    return table(found) if found else _NOT_RUN


_NOT_RUN = "It has not been run yet: no results are in git."


def _plotted(part: Workspace, picture: str, table: str) -> str:
    title = picture.replace("_", " ").capitalize()
    return f"{table}\n\n![{title}](../{part.part}/results/{picture}.png)"


def keep_results(workspace: Workspace) -> Path:
    """Copy the workspace's results to docs/results/DATASET; returns that folder.

    With them go the test predictions, from which the figures follow, and, of the demo, the picture
    of the attention of the best model that has any, by its first seed. It shows texts, and only
    the demo's are ours to publish. Seeds that were added to earlier results go.

    Raises:
        ArtifactError: one of them is missing.
    """
    from pipeline.core.files import new_folder, read_json, write_json
    from pipeline.core.params import load_params
    from pipeline.evaluation.results import read_results

    comparison = read_json(workspace.comparison)
    settings = load_params(workspace.params)
    sources = [
        workspace.metrics,
        workspace.comparison,
        workspace.explanations / "faithfulness.json",
    ]
    if comparison["attention"] and settings.entry.source.kind == "demo":
        model = comparison["attention"]["model"]
        first = comparison["models"][model]["seeds"][0]
        sources.append(workspace.explanations / f"{model}-{first}" / "attention.png")
    folder = _kept_folder(workspace, comparison["dataset"])
    with new_folder(folder) as copy:
        _keep_runs(copy, workspace, sources, read_results(workspace, settings))
        write_json(copy / "record.json", _record(settings))
    return folder


def keep_seeds(workspace: Workspace) -> Path:
    """Add the workspace's runs to the results that are kept of their dataset; returns the folder.

    Of what the stages write, `train` and `reference` suffice.

    Raises:
        ArtifactError: one of them is missing, or the runs aren't further seeds of what is kept.
    """
    from pipeline.core.files import new_folder, read_json, write_json
    from pipeline.core.params import load_params
    from pipeline.data.card import read_groups
    from pipeline.documentation import kept
    from pipeline.evaluation.metrics import metrics_document
    from pipeline.evaluation.results import read_results

    settings = load_params(workspace.params)
    folder = _kept_folder(workspace, settings.dataset)
    results = read_results(workspace, settings)
    kept.check_seeds(folder, settings, results)
    networks = [result for result in results if not result.deterministic]
    with new_folder(folder) as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        part = copy / "later" / str(len(kept.later_seeds(copy)) + 1)
        part.mkdir(parents=True)
        _keep_runs(part, workspace, [], networks)
        task = read_json(copy / "comparison.json")["task"]
        measured = metrics_document(networks, dataset=settings.dataset, task=task)
        write_json(part / "metrics.json", measured)
        told = {"models": settings.models, "seeds": settings.seeds, **_record(settings)}
        write_json(part / "record.json", told)
        groups = read_groups(workspace.raw, "test")
        progress.say("comparing all seeds (with many models and rows, a minute or two)")
        document = kept.compare_all_seeds(copy, _lengths(workspace), groups)
        write_json(copy / kept.ALL_SEEDS, document)
    return folder


def _lengths(workspace: Workspace) -> "NDArray[np.int64] | None":
    """<int64>[n], the tokens of each test text before truncation; None of windows."""
    from pipeline.core.files import column_names, read_table

    path, column = workspace.encoded / "test.parquet", "total"
    if column not in column_names(path):
        return None
    lengths: NDArray[np.int64] = read_table(path, [column])[column].to_numpy()
    return lengths


def _kept_folder(workspace: Workspace, dataset: str) -> Path:
    return workspace.root / "docs" / "results" / dataset


def _keep_runs(
    folder: Path,
    workspace: Workspace,
    sources: Iterable[Path],
    results: "Sequence[ModelResult]",
) -> None:
    """Copy files, the parameters, the lock, and the test predictions."""
    import pyarrow.parquet as pq

    from pipeline.core.files import read_bytes
    from pipeline.evaluation.condensed import condense

    for source in (*sources, workspace.params, workspace.lock):
        read_bytes(source)
        shutil.copyfile(source, folder / source.name)
    pq.write_table(condense(results), folder / "test.parquet", compression="zstd")


def _record(settings: "Params") -> dict[str, Any]:
    """When and on what machine results are kept."""
    with quiet_imports():
        from pipeline.studies.benchmark import machine

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts(settings.threads),
    }


def _kept(workspace: Workspace) -> "Iterator[Kept]":
    """The results in docs/results, the demo's first."""
    from pipeline.documentation.kept import RECORD, read_kept

    folders = [path.parent for path in (workspace.root / "docs" / "results").glob(f"*/{RECORD}")]
    for folder in sorted(folders, key=lambda path: (path.name != "demo", path.name)):
        yield read_kept(folder)
