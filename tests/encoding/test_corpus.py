from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.params import TextEncode
from pipeline.encoding.corpus import assign_rows, encode_corpus
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


@pytest.mark.parametrize("others", [[], ["another", "more"]])
def test_unlabeled_texts_of_validation_are_left_out(others):
    """Word for word the same, held out of train; those of train are learned from like others."""
    labeled = raw(np.arange(20))
    splits = assign_rows(labeled, SETTINGS)
    first, second, *_ = splits["validation"].texts()
    texts = [first, *others, second]
    encoded = encode_corpus(
        {**labeled, "unsupervised": partial(parts, pa.table({"text": texts}))}, SETTINGS
    )
    assert encoded.unlabeled == {"rows": len(others), "also_in_validation": 2}
    found = list(encoded.splits["unsupervised"])
    assert [row for part in found for row in part.rows] == list(range(1, 1 + len(others)))
    assert not any(part.targets.any() for part in found)
    assert encode_corpus(labeled, SETTINGS).unlabeled is None
