"""When a video's first and last frames show, found by reading packets, never by decoding."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile

import av
from av.packet import Packet

from leo_drive.clips.container import OpenVideo, ends_too_early
from leo_drive.clips.source import TIME_TOLERANCE
from leo_drive.errors import InputError

_HEAD_PACKETS = 1000
"""A stream recorded from the air may begin in the middle of a group of pictures, ten seconds long at most."""

_HEADER_SLACK = 2.0
"""Seconds by which a header's duration may differ from the packets' before the packets are counted."""

REORDERED = 16
"""Frames by which a codec may send a frame ahead of those that show before it, at most."""

_LOOK_BACK = (0.0, 2.0, 8.0, 32.0)
"""Seconds before the promised end from which a video's last frames are looked for, one after the other."""

_RECENT = 64

_SEEKS_WRONG = frozenset({"mpeg"})
"""Containers (MPEG program stream) in which FFmpeg lands between keyframes and gives frames others' times."""

_MATROSKA = "matroska,webm"

_NO_LENGTHS = frozenset({"mpegts", "mpeg", _MATROSKA})
"""Containers that announce no stream's length: FFmpeg gives what it read of packets, or the whole file's."""

_NO_TIMESTAMPS = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS: raw streams and their like."""


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
        promised: seconds that the header announces for this stream from its first frame on, if it does.
        seeks: whether the container can be trusted to seek; otherwise it is read from its start.
    """

    tick: Fraction
    start: int
    end: int
    last_ticks: int
    rate: float
    counted: bool
    promised: float | None
    seeks: bool

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
    def lack(self) -> str:
        """What is missing of a file that promises more than it holds, in words; "" of an intact one."""
        if self.promised is None or self.promised <= self.duration + _HEADER_SLACK:
            return ""
        return (
            f"its header promises {self.promised:.3f} s but the video is readable only to "
            f"{self.duration:.3f} s (cut off or damaged)"
        )

    @property
    def why_it_ends(self) -> str:
        """A remark for who asks past the end of a file that lacks something."""
        return f"; {self.lack}: copy it again, or ask earlier" if self.lack else ""


def _is_flush(packet: Packet) -> bool:
    """Whether this is PyAV's mark for the end of the stream."""
    return packet.size == 0 and packet.pts is None and packet.dts is None


def packets(video: OpenVideo) -> Iterator[Packet]:
    """The stream's packets from where the container stands; damage ends it as the end of the file does."""
    for packet in _all_packets(video):
        if _is_cut(video, packet):
            return
        yield packet


def _all_packets(video: OpenVideo) -> Iterator[Packet]:
    try:
        for packet in video.container.demux(video.stream):
            if _is_flush(packet):
                return
            yield packet
    except (av.FFmpegError, EOFError):
        return


def _is_cut(video: OpenVideo, packet: Packet) -> bool:
    """Whether the file ends inside the packet. MPEG-TS marks other faults, and goes on after them."""
    return packet.is_corrupt and video.container.format.name != "mpegts"


def probe(video: OpenVideo) -> Timeline:
    """Reads the head and the tail of the file; all its packets only where header and tail disagree.

    Leaves the container somewhere in the file: seek before reading on.

    Raises:
        InputError: no video packet can be read.
    """
    head = _head(video)
    if not head:
        raise _nothing_in(video)
    rate = _rate(video)
    if _needs_counting(video, head):
        return _counted(video, rate)
    tick = video.stream.time_base  # of the stream now open: to find out whether to count may open it anew
    assert tick is not None  # a demuxer always sets it
    start = _first_pts(head)
    promised = _promised(video, start)
    seeks = video.container.format.name not in _SEEKS_WRONG
    last = _tail(video, start, promised if seeks else None)
    last_ticks = _shows_for(video, last)
    end = last.pts
    assert end is not None
    if end < start:  # the clock was set back on the way
        return _counted(video, rate)
    # The whole file's duration may be that of its sound, or of a last frame that shows for long.
    in_header = bool(video.stream.duration) and video.container.format.name not in _NO_LENGTHS
    is_own = in_header or ends_too_early(video.path)
    announced = float(promised) if promised is not None and is_own else None
    return Timeline(tick, start, end, last_ticks, float(rate), False, announced, seeks)


def _counted(video: OpenVideo, rate: Fraction) -> Timeline:
    video.start_over()
    count = sum(1 for _ in packets(video))
    return Timeline(1 / rate, 0, count - 1, 1, float(rate), True, None, False)


def _promised(video: OpenVideo, start: int) -> Fraction | None:
    """Seconds of video that the header announces, or FFmpeg in its place, from the first frame on."""
    tick = video.stream.time_base
    assert tick is not None  # a demuxer always sets it
    whole = Fraction(video.container.duration or 0, av.time_base)
    if video.container.format.name == _MATROSKA:  # announces its last time, not its length
        return whole - start * tick if whole else None
    # A recording that begins in the middle of a group of pictures has packets before its first frame.
    begins = video.stream.start_time
    before = 0 if begins is None else max(0, start - begins) * tick
    length = video.stream.duration * tick if video.stream.duration else whole
    return length - before if length else None


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
    # Those that FFmpeg makes up for a container without any cannot be sought.
    if video.container.format.flags & _NO_TIMESTAMPS:
        return True
    if all(packet.pts is None for packet in head):
        return True
    if video.container.format.name in _SEEKS_WRONG:
        # A pack of several frames has one timestamp, and FFmpeg cannot work out all of the others.
        video.start_over()
        return any(packet.pts is None for packet in dropwhile(lambda p: not p.is_keyframe, packets(video)))
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
    key_pts = head[key].pts
    if key_pts is not None and not head[key].is_discard:
        return key_pts
    shown = [packet.pts for packet in head[key:] if packet.pts is not None and not packet.is_discard]
    return min(shown or [packet.pts for packet in head if packet.pts is not None])


def _rate(video: OpenVideo) -> Fraction:
    stream = video.stream
    # A raw stream's average rate is only FFmpeg's default of 25; the guess reads the codec's own header.
    raw = video.stream.duration is None and video.container.duration is None
    rates = (stream.guessed_rate, stream.average_rate) if raw else (stream.average_rate, stream.guessed_rate)
    return next((Fraction(rate) for rate in (*rates, stream.base_rate) if rate), Fraction(25))


def _tail(video: OpenVideo, start: int, promised: Fraction | None) -> Packet:
    """The intact packet that shows last."""
    tick = video.stream.time_base
    assert tick is not None  # a demuxer always sets it
    if promised is not None:
        promised_end = start + int(promised / tick)
        last = _last_towards(video, promised_end)
        if last is not None and (promised_end - _pts(last)) * tick <= _HEADER_SLACK:
            return last
    target = _last_whole_in_index(video)
    seen = [] if target is None else _seen_from(video, target, cut_off=True)
    seen = seen or _seen_from(video)
    if not seen:
        raise _nothing_in(video)
    return max(seen, key=_pts)


def _last_towards(video: OpenVideo, promised_end: int) -> Packet | None:
    """The intact packet that shows last of those near the end that the header promises.

    Before the end of the sound, which may be the longer one, or sent far ahead of frames with long gaps
    between them it is not found at once; yet it is no further back than a codec reorders.
    """
    tick = video.stream.time_base
    assert tick is not None  # a demuxer always sets it
    last: Packet | None = None
    for seconds in _LOOK_BACK:
        seen = _seen_from(video, promised_end - round(seconds / tick))
        last = max(seen, key=_pts, default=None)
        as_promised = last is not None and promised_end - _pts(last) <= 2 * _shows_for(video, last)
        if as_promised or len(seen) > REORDERED:
            break
    return last


def _shows_for(video: OpenVideo, packet: Packet) -> int:
    """Ticks; a frame's share of the rate where the file does not say."""
    tick = video.stream.time_base
    assert tick is not None  # a demuxer always sets it
    return int(packet.duration or max(1, round(1 / _rate(video) / tick)))


def _nothing_in(video: OpenVideo) -> InputError:
    return InputError(
        f"{video.path}: holds no video packet that can be read; it was cut off at its start: copy it again"
    )


def _last_whole_in_index(video: OpenVideo) -> int | None:
    """Time of the last indexed frame inside the file, for an MP4 that ends before its index does."""
    size = video.container.size
    entries = video.stream.index_entries
    if not video.container.format.name.startswith("mov") or not len(entries):
        return None
    if entries[-1].pos + entries[-1].size <= size:
        return None
    whole = (entries[i] for i in range(len(entries) - 2, -1, -1))
    return next((entry.timestamp for entry in whole if entry.pos + entry.size <= size), None)


def _seen_from(video: OpenVideo, target: int | None = None, cut_off: bool = False) -> list[Packet]:
    """The last intact packets of those from a little before `target` on; of all without one.

    Where the file was cut off, frames sent ahead of others that are missing do not count.
    """
    if target is None:
        video.start_over()
    elif not _seek_well_before(video, target):
        return []
    far_back = _margin(video)
    recent: deque[Packet] = deque(maxlen=_RECENT)
    for packet in _all_packets(video):
        if _is_cut(video, packet):
            cut_off = True
            break
        if packet.pts is not None and packet.size and not packet.is_corrupt and not packet.is_discard:
            if recent and _step_back(recent[-1], packet) > far_back:  # the clock was set back
                recent.clear()
            recent.append(packet)
    if not recent:
        return []
    # What was sent up to a decoding time holds every frame that shows by then.
    complete = recent[-1].dts if cut_off else None
    return [p for p in recent if complete is None or _pts(p) <= complete] or list(recent)


def _step_back(before: Packet, packet: Packet) -> int:
    """Ticks by which the packet is due before the one sent ahead of it.

    By decoding times where there are any: times to show step back by any gap that reordered frames span.
    """
    if before.dts is not None and packet.dts is not None:
        return before.dts - packet.dts
    return _pts(before) - _pts(packet)


def _seek_well_before(video: OpenVideo, target: int) -> bool:
    """Whether it could: MPEG-TS lands between reordered packets, and the last may come first."""
    try:
        video.container.seek(target - _margin(video), stream=video.stream)
    except (av.FFmpegError, EOFError):
        return False
    return True


def _margin(video: OpenVideo) -> int:
    """Ticks by which the frames that a codec sends out of order are apart at most."""
    tick = video.stream.time_base
    assert tick is not None  # a demuxer always sets it
    return round(max(Fraction(1), REORDERED / _rate(video)) / tick)


def _pts(packet: Packet) -> int:
    assert packet.pts is not None  # those without were left out
    return packet.pts
