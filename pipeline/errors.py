"""Errors that a user can fix.

Each one says what is wrong, where, what was received and what to do next. The command line
prints it and exits with its code; a traceback indicates a bug.
"""

import errno


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


class MachineError(SpotlightError):
    """The machine refuses something: its disk is full, a file's rights do not suffice."""

    @classmethod
    def of(cls, error: OSError | MemoryError | RecursionError, command: str) -> "MachineError":
        """What an error of the system's means to a user: what, where, and what to do.

        Args:
            error: notes of `core.files.doing` say what was being done.
            command: what the user, or DVC, called.
        """
        file, reason, fix = None, str(error), "mend that, and run the command again."
        if isinstance(error, MemoryError):
            reason = f"memory does not suffice {reason}".rstrip()
            fix = "use fewer rows, or a smaller `batch_size` or `max_len`."
        elif isinstance(error, RecursionError):
            fix = "nest the data less deeply."
        elif error.args and isinstance(error.args[0], list):  # shutil.Error: each file's
            file, _, reason = error.args[0][0]
        else:
            file, reason = error.filename, error.strerror or reason
            fix = _REMEDIES.get(error.errno or 0, fix)
        notes: list[str] = getattr(error, "__notes__", [])
        doing = f" while {notes[-1]}" if notes else ""
        return cls(f"`{command}` stopped{doing}: {reason}{f' ({file})' if file else ''}.", fix=fix)


_FULL = "free some space (`make clean` removes what can be made again), then run it again."
_RIGHTS = "see who may use it with `ls -ld`, change that with chmod or chown, then run it again."
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "move the project to a folder that can be written to, then run it again.",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EISDIR: "a file is expected there: move the folder away, then run it again.",
    errno.ENOTDIR: "a folder is expected there: move the file away, then run it again.",
    errno.ENOENT: "restore that file or correct its path, then run it again.",
    errno.ENAMETOOLONG: "choose a shorter name, or move the project to a shorter path.",
    errno.EFBIG: "allow larger files with `ulimit -f unlimited`, then run it again.",
    errno.ELOOP: "this link leads back to itself: remove it, or restore the file.",
    errno.EMFILE: "raise the limit with `ulimit -n 4096`, then run it again.",
    errno.ENFILE: "close other programs: the whole machine has too many files open.",
    errno.ENOMEM: "close other programs, or lower `batch_size`, then run it again.",
    errno.EADDRINUSE: "choose another port: --port 5001",
}


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
    """The MLflow store can't be reached or used, or nothing in it may be promoted."""

    exit_code = 5
