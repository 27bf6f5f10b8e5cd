"""`dvc …` as a user runs it, without its start: forked from a process that has imported DVC."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    ["dvc.cli.parser", "dvc.commands.data_sync", "dvc.repo.reproduce", "dvc.repo.plots",
     "dvc.repo.datasets", "dvc.lock", "dvc.scm", "dvc_data.hashfile.status", "networkx",
     "ruamel.yaml"]
)  # fmt: skip


def run_dvc(folder, *arguments, environment):
    """Run a command of DVC in a folder, with these variables alone."""
    with tempfile.TemporaryDirectory() as scratch:
        streams = [Path(scratch, name) for name in ("out", "err")]
        process = _FORKED.Process(target=_run, args=(folder, arguments, environment, streams))
        process.start()
        process.join()
        out, err = (path.read_text() for path in streams)
        return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


def _run(folder, arguments, environment, streams):
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    from dvc.cli import main

    sys.exit(main(list(arguments)))
