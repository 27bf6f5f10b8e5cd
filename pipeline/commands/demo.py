"""`demo`: a page on this machine that asks models about a text, side by side."""

import contextlib
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import progress
from pipeline.commands import Subparsers, port_number, predict
from pipeline.commands.ui import has_display
from pipeline.core.runtime import quiet_imports
from pipeline.errors import ArtifactError, DataError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.demo.server import Sample
    from pipeline.serving.model import LoadedParts

SAMPLES = 8


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "open a page that asks two models about a text, and again without a word"
    parser = commands.add_parser("demo", description=about)
    parser.add_argument(
        "--model",
        action="append",
        metavar="MODEL",
        help="models:/NAME@ALIAS, a run's id, or results/models/MODEL-SEED; more than once: side "
        "by side (default: the first two of `models` in params.yaml)",
    )
    parser.add_argument(
        "--port", type=port_number, default=5002, help="port to serve on (default: 5002)"
    )
    parser.add_argument(
        "--no-browser", action="store_false", dest="browser", help="only print the address"
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, model: Sequence[str] | None, port: int, browser: bool) -> None:
    """Serve the page on this machine's loopback address until it is stopped.

    Raises:
        ArtifactError: there is no such model.
        DataError: a model does not read texts.
        TrackingError: MLflow can't be reached or used.
    """
    models = load_titled(workspace, model or _first_two(workspace))
    with quiet_imports():
        from pipeline.demo.server import Demo, DemoServer

    with DemoServer(Demo(models, first_texts(workspace)), port) as server:
        progress.say(f"The demo, until Ctrl-C: {server.url}")
        if browser and has_display():
            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):  # as the line above says
            server.serve_forever()


def _first_two(workspace: Workspace) -> list[str]:
    """The folders of two models, with the first seed."""
    from pipeline.core.params import load_params

    params = load_params(workspace.params)
    folders = [workspace.model(name, params.seeds[0]) for name in params.models[:2]]
    for folder in folders:
        if not (folder / "model.json").is_file():
            raise ArtifactError(
                f"{folder} holds no trained model.",
                fix="make repro trains it; or name others with --model.",
            )
    return [str(folder) for folder in folders]


def load_titled(workspace: Workspace, addresses: Sequence[str]) -> "dict[str, LoadedParts]":
    """Title → model."""
    with tempfile.TemporaryDirectory() as scratch:
        found = predict.load(predict.find(workspace, addresses, Path(scratch)))
    titled: dict[str, LoadedParts] = {}
    for address, model in found.items():
        if model.card["kind"] != "text":
            raise DataError(
                f"{address} reads a series of {', '.join(model.card['features'])}, not texts.",
                fix="name models of a text dataset; for a series: python -m pipeline predict "
                "--file FILE --explain",
            )
        title = predict.title(model)
        titled[f"{title} ({address})" if title in titled else title] = model
    return titled


def first_texts(workspace: Workspace) -> "list[Sample]":
    """The first texts of the test set; none if it isn't here, or holds no texts."""
    import pyarrow.parquet as pq

    from pipeline.core.files import read_json
    from pipeline.demo.server import Sample

    with contextlib.suppress(ArtifactError, OSError, KeyError):
        classes = read_json(workspace.encoded / "encoding.json")["classes"]
        rows = next(pq.ParquetFile(workspace.raw / "test.parquet").iter_batches(SAMPLES))
        return [Sample(row["text"], classes[row["label"]]) for row in rows.to_pylist()]
    return []
