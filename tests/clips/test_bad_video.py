"""What cannot be opened is one line that names the file, says what is wrong and what to do."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from leo_drive.clips import VideoSource, open_source
from leo_drive.errors import InputError
from tests.clips.conftest import Make
from tests.clips.numbered import Kind


def _refusal(path: Path, capfd: pytest.CaptureFixture) -> str:
    with pytest.raises(InputError) as refused:
        open_source(path)
    message = str(refused.value)
    assert str(path) in message and "\n" not in message
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert capfd.readouterr().err == ""
    return message


def test_missing(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    assert "no such file" in _refusal(tmp_path / "gone.mp4", capfd)


def test_empty(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "is empty (0 bytes)" in _refusal(path, capfd)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes.mkv", "notes"])
def test_text(name: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / name
    path.write_text("Turn left at the lights.\n" * 200)
    assert "not a video" in _refusal(path, capfd)


def test_random_bytes(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    _refusal(path, capfd)


def test_playlist(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    _refusal(path, capfd)


@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
def test_cut_off_before_its_index(
    part: float, make_video: Make, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    whole = make_video(Kind()).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * part)])
    message = _refusal(path, capfd)
    assert "truncated" in message and "moov" in message and "untrunc" in message


def test_cut_off_in_its_header(make_video: Make, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(make_video(Kind()).read_bytes()[:20])
    assert "moov" in _refusal(path, capfd)


@pytest.mark.parametrize("size", [40, 100, 200, 400, 440, 600, 800])
def test_cut_off_in_its_index(size: int, make_video: Make, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(make_video(Kind(muxing={"movflags": "faststart"})).read_bytes()[:size])
    with pytest.raises(InputError, match="truncated MP4: its index"):
        VideoSource(path).clip()


def test_mkv_cut_off_near_its_start(make_video: Make, tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    whole = make_video(Kind(".mkv", codec="libx265")).read_bytes()
    path.write_bytes(whole[: len(whole) // 12])
    with pytest.raises(InputError, match="cut off near its start, or the disk fails; copy it again"):
        VideoSource(path).clip()


def test_pipe(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is a pipe or a device, not a file" in _refusal(tmp_path / "pipe.mp4", capfd)


def test_sound_only(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "sound.mp4"
    _write_sound(path)
    assert "no video stream, only audio" in _refusal(path, capfd)


def test_no_permission(make_video: Make, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(make_video(Kind()).read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    assert "no permission" in _refusal(path, capfd)


@pytest.mark.parametrize(
    ("time", "says"),
    [
        (6.1, "time 6.1 s is past the end; allowed are 0 to 6.000 s"),
        (1e12, "past the end"),
        (-1.0, "time -1 s is before the start; allowed are 0 to 6.000 s"),
        (float("nan"), "time nan is not a time"),
        (float("inf"), "time inf is not a time"),
        ("3", "time '3' is not a number"),
        (True, "time True is not a number"),
    ],
)
def test_times(time: float, says: str, make_video: Make) -> None:
    path = make_video(Kind())
    with VideoSource(path) as video:
        for ask in (lambda: video.frames_at([1.0, time]), lambda: video.clip(at=time)):
            with pytest.raises(InputError) as refused:
                ask()
            assert says in str(refused.value) and path.name in str(refused.value)


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"frames": -1}, {"frames": 2.5}, {"seconds": 0}, {"seconds": -2.0}]
)
def test_counts(wrong: dict[str, float], make_video: Make) -> None:
    with VideoSource(make_video(Kind())) as video, pytest.raises(InputError, match=next(iter(wrong))):
        video.clip(**wrong)  # type: ignore[arg-type]


def test_unknown_camera(make_video: Make) -> None:
    with (
        VideoSource(make_video(Kind())) as video,
        pytest.raises(InputError, match="no camera 'rear'; there is front"),
    ):
        video.frames_at([0.0], "rear")


def _write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        stream.layout = "mono"
        for i in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, i * 1024, Fraction(1, 48000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
