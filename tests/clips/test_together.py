"""Several cameras in one clip, and a model that is told which frame is whose."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from leo_drive.clips import Clip, open_source, together
from leo_drive.errors import InputError
from tests.clips.numbered import read
from tests.clips.recorded import write_mcap


def _clip(camera: str, frames: int = 1, size: tuple[int, int] = (64, 36), start: float = 0.0) -> Clip:
    images = tuple(Image.new("RGB", size, (40 * i, 90, len(camera) * 9)) for i in range(frames))
    return Clip(images, tuple(start + i for i in range(frames)), camera, "drive")


def test_one_frame_each() -> None:
    clip = together([_clip("front"), _clip("left", size=(48, 48))])
    assert clip.names == ("front", "left") and clip.camera == "front+left" and clip.source == "drive"
    assert clip.sizes == ((64, 36), (48, 48)) and clip.timestamps == (0.0, 0.0)


def test_moment_by_moment_from_a_log(tmp_path: Path) -> None:
    with open_source(write_mcap(tmp_path / "log.mcap")) as log:
        clip = together([log.clip(2.0, 1.0, 2, camera) for camera in log.cameras])
    assert clip.names == ("front 1", "left 1", "front 2", "left 2")
    assert [read(frame) for frame in clip.frames] == [15, 115, 20, 120]
    assert clip.timestamps == pytest.approx((1.5, 1.5, 2.0, 2.0))


def test_fewer_frames_join_at_the_end() -> None:
    clip = together([_clip("front", 3), _clip("rear", 1, start=2.1), _clip("left", 2)])
    assert clip.names == ("front 1", "front 2", "left 1", "front 3", "rear", "left 2")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: together([]), "no clips"),
        (lambda: together([_clip("front"), _clip("front")]), "drive: a camera twice among front, front"),
        (lambda: together([together([_clip("front")])]), "names already"),
        (lambda: Clip(_clip("a", 2).frames, (0, 1), names=("x",)), "2 frames but 1 names"),
        (lambda: Clip(_clip("a", 2).frames, (0, 1), names=("x", "x")), "a name of its own"),
        (lambda: Clip(_clip("a", 1).frames, (0,), names=("x\ny",)), "on one line"),
    ],
)
def test_refused(make, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says):
        make()
