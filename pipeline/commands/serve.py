"""`serve`: answer over HTTP on this machine, with MLflow's scoring server."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.commands import Subparsers, port_number
from pipeline.commands.servers import check_end, check_port
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace

SERVER = Path(__file__).parents[1] / "serving" / "server.py"


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "answer over HTTP with the champion, by MLflow's scoring server"
    parser = commands.add_parser("serve", description=about)
    parser.add_argument(
        "--model", metavar="MODEL", help="models:/NAME@ALIAS or a run's id (default: the champion)"
    )
    parser.add_argument(
        "--port", type=port_number, default=5001, help="port to serve on (default: 5001)"
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, model: str | None, port: int) -> None:
    """Serve a model on this machine's loopback address until it is stopped.

    Raises:
        ArtifactError: there is no such model.
        TrackingError: MLflow can't be reached or used.
        ServerError: the port is taken, or the server stopped by itself.
    """
    from pipeline.core.params import load_params

    check_port(port)
    dataset = "" if model else load_params(workspace.params).dataset
    with quiet_imports():
        from pipeline.serving import addresses

    address = model or addresses.champion(dataset)
    with tempfile.TemporaryDirectory() as scratch:
        # The folder, not the address: the server then needs no MLflow of this project.
        folder = addresses.find_packed(workspace, address, Path(scratch))
        example = {"dataframe_records": [_example(folder)], "params": {"attention": True}}
        progress.say(
            f"{address} on http://127.0.0.1:{port}, until Ctrl-C. When it answers:\n\n"
            f"{curl(example, port=port)}\n"
        )
        # -P: its folder is not on the path, so that `pipeline` is the one that the model brings.
        command = [sys.executable, "-P", str(SERVER), str(folder)]
        try:
            done = subprocess.run([*command, "--port", str(port)], check=False)
        except KeyboardInterrupt:  # as the line above says
            return
    check_end(done.returncode)


def curl(content: object, *, port: int) -> str:
    """A command that sends a request; a single quote in it is escaped for the shell."""
    body = json.dumps(content, ensure_ascii=False).replace("'", "\\u0027")
    return (
        f"curl http://127.0.0.1:{port}/invocations -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )


def _example(folder: Path) -> dict[str, Any]:
    """A valid request's row."""
    from pipeline.serving import addresses, inputs

    reader = inputs.reader(addresses.parts_of(folder, str(folder)))
    row: dict[str, Any] = reader.example().to_dict("records")[0]
    return row
