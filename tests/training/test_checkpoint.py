import io
import zipfile

import numpy as np
import pytest

from pipeline.training.checkpoint import Checkpoint


def archive(compression=zipfile.ZIP_DEFLATED):
    """A checkpoint's file whose arrays are compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, array in {"fingerprint": np.array("now"), "a": np.arange(5000)}.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(f"{name}.npy", content.getvalue())
    return buffer.getvalue()


def npy(array, **options):
    """The bytes of a single array's file."""
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


WHOLE = archive()
DAMAGED = {
    "nothing": b"",
    "a single array": npy(np.arange(3)),
    "a pickle": npy(np.array([{"a": 1}], object), allow_pickle=True),
    "text": b"hello\n",
    "zeros": bytes(1000),
    "half a zip": WHOLE[: len(WHOLE) // 2],
    "the end of a zip": WHOLE[len(WHOLE) // 2 :],
    "a broken deflate stream": WHOLE[:400] + bytes(200) + WHOLE[600:],
    "an unknown compression": WHOLE.replace(b"\x08\x00", b"\x63\x00"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_checkpoint_is_set_aside_with_a_word(tmp_path, capsys, content):
    """Training starts over, and saves and resumes as ever; nothing is deleted."""
    checkpoint = Checkpoint(tmp_path / "bilstm-1.npz", "now")
    checkpoint.path.write_bytes(content)
    assert checkpoint.restore() is None
    said = capsys.readouterr().out
    assert "The checkpoint bilstm-1.npz can't be read" in said
    assert "training starts over" in said
    assert (tmp_path / "bilstm-1.npz.damaged").read_bytes() == content
    assert checkpoint.restore() is None
    assert capsys.readouterr().out == ""
    checkpoint.save({"a": np.arange(3)})
    assert checkpoint.restore()["a"].tolist() == [0, 1, 2]


def test_a_folder_in_its_place_is_set_aside(tmp_path, capsys):
    """It could not be replaced by a file."""
    checkpoint = Checkpoint(tmp_path / "bilstm-1.npz", "now")
    checkpoint.path.mkdir()
    assert checkpoint.restore() is None
    assert "set aside" in capsys.readouterr().out
    checkpoint.save({})
    assert checkpoint.restore() == {}


def test_one_that_is_whole_is_kept_though_it_does_not_fit(tmp_path, capsys):
    """It is another input's, and not damaged."""
    Checkpoint(tmp_path / "kept.npz", "before").save({"a": np.arange(3)})
    assert Checkpoint(tmp_path / "kept.npz", "now").restore() is None
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npz"]
    assert capsys.readouterr().out == ""
