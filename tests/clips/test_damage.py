"""Video that was cut off or damaged: what decodes is usable, and asking for the rest says how far it goes."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from leo_drive.clips import VideoSource
from leo_drive.errors import InputError
from tests.clips.conftest import Make
from tests.clips.numbered import Kind, read

_B_FRAMES = {"bf": "3", "b-pyramid": "normal", "preset": "veryfast"}

CUT_OFF = {
    "ts": Kind(".ts", options=_B_FRAMES),
    "mkv": Kind(".mkv", options=_B_FRAMES),
    "live mkv": Kind(".mkv", muxing={"live": "1"}, options=_B_FRAMES),
    "mp4 with its index first": Kind(muxing={"movflags": "faststart"}, options=_B_FRAMES),
    "fragmented mp4": Kind(muxing={"movflags": "frag_keyframe+empty_moov"}, options=_B_FRAMES),
    "flv": Kind(".flv", options=_B_FRAMES),
    "mjpeg avi": Kind(".avi", codec="mjpeg", pixels="yuvj420p"),
    "raw h264": Kind(".h264", format="h264", options=_B_FRAMES),
    "raw hevc": Kind(".hevc", codec="libx265", format="hevc"),
}


@pytest.mark.parametrize("part", [0.5, 0.83])
@pytest.mark.parametrize("kind", CUT_OFF.values(), ids=CUT_OFF.keys())
def test_cut_off(
    kind: Kind, part: float, make_video: Make, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    whole = make_video(kind).read_bytes()
    path = tmp_path / f"cut{kind.suffix}"
    path.write_bytes(whole[: int(len(whole) * part)])
    with VideoSource(path) as video:
        readable = video.last_time
        assert 0.1 * 6 < readable < 0.95 * 6
        # What the cut leaves of the last frame of a raw stream decodes to anything, or not at all.
        certain = readable - (0.4 if kind.format else 0.0)
        times = [i * certain / 12 for i in range(13)]
        for time, frame in zip(times, video.frames_at(times), strict=True):
            assert abs(read(frame.image) / 10 - time) <= 0.2
            assert read(frame.image) == round(frame.timestamp * 10)
        with pytest.raises(InputError, match=r"past the end; allowed are 0 to \d+\.\d+ s") as refused:
            video.frames_at([5.9])
        assert str(path) in str(refused.value) and "\n" not in str(refused.value)
        clip = video.clip(seconds=1.0, frames=3)
        assert clip.timestamps[-1] == pytest.approx(video.last_time, abs=0.11)
    assert capfd.readouterr().err == ""


def _in_a_header(raw: Path, frame: int = 21) -> int:
    """Where to cut a raw stream so that a frame begins of which nothing decodes."""
    with av.open(str(raw)) as file:
        sizes = [packet.size for packet in file.demux(video=0)]
    return sum(sizes[:frame]) + 6  # the start code, its unit's type and a byte


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        (Kind(".ts", codec="libx265"), 0.8),
        (Kind(".ts", codec="libx265"), 0.2),
        (CUT_OFF["raw h264"], None),
    ],
)
def test_tail_that_does_not_decode(kind: Kind, part: float | None, make_video: Make, tmp_path: Path) -> None:
    """Without a time asked for, the clip ends at the last frame that decodes."""
    whole = make_video(kind)
    path = tmp_path / f"cut{kind.suffix}"
    path.write_bytes(
        whole.read_bytes()[: _in_a_header(whole) if part is None else int(whole.stat().st_size * part)]
    )
    with VideoSource(path) as video:
        announced = video.last_time
        clip = video.clip(seconds=1.0, frames=3)
        assert clip.timestamps[-1] == video.last_time < announced
        assert [read(frame) for frame in clip.frames] == [round(10 * time) for time in clip.timestamps]


@pytest.mark.parametrize("kind", ["mp4 with its index first", "mkv"])
def test_header_that_promises_more(
    kind: str, make_video: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make_video(CUT_OFF[kind]).read_bytes()
    path = tmp_path / f"cut{CUT_OFF[kind].suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    with VideoSource(path) as video:
        video.frames_at([0.0])
        promise = "its header promises 6.000 s but the video is readable only to"
        assert len(caplog.messages) == 1 and caplog.messages[0].startswith(f"{path}: {promise} ")
        assert f"only to {video.duration:.3f} s (cut off or damaged)" in caplog.messages[0]
        video.close()
        with pytest.raises(InputError, match=promise):
            video.clip(at=5.5)
        assert len(caplog.messages) == 1


def test_zeros_at_the_end(make_video: Make, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    """Cameras that lose power leave files of full length whose end was never written."""
    whole = make_video(CUT_OFF["mp4 with its index first"]).read_bytes()
    path = tmp_path / "zeros.mp4"
    half = int(len(whole) * 0.6)
    path.write_bytes(whole[:half] + bytes(len(whole) - half))
    with VideoSource(path) as video:
        with pytest.raises(InputError, match=r"no frame can be decoded at 5.5 s; the video is readable to"):
            video.frames_at([5.5])
        assert video.duration < 5.0
        assert read(video.clip(seconds=1.0, frames=2).frames[-1]) == round(video.last_time * 10)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
def test_damage_in_the_middle(suffix: str, make_video: Make, tmp_path: Path) -> None:
    muxing = {"cluster_time_limit": "600"} if suffix == ".mkv" else {}
    damaged = bytearray(make_video(Kind(suffix, options=_B_FRAMES, muxing=muxing)).read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 200] = bytes(i * 37 % 256 for i in range(200))
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(damaged)
    with VideoSource(path) as video:
        assert video.last_time == pytest.approx(5.9, abs=0.011)
        first, last = video.frames_at([0.5, 5.85])
        assert read(first.image) == 5
        assert read(last.image) == 58
        video.frames_at([i / 10 for i in range(59)])  # in between: no error, nothing on stderr


def test_damaged_beginning(make_video: Make, tmp_path: Path) -> None:
    """No frame stands in for one of seconds before; the error names the time that it is about."""
    kind = Kind(".mkv", options=_B_FRAMES, muxing={"cluster_time_limit": "2000"})
    whole = bytearray(make_video(kind).read_bytes())
    with av.open(str(make_video(kind))) as intact:
        first = next(intact.demux(intact.streams.video[0]))
    del whole[_place(first) + first.size - 1]
    path = tmp_path / "damaged.mkv"
    path.write_bytes(whole)
    with VideoSource(path) as video:
        for asked in ([0.7], [5.5, 0.7]):
            with pytest.raises(InputError, match=r"no frame can be decoded at 0\.7 s, it is damaged there"):
                video.frames_at(asked)
        assert read(video.frames_at([5.5])[0].image) == 55


def test_damaged_first_frame(make_video: Make, tmp_path: Path) -> None:
    """The next, which shows as soon as it would have stopped to, serves for it and says its own time."""
    kind = Kind(".mov", codec="mjpeg", pixels="yuvj420p")
    whole = bytearray(make_video(kind).read_bytes())
    with av.open(str(make_video(kind))) as intact:
        first = next(intact.demux(intact.streams.video[0]))
    whole[_place(first) : _place(first) + first.size] = bytes(first.size)
    path = tmp_path / "damaged.mov"
    path.write_bytes(whole)
    with VideoSource(path) as video:
        frame = video.frames_at([0.0])[0]
        assert (read(frame.image), frame.timestamp) == (1, 0.1)


def _place(packet: av.Packet) -> int:
    """Where it begins in its file."""
    assert packet.pos is not None
    return packet.pos
