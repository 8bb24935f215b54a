"""A clip's window: LingoQA's frames by default, shrunk at the start of a recording, or a sampler's."""

from __future__ import annotations

import logging
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leo_drive.clips import ImageSource, VideoSource, detect_scene_changes, fixed_fps, last_n, uniform
from leo_drive.errors import InputError
from tests.clips.conftest import Make
from tests.clips.numbered import Kind, read

_LONG = Kind(frames=200, options={"g": "25"})


def test_last_frames(make_video: Make, caplog: pytest.LogCaptureFixture) -> None:
    with VideoSource(make_video(_LONG)) as video:
        clip = video.clip(at=12.0)
        assert clip.timestamps == (8.0, 9.0, 10.0, 11.0, 12.0)
        assert [read(frame) for frame in clip.frames] == [80, 90, 100, 110, 120]
        assert clip.camera == "front" and clip.source == video.name
        assert video.clip(at=12.0, seconds=2.0, frames=4).timestamps == (10.5, 11.0, 11.5, 12.0)
        assert video.clip(at=12.04, seconds=1.0, frames=1).timestamps == (12.0,)
    assert not caplog.records


def test_default_is_the_end(make_video: Make) -> None:
    with VideoSource(make_video(_LONG)) as video:
        for clip in (video.clip(), video.clip(at=20.0), video.clip(at=video.duration), video.clip(at=19.95)):
            assert clip.timestamps == pytest.approx((15.9, 16.9, 17.9, 18.9, 19.9))


def test_too_early_shrinks_the_interval(make_video: Make, caplog: pytest.LogCaptureFixture) -> None:
    with VideoSource(make_video(_LONG)) as video, caplog.at_level(logging.WARNING, "leo_drive"):
        assert video.clip(at=2.0).timestamps == (0.0, 0.5, 1.0, 1.5, 2.0)
        message = caplog.records[0].getMessage()
        assert caplog.records[0].name.startswith("leo_drive")
        assert all(number in message for number in ("5 frames", "1.000 s", "2.000 s", "0.500 s"))
        assert "repeat" not in message and "\n" not in message
        caplog.clear()
        assert video.clip(at=4.0).timestamps == (0.0, 1.0, 2.0, 3.0, 4.0)
        assert not caplog.records
        assert video.clip(at=0.0, frames=3).timestamps == (0.0, 0.0, 0.0)
        assert "frames repeat" in caplog.records[0].getMessage()


def test_other_samplers(make_video: Make) -> None:
    with VideoSource(make_video(_LONG)) as video:
        assert video.clip(at=12.0, seconds=2.0, sampler=partial(uniform, n=3)).timestamps == (
            10.0,
            11.0,
            12.0,
        )
        assert video.clip(at=12.0, seconds=1.0, sampler=partial(fixed_fps, fps=2)).timestamps == (
            11.0,
            11.5,
            12.0,
        )
        latest = video.clip(at=12.0, sampler=lambda start, end: last_n(end, 2, 0.5))
        assert latest.timestamps == (11.5, 12.0)
        assert video.clip(at=1.0, sampler=partial(uniform, n=2)).timestamps == (0.0, 1.0)
        with pytest.raises(InputError, match="the sampler gives no time"):
            video.clip(sampler=lambda start, end: [])
        with pytest.raises(InputError, match="past the end"):
            video.clip(sampler=lambda start, end: [end + 5])


def test_scene_changes(tmp_path: Path) -> None:
    shades = [20] * 6 + [220] * 7 + [90] * 7
    paths = []
    for i, shade in enumerate(shades):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.full((40, 60, 3), shade, np.uint8)).save(paths[-1])
    source = ImageSource(paths, rate=2.0)
    assert detect_scene_changes(source) == [0.0, 3.0, 6.5]
    clip = source.clip(seconds=5.0, sampler=partial(detect_scene_changes, source))
    assert clip.timestamps == (4.5, 6.5)


def test_one_frame_a_second_keeps_its_times(make_video: Make) -> None:
    with VideoSource(make_video(Kind(rate=Fraction(1), frames=20))) as video:
        assert video.clip().timestamps == (15.0, 16.0, 17.0, 18.0, 19.0)
        assert video.duration == 20.0
