"""`interval-study`: simulate how often the comparison's intervals hold the truth."""

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    about = "simulate how often the intervals hold the truth and alarms are false"
    commands.add_parser("interval-study", description=about).set_defaults(run=run)


def run(workspace: Workspace) -> None:
    """Simulate every case, and write a row for each.

    Raises:
        ParamsError: the study's parameter file is wrong.
    """
    with quiet_imports():
        from pipeline.core.files import write_csv
        from pipeline.studies.intervals.simulation import load_study, run_study

    part = workspace.interval_study
    rows = run_study(load_study(part.params))
    part.results.mkdir(parents=True, exist_ok=True)
    write_csv(part.results / "results.csv", rows)
    for row in rows:
        progress.say(
            f"{row['rows']:>6,} rows  {row['first_runs']} and {row['second_runs']} runs  "
            f"coverage {row['coverage']:.3f}  false alarms {row['false_alarms']:.3f}"
        )
    progress.say("\nnext: make docs (writes the table in docs/results.md)")
