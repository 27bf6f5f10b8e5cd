"""`report`: everything that was measured → results/report.html."""

import io
import webbrowser
from typing import Any

import pandas as pd

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import read_csv, read_json, read_text, write_text
from pipeline.evaluation.results import read_baseline_names
from pipeline.report.builder import Run, build_report
from pipeline.workspace import Workspace


def run(workspace: Workspace, opened: bool = False) -> None:
    """Write the report, and open it in the browser if wanted."""
    settings = params.load_params(workspace.params)
    cards = [workspace.model(model, seed) for model, seed in settings.runs]
    content = build_report(
        comparison=read_json(workspace.comparison),
        card=read_json(workspace.raw / "card.json"),
        encoding=read_json(workspace.encoded / "encoding.json"),
        runs=[
            Run(
                read_json(folder / "model.json"),
                read_csv(folder / "history.csv").to_dict("records"),
            )
            for folder in cards
        ],
        samples=[
            read_json(workspace.explanations / folder.name / "samples.json") for folder in cards
        ],
        roc=_curves(workspace, "roc"),
        precision_recall=_curves(workspace, "precision_recall"),
        faithfulness=read_json(workspace.explanations / "faithfulness.json"),
        words=_words(workspace),
    )
    write_text(workspace.report, content)
    progress.say(f"the report: {workspace.report.as_uri()}")
    if opened:
        webbrowser.open(workspace.report.as_uri())


def _words(workspace: Workspace) -> dict[str, Any] | None:
    """The telling words of the baseline that reads words; None if none does."""
    for name in read_baseline_names(workspace):
        path = workspace.reference(name) / "words.json"
        if path.exists():
            words: dict[str, Any] = read_json(path)
            return words
    return None


def _curves(workspace: Workspace, name: str) -> dict[str, list[tuple[Any, ...]]] | None:
    """Each model's points of a plot; None if the task has no such plot."""
    content = read_text(workspace.plots / f"{name}.csv")
    if not content:
        return None
    table = pd.read_csv(io.StringIO(content))
    columns = [column for column in table.columns if column != "model"][:2]
    return {
        model: list(rows[columns].itertuples(index=False, name=None))
        for model, rows in table.groupby("model", sort=False)
    }
