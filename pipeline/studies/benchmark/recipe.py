"""CPU time of IMDB's recipe, by the code of this folder and by that of another commit.

Modules and functions have other names in each commit, so both are called with the command that
their own `dvc.yaml` gives for the stage `train`.
"""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.files import read_table, temporary_folder, write_array, write_bytes, write_json
from pipeline.core.schema import read_yaml
from pipeline.core.sequences import Sequences, write_sequences
from pipeline.encoding.text import frequent_bigrams
from pipeline.errors import SpotlightError
from pipeline.repository import git_bytes
from pipeline.studies.benchmark import arithmetic
from pipeline.studies.benchmark.settings import Options
from pipeline.workspace import Workspace

_MODEL = "bilstm_attention"
_FEW = 4  # batches of the epochs that tell what an epoch takes besides its steps
_HELD = 64  # rows of validation, and of test


def measure(
    workspace: Workspace, rows: Sequences, options: Options, say: Callable[[str], object]
) -> dict[str, Any]:
    """Train with both codes in turn, epoch by epoch, on the rows of some batches.

    Each waits while another trains. The first epoch, in which functions are compiled, doesn't
    count. Of an epoch, what one of few batches takes is subtracted: it has a validation and a
    checkpoint, too.

    Args:
        workspace: whose code is measured; the other commit's is unpacked in its scratch folder.
        rows: to draw from.
        options: the commit, batches, repeats, threads.
        say: prints progress.

    Returns:
        By code, "this" or the commit, the CPU milliseconds of a step in each repeat, and the
        recipe; and how many times as fast this one is.

    Raises:
        SpotlightError: git has no such commit, or a training failed.
    """
    with temporary_folder(workspace.scratch / "recipe") as folder, ExitStack() as stack:
        codes = {"this": workspace.root, options.against: folder / "code"}
        _unpack(workspace.root, options.against, folder / "code")
        entries = {name: _params(code)["datasets"]["imdb"] for name, code in codes.items()}
        pairs = frequent_bigrams(rows, entries["this"]["encode"]["bigrams"])
        trainings: dict[str, list[_Training]] = {name: [] for name in codes}
        for name, code in codes.items():
            for batches in (_FEW, _FEW + options.batches):
                place = Workspace(folder / f"{name}-{batches}")
                encode_rows(place, rows, options, batches=batches, pairs=pairs)
                _prepare(place, code, options)
                training = stack.enter_context(_Training(code, place.root))
                training.epoch()
                trainings[name].append(training)
        found: dict[str, list[float]] = {name: [] for name in codes}
        for repeat in range(1, options.repeats + 1):
            for name, (few, many) in trainings.items():
                seconds = -few.epoch() + many.epoch()
                found[name].append(1000 * seconds / options.batches)
                say(f"  repeat {repeat}/{options.repeats}  {name:<10} {found[name][-1]:6.0f} ms")
    rates = {name: [1 / each for each in values] for name, values in found.items()}
    return {
        "batches": options.batches,
        "recipes": {name: entry["training"] for name, entry in entries.items()},
        "cpu_milliseconds": found,
        "cpu_ratio": arithmetic.ratios(rates, of="this")[options.against],
    }


def _unpack(root: Path, commit: str, code: Path) -> None:
    archive = git_bytes(root, "archive", commit, "pipeline", "locks", "dvc.yaml", "params.yaml")
    if archive is None:
        raise SpotlightError(
            f"Git has no commit {commit} of the pipeline in {root}.",
            fix="name one that `git log` shows: --against COMMIT",
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        # Before Python 3.11.4 there are no filters.
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(code)


def _params(code: Path) -> Any:
    return read_yaml(code / "params.yaml")


def encode_rows(
    workspace: Workspace,
    rows: Sequences,
    options: Options,
    *,
    batches: int,
    pairs: NDArray[np.int32],
) -> None:
    """Write what the stage `encode` would: of the training rows, those of some batches.

    Word vectors are left out: where a network's weights start changes no time.
    """
    rng = np.random.default_rng(options.seed)
    order = arithmetic.sample(rows, options.batch_size, batches, rng)
    held = rows.take(np.arange(min(_HELD, len(rows))))
    splits = {"train": rows.take(np.concatenate(order)), "validation": held, "test": held}
    workspace.encoded.mkdir(parents=True)
    for name, split in splits.items():
        path = workspace.encoded / f"{name}.parquet"
        write_sequences(path, split)
        # Earlier commits read the steps from a column of this file.
        steps = pa.LargeListArray.from_arrays(pa.array(split.starts), pa.array(split.values))
        pq.write_table(read_table(path).append_column("values", steps), path)
    write_array(workspace.encoded / "bigrams.npy", pairs)
    about = {
        "dataset": "imdb",
        "kind": "text",
        "task": "binary",
        "classes": ["neg", "pos"],
        "vocabulary_size": options.vocabulary,
        "max_len": options.max_len,
        "bigrams": len(pairs),
    }
    write_json(workspace.encoded / "encoding.json", about)


def _prepare(workspace: Workspace, code: Path, options: Options) -> None:
    """Write the code's parameters for one model, and its libraries."""
    params = _params(code)
    params |= {"dataset": "imdb", "models": [_MODEL], "seeds": [1], "threads": options.threads}
    epochs = 1 + options.repeats
    params["datasets"]["imdb"]["training"] |= {"epochs": epochs, "min_epochs": epochs}
    write_json(workspace.params, params)  # JSON is YAML
    write_bytes(workspace.libraries, Workspace(code).libraries.read_bytes())


class _Training:
    """A code's stage `train` in a process of its own, which waits between epochs.

    Args:
        code: the folder of the code.
        root: the folder of the data and parameters.
    """

    def __init__(self, code: Path, root: Path) -> None:
        pipeline: Any = read_yaml(code / "dvc.yaml")
        command: str = pipeline["stages"]["train"]["cmd"]
        for named, value in {
            "${item}": f"--model {_MODEL} --seed 1",
            "${item.model}": _MODEL,
            "${item.seed}": "1",
        }.items():
            command = command.replace(named, value)
        _, *arguments = shlex.split(command)  # python
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(code)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> "_Training":
        return self

    def epoch(self) -> float:
        """Train until the line that ends an epoch; returns the CPU seconds since the last."""
        before = cpu_seconds(self._process.pid)
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdout
        said = []
        for line in self._process.stdout:
            if re.search(r"epoch \d+/\d+ .*loss", line):
                self._process.send_signal(signal.SIGSTOP)
                return cpu_seconds(self._process.pid) - before
            said.append(line)
        raise SpotlightError(
            f"Training in the benchmark ended early: {''.join(said)[-500:].strip()}",
            fix="compare with a commit that today's libraries suit: --against COMMIT",
        )

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def cpu_seconds(process: int) -> float:
    """What all threads of a process have used so far."""
    _, fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
