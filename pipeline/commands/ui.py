"""`ui`: update MLflow, then open its UI on this machine."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser

from pipeline import progress
from pipeline.commands import Subparsers, port_number
from pipeline.commands.servers import check_end, check_port
from pipeline.core.runtime import quiet_imports
from pipeline.workspace import Workspace

_PATIENCE = 60  # seconds that the server may take to start


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("ui", description="update MLflow, then open its UI in the browser")
    parser.add_argument(
        "--port", type=port_number, default=5000, help="port to serve on (default: 5000)"
    )
    parser.add_argument(
        "--no-browser", action="store_false", dest="browser", help="only print the addresses"
    )
    parser.set_defaults(run=run)


def run(workspace: Workspace, port: int, browser: bool) -> None:
    """Update MLflow and serve its UI on this machine's loopback address until it is stopped.

    Raises:
        ServerError: the port is taken, or the server stopped by itself.
    """
    with quiet_imports():
        from pipeline.stages import track
        from pipeline.tracking import store

    place = store.locate(workspace.home)
    remote = place.uri.startswith(("http://", "https://"))
    if not remote:
        check_port(port)
    pages = track.run(workspace) or {"runs": ""}
    address = str(place) if remote else f"http://127.0.0.1:{port}"
    addresses = {name: f"{address}/{page}" for name, page in pages.items()}
    shown = "\n".join(f"  {name:<7} {url}" for name, url in addresses.items())
    progress.say(f"\nMLflow's UI{'' if remote else ', until Ctrl-C'}:\n{shown}")
    first = next(iter(addresses.values()))
    browser = browser and has_display()
    if remote:
        if browser:
            webbrowser.open(first)
        return
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    # One worker and no job runner: it starts in a third of the time, for one reader. The server
    # tells the UI to send no telemetry because MLFLOW_DISABLE_TELEMETRY is set.
    try:
        with subprocess.Popen(
            [*command, "--backend-store-uri", place.uri, "--workers", "1"],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        ) as server:
            if browser and is_answering(server, f"{address}/health"):
                webbrowser.open(first)
    except KeyboardInterrupt:  # so it is meant to end
        return
    check_end(server.returncode)


def has_display() -> bool:
    """Whether a browser would open in a window: without one it would take over the terminal."""
    return sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def is_answering(server: "subprocess.Popen[bytes]", url: str) -> bool:
    """Wait until the server answers; False if it ends or takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return True
        time.sleep(0.3)
    return False
