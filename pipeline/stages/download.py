"""`download`: the selected source → data/raw."""

import tempfile
from pathlib import Path

from pipeline import artifacts, params, progress
from pipeline.artifacts import Workspace
from pipeline.data import card, checks, sources


def run(workspace: Workspace) -> None:
    """Bring the dataset in, check it, and write it with its card."""
    settings = params.load(workspace.params)
    workspace.scratch.mkdir(parents=True, exist_ok=True)
    # A cache of its own: `datasets` was seen to serve a changed file's old rows from a used one.
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as cache:
        corpus = sources.load(
            settings.dataset, settings.entry.source, home=workspace.home, cache=Path(cache)
        )
        findings = checks.examine(corpus)
        with artifacts.new_folder(workspace.raw) as folder:
            card.write(folder, findings)
    progress.say(checks.render(findings))
