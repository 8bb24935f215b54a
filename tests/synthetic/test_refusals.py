"""Data sets that cannot be drawn are refused before anything is written."""

import pytest

from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frames": 10}, r"1 to 9 frames; got .* 10 frames"),
        ({"size": (640, 63)}, r"64 pixels a side, .* got .* 640x63 pixels"),
        ({"size": (101, 64), "video": True}, r"must be even, got 101x64"),
    ],
)
def test_refused_before_anything_is_written(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        write_dataset(tmp_path / "out", clips=1, **wrong)
    assert not (tmp_path / "out").exists()
