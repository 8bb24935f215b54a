"""The frame at an asked time is that frame, in every kind of video file found in the wild."""

from __future__ import annotations

import random
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Container, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

from leo_drive.clips import VideoSource, timeline
from leo_drive.clips.container import OpenVideo
from leo_drive.errors import InputError
from tests.clips.conftest import Make
from tests.clips.numbered import Kind, draw, read

_B_FRAMES = {"bf": "3", "b-pyramid": "normal", "preset": "veryfast"}
_B_2 = {"bf": "2"}
_OVERFLOW = Fraction(2**33, 90000)
"""Seconds at which the 33 bit clock of MPEG-TS begins again at 0."""

_IRREGULAR = [Fraction(0)]
for _gap in [33, 33, 100, 7, 33, 900, 33, 66, 33, 250] * 6:
    _IRREGULAR.append(_IRREGULAR[-1] + Fraction(_gap, 1000))


def _gaps_at_the_end(seconds: Fraction) -> dict[str, Any]:
    """Two seconds at 30 fps, then three frames that far apart, the last of them sent before the others."""
    times = [Fraction(i, 30) for i in range(60)] + [Fraction(59, 30) + i * seconds for i in (1, 2, 3)]
    return {"frames": len(times), "times": times, "rate": Fraction(30), "options": _B_2}


KINDS = {
    "constant rate": Kind(),
    "29.97 fps": Kind(rate=Fraction(30000, 1001), options=_B_FRAMES),
    "one frame": Kind(frames=1),
    "1 fps": Kind(rate=Fraction(1), frames=20),
    "b-frames": Kind(options=_B_FRAMES),
    "long gop": Kind(frames=150, rate=Fraction(30), options={**_B_FRAMES, "g": "1000"}),
    "open gop": Kind(options={**_B_FRAMES, "x264-params": "open-gop=1"}),
    "open gop ts": Kind(".ts", options={**_B_FRAMES, "x264-params": "open-gop=1"}),
    "intra refresh": Kind(".ts", options={"x264-params": "intra-refresh=1", "preset": "veryfast"}),
    "variable rate mp4": Kind(frames=61, times=_IRREGULAR, rate=Fraction(30), options=_B_FRAMES),
    "variable rate mkv": Kind(".mkv", frames=61, times=_IRREGULAR, rate=Fraction(30), options=_B_FRAMES),
    "variable rate ts": Kind(".ts", frames=61, times=_IRREGULAR, rate=Fraction(30)),
    **{f"gaps at the end {s}": Kind(s, **_gaps_at_the_end(Fraction(3))) for s in (".mp4", ".mkv", ".ts")},
    **{f"shorter gaps at the end {s}": Kind(s, **_gaps_at_the_end(Fraction(3, 2))) for s in (".mkv", ".ts")},
    "late start mp4": Kind(start=Fraction(7), options=_B_FRAMES),
    "late start mkv": Kind(".mkv", start=Fraction(7), options=_B_FRAMES),
    "late start ts": Kind(".ts", start=Fraction(40), options=_B_FRAMES),
    "fragmented mp4": Kind(muxing={"movflags": "frag_keyframe+empty_moov"}, options=_B_FRAMES),
    "index first mp4": Kind(muxing={"movflags": "faststart"}),
    "mov": Kind(".mov", options=_B_FRAMES),
    "clock that overflows ts": Kind(".ts", start=_OVERFLOW - 3, options=_B_FRAMES),
    "clock that overflows after a minute ts": Kind(
        ".ts", start=_OVERFLOW - 70, frames=160, rate=Fraction(2), options=_B_FRAMES
    ),
    "clock that overflows audio ts": Kind(".ts", start=_OVERFLOW - 3, audio_first=True, options=_B_FRAMES),
    "clocks of video and audio far apart ts": Kind(
        ".ts", start=_OVERFLOW - 3, audio_first=True, sound_start=Fraction(0), options=_B_FRAMES
    ),
    "mkv": Kind(".mkv", options=_B_FRAMES),
    "live mkv without duration": Kind(".mkv", muxing={"live": "1"}, options=_B_FRAMES),
    "ts": Kind(".ts", options=_B_FRAMES),
    "audio first mp4": Kind(audio_first=True, options=_B_FRAMES),
    "audio first ts": Kind(".ts", audio_first=True),
    **{f"longer audio {s}": Kind(s, audio_first=True, sound_seconds=15.0) for s in (".mp4", ".mkv")},
    "10 bit h264": Kind(pixels="yuv420p10le", options=_B_FRAMES),
    "10 bit hevc": Kind(codec="libx265", pixels="yuv420p10le"),
    "hevc mp4": Kind(codec="libx265"),
    "hevc open gop": Kind(".mkv", codec="libx265", options={"x265-params": "keyint=12:open-gop=1"}),
    "odd size": Kind(size=(97, 65), pixels="yuv444p", options=_B_FRAMES),
    "odd size mjpeg": Kind(".avi", codec="mjpeg", size=(101, 67), pixels="yuvj444p"),
    "mjpeg avi": Kind(".avi", codec="mjpeg", pixels="yuvj420p"),
    "mpeg-4 avi": Kind(".avi", codec="mpeg4", options={"bf": "2"}),
    "h264 avi": Kind(".avi"),
    "h264 b-frames avi": Kind(".avi", options=_B_FRAMES),
    **{f"short avi, {n} frames": Kind(".avi", codec="mpeg4", frames=n) for n in (1, 2, 10, 15)},
    "short mjpeg avi": Kind(".avi", codec="mjpeg", pixels="yuvj420p", frames=20, rate=Fraction(30)),
    "short h264 avi": Kind(".avi", frames=5),
    "mpeg-2 ts": Kind(".ts", codec="mpeg2video", rate=Fraction(25), options={"bf": "2"}),
    "vp9 webm": Kind(".webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    "raw h264": Kind(".h264", format="h264", options=_B_FRAMES),
    "raw hevc": Kind(".hevc", codec="libx265", format="hevc"),
    "raw mpeg-2": Kind(".m2v", codec="mpeg2video", format="mpeg2video", rate=Fraction(25), options=_B_2),
    "raw mpeg-4": Kind(".m4v", codec="mpeg4", format="m4v", rate=Fraction(25), options=_B_2),
    "raw mjpeg": Kind(".mjpeg", codec="mjpeg", pixels="yuvj420p", format="mjpeg", rate=Fraction(25)),
    "mpeg-2 program stream": Kind(".mpg", codec="mpeg2video", format="mpeg", rate=Fraction(25), options=_B_2),
    "mpeg-1 program stream": Kind(".mpg", codec="mpeg1video", format="mpeg", rate=Fraction(25), options=_B_2),
    "vob": Kind(".vob", codec="mpeg2video", format="vob", rate=Fraction(25)),
    "h264 program stream": Kind(".mpg", format="mpeg", rate=Fraction(25), options=_B_FRAMES),
    "flv": Kind(".flv", options=_B_FRAMES),
    **{f"turned {90 * turn}": Kind(turn=turn) for turn in (1, 2, 3)},
    "mirrored": Kind(mirror=True),
    "turned 90 and mirrored": Kind(turn=1, mirror=True),
    "wide pixels": Kind(shape=Fraction(4, 3)),
    "tall pixels": Kind(".mkv", shape=Fraction(1, 2)),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_frame_at_time(kind: Kind, make_video: Make, caplog: pytest.LogCaptureFixture) -> None:
    times = kind.frame_times
    with VideoSource(make_video(kind)) as video:
        assert video.last_time == pytest.approx(times[-1], abs=0.002)
        assert video.duration >= times[-1]
        if kind.times is None:
            assert video.rate == pytest.approx(float(kind.rate), rel=0.01)
            assert video.duration == pytest.approx(float(kind.frames / kind.rate), abs=0.002)
        chance = random.Random(len(times))
        asked = [chance.uniform(0, video.duration) for _ in range(20)]
        asked += [0.0, video.last_time, video.duration, *chance.sample(times, min(8, len(times)))]
        for order in (sorted(asked), asked, sorted(asked, reverse=True)):
            _check(video, times, order)
        for time in asked[:6]:
            _check(video, times, [time])
        _check(video, times, [asked[0]] * 2 + [asked[1], asked[0]])
    assert caplog.messages == [], "an intact file lacks nothing"


@pytest.mark.parametrize(
    ("rate", "refresh", "b_frames"), [(Fraction(30), 15, 0), (Fraction(30000, 1001), 5, 3)]
)
def test_intra_refresh_from_its_midst(rate: Fraction, refresh: int, b_frames: int, make_video: Make) -> None:
    """Where a seek lands nothing shows yet until the picture is refreshed: an earlier landing gives it."""
    coding = {"x264-params": "intra-refresh=1", "preset": "veryfast", "g": str(refresh), "bf": str(b_frames)}
    kind = Kind(".ts", options=coding, rate=rate)
    with VideoSource(make_video(kind)) as video:
        for number in range(25):
            video.close()
            assert read(video.frames_at([kind.frame_times[number]])[0].image) == number


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_recording_that_begins_in_the_midst_of_an_intra_refresh(
    suffix: str, make_video: Make, tmp_path: Path
) -> None:
    """Its first frames never show: the first that does stands for them, unless what it waits for is lost."""
    coding = {"x264-params": "intra-refresh=1:repeat-headers=1", "preset": "veryfast", "g": "30"}
    whole = make_video(Kind(suffix, frames=150, rate=Fraction(30), size=(320, 192), options=coding))
    with VideoSource(_without(whole, range(40), tmp_path / f"intact{suffix}")) as video:
        assert video.duration == pytest.approx(3.0, abs=0.002)
        for time in (0.0, 0.3, 0.6, 1.0):
            frame = video.frames_at([time])[0]
            assert read(frame.image) == 60 + round(30 * frame.timestamp)
            assert frame.timestamp == pytest.approx(max(time, 0.6), abs=0.002)
    lost = [*range(40), *range(70, 125)]
    with (
        VideoSource(_without(whole, lost, tmp_path / f"damaged{suffix}")) as video,
        pytest.raises(InputError, match=r"no frame can be decoded at 0\.3 s, it is damaged there"),
    ):
        video.frames_at([0.3])


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4", ".flv"])
def test_recording_that_begins_in_the_midst_of_a_group_of_pictures_lacks_nothing(
    suffix: str, make_video: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The frames before its first keyframe never show; its length does not count them."""
    coding = {"g": "50", "keyint_min": "50", "sc_threshold": "0", "bf": "0"}
    whole = make_video(Kind(suffix, frames=100, options=coding))
    with VideoSource(_without(whole, range(5), tmp_path / f"part{suffix}")) as video:
        assert video.duration == pytest.approx(5.0, abs=0.002)
        assert [read(frame.image) for frame in video.frames_at([0.0, video.last_time])] == [50, 99]
    assert caplog.messages == []


def _without(path: Path, lost: Container[int], out: Path) -> Path:
    """The video without some of its packets."""
    with av.open(str(path)) as whole, av.open(str(out), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(whole.streams.video[0])):
            if packet.size and number not in lost:
                packet.stream = stream
                part.mux(packet)
    return out


@pytest.mark.parametrize("later", [Fraction(3, 10), Fraction(9, 10)])
def test_sound_that_ends_later_costs_no_reading(
    later: Fraction, make_video: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Kind(".mkv", frames=450, rate=Fraction(30), audio_first=True, sound_start=later)
    read_packets: list[av.Packet] = []
    plain = timeline._all_packets

    def counted(video: OpenVideo) -> Iterator[av.Packet]:
        for packet in plain(video):
            read_packets.append(packet)
            yield packet

    monkeypatch.setattr(timeline, "_all_packets", counted)
    with VideoSource(make_video(kind)) as video:
        assert video.last_time == pytest.approx(14.967, abs=0.002)
    assert len(read_packets) < 200


@pytest.mark.parametrize("name", ["mpeg-2 program stream", "vob"])
def test_program_stream_in_fresh_processes(name: str, make_video: Make) -> None:
    """It is opened anew on the way; what is read of the stream closed then shows best in little memory."""
    path = make_video(replace(KINDS[name], size=(640, 360)))
    code = "import sys; from leo_drive.clips import VideoSource; print(VideoSource(sys.argv[1]).duration)"
    for _ in range(3):
        ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
        assert (ran.stdout, ran.stderr) == ("2.4\n", "")


def _check(video: VideoSource, times: list[float], asked: list[float]) -> None:
    frames = video.frames_at(asked)
    assert len(frames) == len(asked)
    for time, frame in zip(asked, frames, strict=True):
        # Containers round times to their tick, a millisecond at the coarsest.
        expected = {bisect_right(times, max(0.0, time + slack)) - 1 for slack in (-0.0011, 0.0011)}
        expected = {max(0, number) for number in expected}
        number = read(frame.image)
        assert number in expected, f"at {time} s: frame {number}, expected {expected}"
        assert frame.timestamp == pytest.approx(times[number], abs=0.0011)
        assert frame.image.mode == "RGB"


def test_displayed_size(make_video: Make) -> None:
    sizes = {name: VideoSource(make_video(KINDS[name])).clip().size for name in KINDS}
    for name, size in sizes.items():
        width, height = KINDS[name].size
        if KINDS[name].turn % 2:
            width, height = height, width
        if name == "wide pixels":
            width = 128
        if name == "tall pixels":
            height = 128
        assert size == (width, height), name


@pytest.mark.parametrize("name", ["still.gif", "still.tif", "bitmap.mp4", "jpeg.mp4"])
def test_still_read_as_a_video_of_one_frame(name: str, tmp_path: Path) -> None:
    kind = {"bitmap.mp4": "BMP", "jpeg.mp4": "JPEG"}.get(name)
    Image.fromarray(draw(77)).convert("RGB").save(tmp_path / name, kind)
    with VideoSource(tmp_path / name) as video:
        assert video.last_time == 0.0
        assert [read(frame) for frame in video.clip(frames=2).frames] == [77, 77]


def test_edit_list_hides_the_first_frames(make_video: Make) -> None:
    """Cameras that keep the seconds before an event cut inside a group of pictures and hide the rest."""
    muxing = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with VideoSource(make_video(Kind(start=Fraction(-15, 10), muxing=muxing, options=_B_FRAMES))) as video:
        assert video.duration == pytest.approx(4.5)
        frames = video.frames_at([0.0, 0.1, 2.0, 4.4, 4.5])
        assert [read(frame.image) for frame in frames] == [15, 16, 35, 59, 59]
        assert frames[0].timestamp == 0.0


@pytest.mark.parametrize(
    ("height", "tag", "rule"),
    [
        (720, "bt709", Colorspace.ITU709),
        (720, None, Colorspace.ITU709),
        (480, None, Colorspace.ITU601),
        (480, "smpte170m", Colorspace.ITU601),
        (480, "bt709", Colorspace.ITU709),
    ],
)
def test_colours(height: int, tag: str | None, rule: Colorspace, tmp_path: Path) -> None:
    red = np.full((height, 64, 3), (200, 40, 60), np.uint8)
    coded = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(red, "rgb24"), format="yuv420p", dst_colorspace=rule
    )
    coded.pts, coded.time_base = 0, Fraction(1, 10)
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        tags = {"x264-params": f"colormatrix={tag}"} if tag else {}
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "qp": "1", **tags})
        stream.width, stream.height, stream.pix_fmt = 64, height, "yuv420p"
        container.mux(stream.encode(coded))
        container.mux(stream.encode())
    with VideoSource(path) as video:
        pixel = video.frames_at([0.0])[0].image.getpixel((30, 30))
    assert np.abs(np.subtract(pixel, (200, 40, 60))).max() <= 4


@pytest.mark.parametrize("matrix", [8, 14])
def test_colours_that_cannot_be_converted(matrix: int, make_video: Make, tmp_path: Path) -> None:
    """Such as YCgCo and ICtCp."""
    path = tmp_path / "tagged.mp4"
    with av.open(str(make_video(Kind()))) as plain, av.open(str(path), "w") as tagged:
        stream = tagged.add_stream_from_template(plain.streams.video[0])
        tag = BitStreamFilterContext(
            f"h264_metadata=matrix_coefficients={matrix}", plain.streams.video[0], stream
        )
        for packet in plain.demux(plain.streams.video[0]):
            for changed in tag.filter(packet if packet.size else None):
                changed.stream = stream
                tagged.mux(changed)
    with VideoSource(path) as video, pytest.raises(InputError) as refused:
        video.frames_at([0.5])
    message = str(refused.value)
    assert message.startswith(f"{path}: the frame at 0.500 s cannot be turned into RGB")
    assert f"colour matrix {matrix} " in message and "convert the file to H.264 in bt709" in message
