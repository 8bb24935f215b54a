"""What the user names decides what opens it; new kinds register; only what is needed is decoded."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import leo_drive.clips.opening as opening
from leo_drive.clips import (
    ImageSource,
    LingoQASegment,
    Opener,
    Source,
    VideoSource,
    open_source,
    register_opener,
)
from leo_drive.errors import InputError
from tests.clips.conftest import Make
from tests.clips.numbered import Kind, read

_B_FRAMES = {"bf": "3", "b-pyramid": "normal", "preset": "veryfast"}


def test_dispatch(make_video: Make, tmp_path: Path) -> None:
    path = make_video(Kind())
    with open_source(str(path)) as video:
        assert isinstance(video, VideoSource) and isinstance(video, Source)
        still = tmp_path / "still.png"
        video.frames_at([0.0])[0].image.save(still)
    assert all(isinstance(open_source(what), ImageSource) for what in (still, tmp_path, [still]))
    renamed = tmp_path / "drive:12:30 %03d"
    renamed.write_bytes(path.read_bytes())
    assert isinstance(open_source(renamed), VideoSource)


def test_options_that_do_not_apply(make_video: Make) -> None:
    with pytest.raises(InputError, match="rate does not apply to a video; it takes camera"):
        open_source(make_video(Kind()), rate=2.0)
    assert open_source(make_video(Kind()), camera="rear", rate=None).cameras == ("rear",)


def test_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_OPENERS", list(opening._OPENERS))
    (tmp_path / "log.drive").write_text("a kind of its own")
    opened = LingoQASegment.__new__(LingoQASegment)
    register_opener(Opener("drive log", lambda what: Path(what).suffix == ".drive", lambda path: opened))
    assert open_source(tmp_path / "log.drive") is opened


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_decodes_only_what_it_needs(suffix: str, make_video: Make) -> None:
    kind = Kind(suffix, frames=250, options={**_B_FRAMES, "g": "20"})
    slack = 40  # frames that threads and reordering hold
    with VideoSource(make_video(kind)) as video:
        assert video.duration and video.decoded_frames == 0
        assert read(video.frames_at([20.5])[0].image) == 205
        assert video.decoded_frames <= 20 + slack
        before = video.decoded_frames
        video.frames_at([24.9, 1.1])
        assert video.decoded_frames - before <= 2 * (20 + slack)
        # One sweep for wanted times in one group of pictures, not one each.
        before = video.decoded_frames
        video.frames_at([10.0 + i / 10 for i in range(20)])
        assert video.decoded_frames - before <= 20 + slack


def test_long_group_is_swept_once(make_video: Make) -> None:
    with VideoSource(make_video(Kind(frames=240, options={**_B_FRAMES, "g": "1000"}))) as video:
        frames = video.frames_at([i / 10 for i in range(0, 240, 7)])
        assert [read(frame.image) for frame in frames] == list(range(0, 240, 7))
        assert video.decoded_frames <= 240
        # Going on further ahead goes on decoding.
        for number in (30, 90, 150, 230):
            assert read(video.frames_at([number / 10])[0].image) == number
        assert video.decoded_frames <= 2 * 240


def test_skips_frames_nobody_refers_to(make_video: Make) -> None:
    with VideoSource(make_video(Kind(frames=240, options={**_B_FRAMES, "g": "1000"}))) as video:
        assert read(video.frames_at([20.0])[0].image) == 200
        assert video.decoded_frames < 170


def test_pickles_and_reopens(make_video: Make) -> None:
    with VideoSource(make_video(Kind(options=_B_FRAMES))) as video:
        assert read(video.frames_at([3.0])[0].image) == 30
        copy = pickle.loads(pickle.dumps(video))
        assert read(copy.frames_at([4.0])[0].image) == 40
        assert read(video.frames_at([5.0])[0].image) == 50
    assert read(video.frames_at([1.0])[0].image) == 10  # closed, and open again
    decoded = video.decoded_frames
    video.close()
    assert video.decoded_frames == decoded
    copy.close()


def test_times_of_many_frames_keep_their_order(make_video: Make) -> None:
    with VideoSource(make_video(Kind(options=_B_FRAMES))) as video:
        assert video.frames_at([]) == []
        numbers = [read(frame.image) for frame in video.frames_at([5.0, 0.1, 5.0, 2.2, 2.29])]
        assert numbers == [50, 1, 50, 22, 22]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("highway_960x540.mp4", 8.84), ("drive_0006R0.mp4", 101.0), ("drive_0016E5.mp4", 203.0)],
)
def test_real_drives(name: str, seconds: float, shared_video: Path) -> None:
    with open_source(shared_video / name) as video:
        assert video.duration == pytest.approx(seconds)
        clip = video.clip()
        assert len(clip.frames) == 5 and clip.timestamps[-1] == video.last_time
        # Found by seeking as by decoding all the way.
        interval = 1 / video.rate
        wanted = [20 * interval, 71 * interval, 45 * interval]
        sought = [frame.image.tobytes() for frame in video.frames_at(wanted)]
    with VideoSource(shared_video / name) as video:
        swept = video.frames_at([i * interval for i in range(72)])
        assert [swept[i].image.tobytes() for i in (20, 71, 45)] == sought
