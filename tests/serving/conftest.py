"""A packed model of texts and one of windows, each loaded once in another process."""

import pytest

from pipeline.core.predictions import read_predictions
from pipeline.serving import model
from tests.support.project import copy_compiled
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
    copy_compiled(model.PACKAGE, goal / "code" / "pipeline")
    return goal, read_predictions(models / "test.parquet")


@pytest.fixture(scope="package")
def packed_series(tmp_path_factory):
    """The folder of a packed regression, what was measured of it, and the data."""
    folder = tmp_path_factory.mktemp("series")
    models, encoded, hours = trained_on_series(folder)
    goal = folder / "model"
    model.pack(goal, folder=models, encoded=encoded, temperature=None)
    copy_compiled(model.PACKAGE, goal / "code" / "pipeline")
    return goal, read_predictions(models / "test.parquet"), hours


@pytest.fixture(scope="package")
def answered(packed, packed_series, tmp_path_factory):
    """What both answer in other processes."""
    *_, hours = packed_series
    windows = {name: [asked(hours, start)[name][0] for start in range(4)] for name in FEATURES}
    no_texts = {name: {"text": texts} for name, texts in BAD_TEXTS.items()}
    no_windows = {name: spoilt(hours, **changes) for name, (changes, _) in BAD_WINDOWS.items()}
    requests = [(packed[0], {"text": TEXTS}, no_texts), (packed_series[0], windows, no_windows)]
    return answers(requests, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def served(packed, answered):
    """The model of texts, what was measured of it, and what it answers elsewhere."""
    return *packed, answered[0]


@pytest.fixture
def served_series(packed_series, answered):
    """The same of the regression, and its data."""
    return *packed_series, answered[1]
