"""`download`: the selected source → data/raw."""

from pathlib import Path

from pipeline import progress
from pipeline.core import params
from pipeline.core.files import sealed_folder, temporary_folder
from pipeline.data import card, checks, series, sources
from pipeline.data.series_checks import Findings, check_series
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Bring the dataset in, check it, and write it with its card."""
    settings = params.load_params(workspace.params)
    # A cache of its own: `datasets` was seen to serve a changed file's old rows from a used one.
    with temporary_folder(workspace.scratch / "download") as cache:
        findings = _bring(settings, home=workspace.home, cache=cache)
        with sealed_folder(workspace.raw, stage="download") as folder:
            card.write_raw(folder, findings.tables, findings.card())
    progress.say(findings.render())


def _bring(settings: params.Params, *, home: Path, cache: Path) -> checks.Findings | Findings:
    """Read and check the selected dataset."""
    name, entry = settings.dataset, settings.entry
    if isinstance(entry, params.SeriesEntry):
        return check_series(series.load_series(name, entry.source, home=home, cache=cache))
    return checks.check_corpus(sources.load_corpus(name, entry.source, home=home, cache=cache))
