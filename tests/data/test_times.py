import numpy as np
import pytest

from pipeline.data.times import find_formats, read_times


@pytest.mark.parametrize(
    ("values", "pattern", "second"),
    [
        (["1980Q1", "1980Q2", "1980Q4"], "%YQ%q", "1980-04-01"),
        (["Q4 1980", "Q1 1981"], "Q%q %Y", "1981-01-01"),
        (["2020-W53", "2021-W01"], "%G-W%V", "2021-01-04"),
    ],
)
def test_quarters_and_weeks_are_times(values, pattern, second):
    """A quarter begins with its first month, an ISO week on its Monday."""
    assert find_formats(values) == [pattern]
    assert read_times(values, pattern)[1] == np.datetime64(second)


@pytest.mark.parametrize("value", ["1980Q5", "1980Q0", "1980Q12", "2021-W54"])
def test_what_is_no_quarter_or_week_does_not_fit(value):
    """Nor is it taken for another date."""
    assert find_formats([value]) == []
