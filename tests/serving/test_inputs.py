import time

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline.core.files import write_json
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.serving import inputs
from tests.support.served import (
    BAD_WINDOWS,
    FEATURES,
    MAX_LEN,
    STEPS,
    TEXTS,
    loaded,
    trained_on_series,
)


def test_the_tokens_are_the_texts_own(served):
    """Each stands where it says, and the weights of a text sum to 1."""
    _, _, answers = served
    assert "tokens" not in answers["plain"][0]
    for given, row in zip(TEXTS, answers["attention"], strict=True):
        assert 0 < len(row["tokens"]) <= MAX_LEN
        for token in row["tokens"]:
            assert given[token["start"] : token["end"]] == token["token"]
        assert sum(token["weight"] for token in row["tokens"]) == pytest.approx(1, abs=1e-5)


def test_what_is_no_text_is_refused_in_words(served):
    """With the row, what it holds, and the code that makes a server answer 400."""
    _, _, answers = served
    for name, received in {
        "none": "row 1 (from 0) holds nothing",
        "empty": "row 0 (from 0) holds ''",
        "blank": "row 0 (from 0) holds '  '",
    }.items():
        code, message = answers["refused"][name]
        assert code == "INVALID_PARAMETER_VALUE"
        assert received in message
    assert "Incompatible input types for column text" in answers["refused"]["number"][1]


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
        (["warm" * 1_000_000], "holds 'warmwarm"),
    ],
    ids=["rows", "beyond a float", "4 MB"],
)
def test_windows_are_limited_too(tmp_path, windows, said):
    """Their length is the model's; a number has 64 bits, and an answer a line."""
    oil = {"name": "oil", "mean": 0.0, "deviation": 1.0}
    write_json(tmp_path / "scaler.json", {"features": [oil], "target": oil, "relative": False})
    reader = inputs.SeriesReader(tmp_path, {"features": ["oil"], "time_steps": 2})
    with pytest.raises(MlflowException) as caught:
        reader.read(pd.DataFrame({"oil": windows}))
    assert said in caught.value.message
    assert len(caught.value.message) < 400


def test_the_steps_are_the_windows_own(served_series):
    """Counted from 0, and the weights of a window sum to 1."""
    *_, answers = served_series
    for row in answers["attention"]:
        assert [step["step"] for step in row["steps"]] == list(range(STEPS))
        assert sum(step["weight"] for step in row["steps"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("case", BAD_WINDOWS)
def test_what_is_no_window_is_refused_in_words(case, served_series):
    """One paragraph: column, row, what stands there, what to give; a server answers 400."""
    *_, answers = served_series
    code, message = answers["refused"][case]
    assert code == "INVALID_PARAMETER_VALUE"
    assert BAD_WINDOWS[case][1] in message
    assert "\n" not in message


def test_no_window_at_all_is_refused(tmp_path):
    """An empty request is a mistake, not an empty answer."""
    models, encoded, _ = trained_on_series(tmp_path)
    reader = loaded(models, encoded).parts.reader
    with pytest.raises(MlflowException, match="at least one window"):
        reader.read(pd.DataFrame({name: [] for name in FEATURES}))
