"""`parts-study`: what each part of a recipe brings, alone and with the others."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.commands.studies import add_cases, local_copies, read_rows, say_tracked
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "train with each part of a recipe alone, and with all of them"
    parser = add_cases(commands, "parts-study", about, run)
    parser.add_argument(
        "--costs",
        action="store_true",
        help="only measure what an epoch of finished cases costs here; --anew: of all again",
    )


def run(
    workspace: Workspace,
    *,
    source: list[str],
    jobs: int,
    only: str | None,
    anew: bool,
    summarize: bool,
    costs: bool,
) -> None:
    """Run what has no result yet, and summarize what is finished.

    Raises:
        ParamsError: `source` or a parameter file is wrong.
        PipelineError: cells that ran side by side failed.
    """
    from pipeline.core.files import write_csv
    from pipeline.core.params import load_params

    paths = local_copies(source)
    with quiet_imports():
        from pipeline.studies.kept import run_kept
        from pipeline.studies.parts.runs import study_cells
        from pipeline.studies.parts.settings import load_study
        from pipeline.studies.parts.summary import summarize as measure
        from pipeline.studies.tracking import track_cells

    part = workspace.parts_study
    cells = study_cells(workspace, part, paths, anew=anew and not costs)
    if costs:
        with quiet_imports():
            from pipeline.studies.parts.costs import measure as measure_costs

        table = part.results / "costs.csv"
        write_csv(table, measure_costs(cells, progress.say, [] if anew else read_rows(table)))
        return
    rows = run_kept(
        workspace,
        part,
        cells,
        paths=paths,
        threads=load_study(part.params).threads,
        jobs=jobs,
        only=only,
        anew=anew,
        train=not summarize,
    )
    progress.say("")
    for row in rows:
        model = f"{row['model']}-{row['seed']}" if row["case"] else row["model"]
        found = f"{row['validation']} on validation, {row['test']} on test"
        progress.say(f"{row['case']:<28}{model:<28}{found}")
    if only is None and rows:
        summary = measure(part, load_params(workspace.params).evaluate, rows)
        write_csv(part.results / "intervals.csv", summary)
        dataset = load_study(part.params).dataset
        say_tracked(lambda: track_cells(workspace, part, cells, paths=paths, dataset=dataset))
        progress.say("\nnext: make docs (writes the table in docs/results.md)")
