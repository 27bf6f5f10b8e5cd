"""`check`: params.yaml → a marker, without which nothing is trained."""

from pipeline.core.files import write_text
from pipeline.core.params import load_params
from pipeline.repository import keep_index_private
from pipeline.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Check params.yaml: DVC makes folders from its names and seeds, and removes old ones.

    The dataset gets its folder in `data/own`, on which `download` depends even if it stays empty.

    Raises:
        ParamsError: a key or a value is not allowed.
    """
    settings = load_params(workspace.params)
    (workspace.root / "data" / "own" / settings.dataset).mkdir(parents=True, exist_ok=True)
    keep_index_private(workspace.root)  # a bare `dvc repro` has just made it
    write_text(workspace.checked, "params.yaml is valid\n")
