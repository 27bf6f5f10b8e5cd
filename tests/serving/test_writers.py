"""Files of answers, in a full disk's way or a kill's."""

import errno
import subprocess

import pytest

from pipeline.errors import MachineError
from pipeline.serving import writers


@pytest.mark.parametrize("write", writers.FILES.values())
def test_a_full_disk_names_the_file_and_leaves_the_earlier_one(tmp_path, write):
    """Nothing else stays beside it."""
    path = tmp_path / "answers"
    path.write_text("earlier")
    with pytest.raises(OSError, match="No space left") as caught, write(path, explain=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert f"while writing {path}: No space" in str(MachineError.of(caught.value, "predict"))
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_is_cleared_by_the_next_file(tmp_path):
    """As by every file that is written."""
    with subprocess.Popen(["true"]) as ended:
        pass
    left = tmp_path / f".answers.csv.{ended.pid}-0.tmp"
    left.mkdir()
    with writers.csv_file(tmp_path / "answers.csv", explain=False):
        assert not left.exists()
