import time

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline.core.files import write_json
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.serving import inputs
from tests.support.served import (
    FEATURES,
    loaded,
    trained_on_series,
)


def test_no_row_at_all_is_refused():
    """An empty request is a mistake, not an empty answer."""
    with pytest.raises(MlflowException, match="at least one text"):
        inputs.valid_texts([])


@pytest.fixture
def reader(tmp_path):
    """A reader of texts with a small vocabulary."""
    texts = ["a good film", "a bad film"]
    (tmp_path / "tokenizer.json").write_text(train_tokenizer(texts, vocabulary=9).to_json())
    return inputs.TextReader(tmp_path, {"max_len": 4})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["good " * 12_000_000], "row 0 (from 0) has 60,000,000 characters; at most 1,000,000"),
        (["good", " " * 60_000_000], "row 1 (from 0) has 60,000,000 characters"),
        (["good " * 200_000] * 60, "more than 10,000,000 characters together, from row 10"),
        (["good"] * 10_001, "There are 10,001 rows; a request takes 10,000"),
        ([" " * 1_000_000], f"row 0 (from 0) holds '{' ' * 97}"),
    ],
    ids=["60 MB", "60 MB of blanks", "60 MB in all", "rows", "blanks"],
)
def test_a_request_that_would_keep_a_server_busy_is_refused_at_once(reader, texts, said):
    """Sixty megabytes of text: in words, shortly, and before a token is made."""
    begun = time.perf_counter()
    with pytest.raises(MlflowException) as caught:
        reader.read(pd.DataFrame({"text": texts}))
    assert time.perf_counter() - begun < 2
    assert said in caught.value.message
    assert len(caught.value.message) < 300


def test_the_longest_text_that_is_taken_is_read(reader):
    """And the most rows."""
    longest = reader.read(pd.DataFrame({"text": ["good " * 200_000]}))
    assert longest.sequences.lengths.tolist() == [4]
    assert len(reader.read(pd.DataFrame({"text": ["good"] * 10_000})).sequences) == 10_000


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ([[1.0, 2.0]] * 10_001, "a request takes 10,000"),
        ([[1.0, 10**400]], "holds 1000"),
        ([[1.0, 1e31]], "beyond 1e+30"),
        ([[1.0, 9e29]], "'oil' is 9e+31 of train's standard deviations"),
        (["warm" * 1_000_000], "holds 'warmwarm"),
    ],
    ids=["rows", "beyond a float", "too large", "too far from train's", "4 MB"],
)
def test_windows_are_limited_too(tmp_path, windows, said):
    """Their length is the model's; a number has 64 bits, and an answer a line."""
    oil = {"name": "oil", "mean": 0.0, "deviation": 0.01}
    write_json(tmp_path / "scaler.json", {"features": [oil], "target": oil, "relative": False})
    reader = inputs.SeriesReader(tmp_path, {"features": ["oil"], "time_steps": 2})
    with pytest.raises(MlflowException) as caught:
        reader.read(pd.DataFrame({"oil": windows}))
    assert said in caught.value.message
    assert len(caught.value.message) < 400


def test_no_window_at_all_is_refused(tmp_path):
    """An empty request is a mistake, not an empty answer."""
    models, encoded, _ = trained_on_series(tmp_path)
    reader = loaded(models, encoded).parts.reader
    with pytest.raises(MlflowException, match="at least one window"):
        reader.read(pd.DataFrame({name: [] for name in FEATURES}))
