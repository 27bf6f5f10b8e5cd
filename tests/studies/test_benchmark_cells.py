from types import SimpleNamespace

import pytest

from pipeline.studies.benchmark import cells, table
from pipeline.workspace import Workspace
from tests.support.bench_document import DOCUMENT

LOCK = """
stages:
  encode:
    outs: [{path: data/encoded, md5: aa}]
  train@a-1:
    outs: [{path: results/models/a-1, md5: bb}]
  train@a-2:
    outs: [{path: results/models/a-2, md5: cc}]
  train@a-3:
    outs: [{path: results/models/a-3, md5: ee}]
"""


@pytest.fixture
def ways(monkeypatch):
    """Stand-ins for the three ways; each has the time and leaves the lock that it is given."""
    monkeypatch.setattr(cells.importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(cells, "MODELS", ["a"])
    monkeypatch.setattr(cells, "_prepare", lambda _, prepared: prepared.mkdir())
    clock = [0.0]
    monkeypatch.setattr(cells.time, "perf_counter", lambda: clock[0])

    def give(way, seconds, lock):
        def train(folder, **_):
            clock[0] += seconds
            (folder / "dvc.lock").write_text(lock)

        monkeypatch.setattr(cells, f"_{way}", train)

    give("serial", 60.0, LOCK)
    give("jobs", 30.0, LOCK)
    return give


def measured(tmp_path):
    """Two repeats."""
    return cells.measure(Workspace(tmp_path), SimpleNamespace(repeats=2), lambda _: None)


def test_the_ways_take_turns_and_their_bytes_are_compared(ways, tmp_path):
    """Times as they are, and how many times as fast; what isn't a cell may differ."""
    ways("ray", 40.0, LOCK.replace("aa", "dd").replace("ee", "ff"))
    found = measured(tmp_path)
    assert found["cells"] == 2
    assert found["seconds"] == {"serial": [60, 60], "jobs": [30, 30], "ray": [40, 40]}
    assert found["same_bytes"]
    text = table.markdown({**DOCUMENT, "cells": found})
    assert "30 s (30 to 30)" in text
    assert "2.00 × (2.00 to 2.00)" in text
    assert "1.50 × (1.50 to 1.50)" in text
    assert "All ways left the same bytes" in text


def test_other_bytes_are_told(ways, tmp_path):
    """Of a single cell, in a single way."""
    ways("ray", 40.0, LOCK.replace("cc", "dd"))
    found = measured(tmp_path)
    assert not found["same_bytes"]
    assert "The ways left other bytes" in table.markdown({**DOCUMENT, "cells": found})


def test_without_ray_nothing_is_measured(ways, tmp_path, monkeypatch):
    """Three ways belong in one table."""
    monkeypatch.setattr(cells.importlib.util, "find_spec", lambda _: None)
    assert measured(tmp_path) is None
