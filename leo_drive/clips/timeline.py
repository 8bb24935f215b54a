"""When a video's first and last frames show, found by reading packets, never by decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.packet import Packet

from leo_drive.clips.container import OpenVideo
from leo_drive.clips.source import TIME_TOLERANCE
from leo_drive.errors import InputError

_HEAD_PACKETS = 1000
"""A stream recorded from the air may begin in the middle of a group of pictures, ten seconds long at most."""

_HEADER_SLACK = 2.0
"""Seconds by which a header's duration may differ from the packets' before the packets are counted."""


@dataclass
class Timeline:
    """The time axis of a video stream, in ticks.

    Attributes:
        tick: seconds per tick.
        start: tick of the first frame, which is 0 seconds.
        end: tick of the last readable frame.
        last_ticks: how long the last frame shows, in ticks.
        rate: frames per second, on average.
        counted: the file has no usable timestamps; ticks are frame numbers at a steady rate, and frames
            can only be found by decoding from the start.
        promised: seconds that the header announces, if it does.
    """

    tick: Fraction
    start: int
    end: int
    last_ticks: int
    rate: float
    counted: bool
    promised: float | None

    @property
    def duration(self) -> float:
        """Seconds from the first frame to where the last one stops showing."""
        return float((self.end + self.last_ticks - self.start) * self.tick)

    def seconds(self, ticks: int) -> float:
        """Seconds from the first frame."""
        return float((ticks - self.start) * self.tick)

    def ticks(self, seconds: float) -> int:
        """The tick at or before `seconds`, forgiving half a millisecond."""
        return self.start + math.floor((seconds + TIME_TOLERANCE) / self.tick)

    @property
    def why_it_ends(self) -> str:
        """A remark for who asks past the end of a file that promises more than it holds."""
        if self.promised is None or self.promised <= self.duration + _HEADER_SLACK:
            return ""
        return (
            f"; its header promises {self.promised:.3f} s but the video is readable only to "
            f"{self.duration:.3f} s (cut off or damaged): copy it again, or ask earlier"
        )


def is_flush(packet: Packet) -> bool:
    """Whether this is PyAV's mark for the end of the stream."""
    return packet.size == 0 and packet.pts is None and packet.dts is None


def packets(video: OpenVideo) -> Iterator[Packet]:
    """The stream's packets from where the container stands; damage ends it as the end of the file does."""
    try:
        for packet in video.container.demux(video.stream):
            if is_flush(packet):
                return
            yield packet
    except (av.FFmpegError, EOFError):
        return


def probe(video: OpenVideo) -> Timeline:
    """Reads the head and the tail of the file; all its packets only where header and tail disagree.

    Leaves the container somewhere in the file: seek before reading on.

    Raises:
        InputError: no video packet can be read.
    """
    stream = video.stream
    head = _head(video)
    if not head:
        raise _nothing_in(video)
    rate = _rate(video)
    if _needs_counting(video, head):
        tail = sum(1 for _ in packets(video))
        count = len(head) + tail
        return Timeline(1 / rate, 0, count - 1, 1, float(rate), True, None)
    tick = stream.time_base
    assert tick is not None  # a demuxer always sets it
    start = _first_pts(head)
    promised: Fraction | None = None
    if stream.duration:
        promised = stream.duration * tick
    elif video.container.duration:
        promised = Fraction(video.container.duration, av.time_base)
    last = _tail(video, start, None if promised is None else start + int(promised / tick))
    last_ticks = last.duration or max(1, round(1 / rate / tick))
    end = last.pts
    assert end is not None
    found = Timeline(tick, start, end, int(last_ticks), float(rate), False, None)
    if promised is not None:
        found.promised = float(promised)
    return found


def _head(video: OpenVideo) -> list[Packet]:
    """The packets up to a few past the first keyframe."""
    head: list[Packet] = []
    key_at: int | None = None
    for packet in packets(video):
        head.append(packet)
        if key_at is None and packet.is_keyframe and not packet.is_discard:
            key_at = len(head)
        if len(head) >= _HEAD_PACKETS or (key_at is not None and len(head) >= key_at + 32):
            break
    return head


def _needs_counting(video: OpenVideo, head: list[Packet]) -> bool:
    if all(packet.pts is None for packet in head):
        return True
    # AVI stores no presentation times. Where H.264 or HEVC reorder frames in it, FFmpeg's guesses are wrong.
    reorders = video.stream.codec_context.has_b_frames
    return (
        video.container.format.name == "avi"
        and reorders
        and video.stream.codec_context.name in ("h264", "hevc")
    )


def _first_pts(head: list[Packet]) -> int:
    """Of the first frame that shows: frames before the first keyframe cannot be decoded."""
    key = next((i for i, packet in enumerate(head) if packet.is_keyframe), 0)
    if head[key].pts is not None and not head[key].is_discard:
        return head[key].pts
    shown = [packet.pts for packet in head[key:] if packet.pts is not None and not packet.is_discard]
    return min(shown or [packet.pts for packet in head if packet.pts is not None])


def _rate(video: OpenVideo) -> Fraction:
    stream = video.stream
    # A raw stream's average rate is only FFmpeg's default of 25; the guess reads the codec's own header.
    raw = video.container.format.name in ("h264", "hevc")
    rates = (stream.guessed_rate, stream.average_rate) if raw else (stream.average_rate, stream.guessed_rate)
    return next((Fraction(rate) for rate in (*rates, stream.base_rate) if rate), Fraction(25))


def _tail(video: OpenVideo, start: int, promised_end: int | None) -> Packet:
    """The intact packet that shows last."""
    tick = video.stream.time_base
    assert tick is not None  # a demuxer always sets it
    if promised_end is not None:
        last = _last_from(video, promised_end)
        if last is not None and last.pts is not None and (promised_end - last.pts) * tick <= _HEADER_SLACK:
            return last
    if video.container.format.name.startswith("mov"):
        last = _last_from(video, _last_whole_in_index(video) or start)
        if last is not None:
            return last
    last = _last_from(video, start)
    if last is None:
        raise _nothing_in(video)
    return last


def _nothing_in(video: OpenVideo) -> InputError:
    name = video.container.name
    return InputError(
        f"{name}: holds no video packet that can be read; it was cut off at its start: copy it again"
    )


def _last_whole_in_index(video: OpenVideo) -> int | None:
    """Time of the last indexed frame that lies inside the file, for an MP4 whose end was cut off."""
    size = video.container.size
    entries = video.stream.index_entries
    for i in range(len(entries) - 1, -1, -1):
        if entries[i].pos + entries[i].size <= size:
            return entries[i].timestamp
    return None


def _last_from(video: OpenVideo, target: int) -> Packet | None:
    try:
        video.container.seek(target, stream=video.stream)
    except (av.FFmpegError, EOFError):
        return None
    last: Packet | None = None
    for packet in packets(video):
        if packet.pts is None or packet.is_corrupt or packet.is_discard or not packet.size:
            continue
        if last is None or last.pts is None or packet.pts > last.pts:
            last = packet
    return last
