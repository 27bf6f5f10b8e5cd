import json
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.core.sequences import Sequences, starts_of
from pipeline.errors import SpotlightError
from pipeline.studies.benchmark import table, workers
from pipeline.studies.benchmark.settings import Sizes
from pipeline.studies.processes import Timed
from tests.support.bench_document import DOCUMENT

ROWS = Sequences(
    np.arange(64),
    np.zeros(64, np.int64),
    starts_of([3] * 64),
    np.tile([5, 6, 7], 64).astype("int32"),
)
NUMBERS = {"dense": 1_000_000, "word": 101}


def test_what_machines_send_and_gain_on_paper():
    """By hand: two machines send each dense number once, and each its three words."""
    first, larger, *others = workers.on_paper(ROWS, NUMBERS, batch_size=8, seconds=0.1, seed=0)
    assert (first["machines"], first["rows"], first["words"]) == (2, 4, 3)
    assert first["bytes"] == pytest.approx(4 * (1_000_000 + 3 * 101))
    assert first["sends"] == pytest.approx(first["bytes"] * 8 / 1e10)
    assert first["computes"] == pytest.approx(0.05)
    assert first["times"] == pytest.approx(0.1 / (0.05 + first["sends"]))
    assert larger["times"] == pytest.approx(2 * 0.1 / (0.1 + first["sends"]))
    assert [(each["machines"], each["rows"]) for each in others] == [(8, 1), (8, 8), (64, 8)]


class Stand:
    """A worker that has taken a second, or half of one together with another."""

    started = None

    def __init__(self, *given):
        self.started.append(given)
        self._alone = not given[-1]

    def call(self, method, *_):
        seconds = 1.0 if self._alone else 0.5
        return Timed(NUMBERS if method == "numbers" else None, seconds, seconds + 0.1)

    def close(self):
        """Nothing was opened."""


def options():
    """Few and small."""
    return SimpleNamespace(
        sizes=Sizes(50, 6, 4, 12), spotlight_batch_size=8, batches=2, repeats=2, seed=0
    )


def test_one_worker_and_two_take_turns_on_a_core_each(monkeypatch):
    """A step takes as long as its slowest worker, and the CPU time of both."""
    monkeypatch.setattr(Stand, "started", [])
    monkeypatch.setattr(workers, "Worker", Stand)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {7, 4, 5})
    found = workers.measure(ROWS, options(), lambda _: None)
    assert found["milliseconds"] == {"1": [500, 500], "2": [250, 250]}
    assert found["cpu_milliseconds"]["2"] == pytest.approx([600, 600])
    assert found["busiest_milliseconds"] == {"1": [550, 550], "2": [300, 300]}
    assert [given[-2] for given in Stand.started] == [4, 4, 5]
    configs = [json.loads(given[-1]) for given in Stand.started[1:]]
    assert [config["task"]["index"] for config in configs] == [0, 1]
    text = table.markdown({**DOCUMENT, "workers": found})
    assert "2.00 × (2.00 to 2.00) as fast on the clock" in text
    assert "CPU time 1.83 × (1.83 to 1.83)." in text
    assert "1,000,000 numbers of dense" in text


def test_two_workers_need_two_cores(monkeypatch):
    """Pinned to one, they would measure nothing."""
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {0})
    with pytest.raises(SpotlightError, match="Two workers need a core each"):
        workers.measure(ROWS, options(), lambda _: None)
