"""A packed model of texts and one of windows, each loaded once in another process."""

import pytest

from pipeline.core.predictions import read_predictions
from pipeline.serving import model
from tests.support.served import (
    BAD_TEXTS,
    BAD_WINDOWS,
    FEATURES,
    TEMPERATURE,
    TEXTS,
    answers,
    asked,
    spoilt,
    trained,
    trained_on_series,
)


@pytest.fixture(scope="package")
def packed(tmp_path_factory):
    """The folder of a packed attention model, and what was measured of it."""
    folder = tmp_path_factory.mktemp("served")
    models, encoded = trained(folder, "additive")
    goal = folder / "model"
    model.pack(goal, folder=models, encoded=encoded, temperature=TEMPERATURE)
    return goal, read_predictions(models / "test.parquet")


@pytest.fixture(scope="package")
def served(packed, tmp_path_factory):
    """The same, and what the model answers in another process."""
    bad = {name: {"text": texts} for name, texts in BAD_TEXTS.items()}
    found = answers(packed[0], tmp_path_factory.mktemp("elsewhere"), {"text": TEXTS}, bad)
    return *packed, found


@pytest.fixture(scope="package")
def served_series(tmp_path_factory):
    """What a packed regression answers in another process, what was measured, and the data."""
    folder = tmp_path_factory.mktemp("series")
    models, encoded, hours = trained_on_series(folder)
    goal = folder / "model"
    model.pack(goal, folder=models, encoded=encoded, temperature=None)
    good = {name: [asked(hours, start)[name][0] for start in range(4)] for name in FEATURES}
    bad = {name: spoilt(hours, **changes) for name, (changes, _) in BAD_WINDOWS.items()}
    found = answers(goal, tmp_path_factory.mktemp("elsewhere"), good, bad)
    return goal, read_predictions(models / "test.parquet"), hours, found
