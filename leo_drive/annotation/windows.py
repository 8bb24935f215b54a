"""Windows: which stretches of a log are asked about, and which frames stand for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from leo_drive.clips.samplers import check_count, check_positive, last_n
from leo_drive.clips.source import TIME_TOLERANCE


@dataclass(frozen=True)
class Window:
    """A stretch of a log.

    Attributes:
        index: 0, 1, ... in the log.
        start, end: seconds.
        times: seconds of the frames that are looked at, oldest first.
    """

    index: int
    start: float
    end: float
    times: tuple[float, ...]


def windows_every(
    duration: float, last_time: float, rate: float, every: float, seconds: float, frames: int
) -> list[Window]:
    """Windows of `seconds`, one every `every` seconds from the start of a recording.

    The frames are those of `leo_drive.clips.cut`: the last one at the window's end, the others `seconds /
    frames` apart. A window that would run past the recording's end by less than half its length is moved back
    to end with it; one that would run further is left out. A recording shorter than a window is one window.

    Args:
        duration, last_time, rate: of the source.
        frames: of each window; a recording with fewer gives each of them once.

    Raises:
        InputError: `every`, `seconds` or `frames` is not above 0.

    Example:
        >>> [(w.start, w.end) for w in windows_every(12.0, 11.9, 10, every=5, seconds=5, frames=2)]
        [(0.0, 5.0), (5.0, 10.0)]
        >>> [(w.start, w.end) for w in windows_every(13.0, 12.9, 10, every=5, seconds=5, frames=2)]
        [(0.0, 5.0), (5.0, 10.0), (8.0, 13.0)]
    """
    _check(every, seconds, frames)
    spans: list[tuple[float, float]] = []
    # Counted rather than summed up, so that a long log's windows do not drift.
    for i in range(math.floor(duration / every) + 1):
        start = float(i * every)
        if start + seconds > duration + TIME_TOLERANCE:
            moved = duration - seconds
            if spans and duration - start >= seconds / 2 and moved > spans[-1][0] + TIME_TOLERANCE:
                spans.append((moved, duration))
            break
        spans.append((start, start + seconds))
    return _with_frames(spans or [(0.0, duration)], last_time, rate, seconds, frames)


def windows_at_scenes(
    begins: Sequence[float], duration: float, last_time: float, rate: float, seconds: float, frames: int
) -> list[Window]:
    """One window a scene: its first `seconds`, or all of it where it is shorter.

    Args:
        begins: seconds at which scenes begin, as `leo_drive.clips.detect_scene_changes` gives them.
        duration, last_time, rate: of the source.

    Raises:
        InputError: `seconds` or `frames` is not above 0.

    Example:
        >>> [(w.start, w.end) for w in windows_at_scenes([0.0, 7.0], 9.0, 8.9, 10, seconds=5, frames=2)]
        [(0.0, 5.0), (7.0, 9.0)]
    """
    _check(1.0, seconds, frames)
    scenes = pairwise([*begins, duration])
    return _with_frames([(a, min(b, a + seconds)) for a, b in scenes], last_time, rate, seconds, frames)


def _check(every: float, seconds: float, frames: int) -> None:
    check_positive("every", every)
    check_positive("seconds", seconds)
    check_count("frames", frames)


def _with_frames(
    spans: Sequence[tuple[float, float]], last_time: float, rate: float, seconds: float, frames: int
) -> list[Window]:
    return [
        Window(i, round(a, 6), round(b, 6), _times(a, b, last_time, rate, seconds, frames))
        for i, (a, b) in enumerate(spans)
    ]


def _times(
    start: float, end: float, last_time: float, rate: float, seconds: float, frames: int
) -> tuple[float, ...]:
    at = min(end, last_time)
    room = at - start
    # A hundredth of a frame: rates are averages. A frame shown twice would pretend to be another moment.
    there = min(frames, max(1, math.floor(room * rate + 1.01)))
    interval = min(seconds / frames, room / (there - 1)) if there > 1 else 0.0
    return tuple(round(max(0.0, time), 6) for time in last_n(at, there, interval))
