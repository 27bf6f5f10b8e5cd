import numpy as np
import pyarrow as pa
import pytest

from pipeline.encoding.series import fit_scaler
from pipeline.errors import DataError


def test_a_constant_column_is_only_centered():
    """The deviation of 8,640 times 0.1 is rounded to 1e-17, by which nothing may be divided."""
    train = pa.table({"y": np.full(8640, 0.1)})
    scaler = fit_scaler(train, features=["y"], target="y")
    later = scaler.standardize(np.array([[0.1], [0.2]]))
    assert later.ravel().tolist() == pytest.approx([0, 0.1])


def test_a_value_too_far_from_train_to_compute_with_is_refused():
    """Nearly constant there, and far away later: 32 bits would hold it as infinity."""
    train = pa.table({"y": 0.1 + 1e-17 * (np.arange(100) > 50)})
    scaler = fit_scaler(train, features=["y"], target="y")
    with pytest.raises(DataError, match=r"'y' is .* of train's standard deviations"):
        scaler.standardize(np.array([[1e29]]))
