"""Errors that a user can fix.

Each one says what is wrong, where, what was received and what to do next. The command line
prints it and exits with its code; a traceback indicates a bug.
"""


class SpotlightError(Exception):
    """An error that the user can fix.

    Args:
        message: what is wrong, where (file, row, key) and what was received.
        fix: what to do next, as an instruction, preferably a command.
    """

    exit_code = 1

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.fix}"


class ParamsError(SpotlightError):
    """`params.yaml` is missing, unreadable or invalid."""

    exit_code = 2


class DataError(SpotlightError):
    """A dataset can't be read or can't be trained on."""

    exit_code = 3


class ArtifactError(SpotlightError):
    """A file that another stage writes is missing or damaged."""

    exit_code = 4


class TrackingError(SpotlightError):
    """The MLflow store can't be reached or used."""

    exit_code = 5
