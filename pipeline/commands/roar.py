"""`roar`: mask what an explanation ranks highest, retrain, and mask more."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.commands.studies import add_cells, say_tracked
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "retrain without the words that explanations rank highest (recursive ROAR)"
    parser = commands.add_parser("roar", description=about)
    parser.set_defaults(run=run)
    add_cells(parser)


def run(workspace: Workspace, jobs: int, only: str | None) -> None:
    """Run what has no result yet, compare the methods' curves, and draw them.

    Args:
        workspace: the project's files.
        jobs: curves at a time.
        only: the curve that runs alone.

    Raises:
        ParamsError: a parameter file is wrong, or another dataset is encoded.
        PipelineError: curves that ran side by side failed.
    """
    with quiet_imports():
        from pipeline.core.files import write_bytes, write_json
        from pipeline.core.params import load_params
        from pipeline.studies.roar import figure, runs, summary
        from pipeline.studies.roar.settings import Run
        from pipeline.studies.tracking import track_results

    part = workspace.roar_study
    rows = runs.run_study(workspace, part, jobs=jobs, only=only)
    if only is not None:
        return
    found = summary.measure(workspace, part, load_params(workspace.params).evaluate)
    write_json(part.summary, found)
    write_bytes(part.results / "accuracy_by_ratio.png", figure.draw(found))
    progress.say("\n" + "\n".join(found["sentences"]))
    measured = {
        Run(row["method"], row["ratio"], row["seed"]).name: {
            "model": found["model"],
            "method": row["method"],
            "seed": str(row["seed"]),
            "ratio": row["ratio"],
            "test/accuracy": float(row["accuracy"]),
            "best_epoch": row["best_epoch"],
            "epochs": row["epochs"],
        }
        for row in rows
    }
    say_tracked(lambda: track_results(workspace, part, {found["dataset"]: measured}, paths={}))
    progress.say("\nnext: make docs (writes the table in docs/explanations.md)")
