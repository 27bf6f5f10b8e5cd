import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

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
