"""`download`: the selected source → data/raw."""

import tempfile
from pathlib import Path

from pipeline import artifacts, params, progress
from pipeline.artifacts import Workspace
from pipeline.data import card, checks, series, sources


def run(workspace: Workspace) -> None:
    """Bring the dataset in, check it, and write it with its card."""
    settings = params.load(workspace.params)
    workspace.scratch.mkdir(parents=True, exist_ok=True)
    # A cache of its own: `datasets` was seen to serve a changed file's old rows from a used one.
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as cache:
        findings = _bring(settings, home=workspace.home, cache=Path(cache))
        with artifacts.new_folder(workspace.raw) as folder:
            card.write(folder, findings.tables, findings.card())
    progress.say(findings.render())


def _bring(
    settings: params.Params, *, home: Path, cache: Path
) -> checks.Findings | series.Findings:
    """Read and check the selected dataset."""
    name, entry = settings.dataset, settings.entry
    if isinstance(entry, params.SeriesEntry):
        return series.examine(series.load(name, entry.source, home=home, cache=cache))
    return checks.examine(sources.load(name, entry.source, home=home, cache=cache))
