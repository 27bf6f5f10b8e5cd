"""What each row belongs to, as `data/raw` says it."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.card import read_groups, write_raw

GROUPS = np.array([4, 4, 7], np.int64)


@pytest.mark.parametrize(
    ("source", "split", "groups"),
    [
        ({"group_rows": 2}, "train", GROUPS),
        ({"group_column": "film"}, "validation", GROUPS),  # taken from train
        ({"kind": "series"}, "train", None),  # whose column of that name is a feature
    ],
)
def test_groups_are_read_where_the_source_says_them(tmp_path, source, split, groups):
    """A validation split that was taken from train has train's row numbers."""
    table = pa.table({"text": ["a", "b", "c"], "group": GROUPS})
    write_raw(tmp_path, {"train": table}, {"source": source, "splits": {"train": {}}})
    np.testing.assert_equal(read_groups(tmp_path, split), groups)
