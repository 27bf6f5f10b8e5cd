"""What the commands that start one of MLflow's servers share."""

import signal
import socket

from pipeline.errors import SpotlightError

_MEANT = (0, -signal.SIGINT, -signal.SIGTERM)  # what a server ends with that is told to


class ServerError(SpotlightError):
    """MLflow's server did not start, or stopped by itself."""


def check_port(port: int) -> None:
    """Tell that a port is taken, before anything else is done.

    Raises:
        ServerError: no server can listen there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerError(
                f"No server can listen on port {port}: {error.strerror}.",
                fix=f"choose another one: --port {port + 1}",
            ) from None


def check_end(returncode: int) -> None:
    """Tell that a server was not stopped by who started it.

    Raises:
        ServerError: it was not; a negative code is the signal that killed it.
    """
    if returncode not in _MEANT:
        raise ServerError(
            f"MLflow's server ended with exit code {returncode}; its message is above.",
            fix="mend what it says, then start it again.",
        )
