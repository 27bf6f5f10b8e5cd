from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.params import TextEncode
from pipeline.encoding.corpus import assign_rows
from pipeline.errors import DataError

SETTINGS = TextEncode(vocabulary=100, max_len=10, validation_share=0.2)


def raw(groups):
    """A train and a test split, with these groups in train."""
    train = {
        "text": [f"text {row}" for row in range(len(groups))],
        "label": np.arange(len(groups)) % 2,
        "group": np.array(groups, np.int64),
    }
    test = {"text": ["a"], "label": [0]}
    return {"train": partial(parts, pa.table(train)), "test": partial(parts, pa.table(test))}


def parts(table):
    """A few rows at a time."""
    return (table.slice(start, 7) for start in range(0, table.num_rows, 7))


def test_validation_is_made_of_whole_groups():
    """No group of train is in validation too."""
    groups = np.arange(100) // 5
    splits = assign_rows(raw(groups), SETTINGS)
    assert 10 <= splits["validation"].mask.sum() <= 30
    held = splits["validation"].mask
    assert (splits["train"].mask == ~held).all()
    assert not set(groups[held]) & set(groups[~held])


def test_a_single_group_leaves_nothing_to_validate_on():
    """It can't be divided."""
    with pytest.raises(DataError, match="each class has only one group"):
        assign_rows(raw([7] * 20), SETTINGS)
