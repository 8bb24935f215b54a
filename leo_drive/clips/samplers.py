"""Samplers: which moments of a recording become the frames of a clip.

Pure functions of plain numbers. Times are seconds from the start of the recording, oldest first.
The three that need only a window, `(start, end)`, serve as a clip's sampler with their last argument bound:

    >>> from functools import partial
    >>> sampler = partial(uniform, n=8)         # source.clip(at=12.0, seconds=4.0, sampler=sampler)
    >>> sampler(0.0, 7.0)
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from leo_drive.errors import InputError

Sampler = Callable[[float, float], Sequence[float]]
"""From a window's start and end, in seconds, to the times wanted in it."""


def uniform(start: float, end: float, n: int) -> list[float]:
    """`n` times evenly from `start` to `end`, both included; one time is the end, where a question is asked.

    Raises:
        InputError: the window ends before it starts, or `n` is not a whole number of at least 1.

    Example:
        >>> uniform(2.0, 4.0, 3), uniform(2.0, 4.0, 1)
        ([2.0, 3.0, 4.0], [4.0])
    """
    _check_window(start, end)
    check_count("n", n)
    if n == 1:
        return [float(end)]
    return [float(t) for t in np.linspace(start, end, n)]


def fixed_fps(start: float, end: float, fps: float) -> list[float]:
    """Times from `start`, `fps` of them a second, up to and including `end`.

    Raises:
        InputError: the window ends before it starts, or `fps` is not a number above 0.

    Example:
        >>> fixed_fps(1.0, 2.2, 2)
        [1.0, 1.5, 2.0]
    """
    _check_window(start, end)
    check_positive("fps", fps)
    # The margin keeps an end that is a whole number of steps away, whatever the rounding of floats.
    steps = math.floor((end - start) * fps + 1e-6)
    return [min(start + i / fps, float(end)) for i in range(steps + 1)]


def last_n(at: float, n: int, interval: float) -> list[float]:
    """The `n` times that end with `at` and lie `interval` seconds apart: LingoQA's five frames at 1 Hz.

    Times before the start of the recording come out negative; `Source.clip` shrinks the interval first.

    Raises:
        InputError: `at` is not finite, `n` is below 1, or `interval` is negative or not finite.

    Example:
        >>> last_n(12.0, 5, 1.0)
        [8.0, 9.0, 10.0, 11.0, 12.0]
    """
    check_count("n", n)
    if not (math.isfinite(at) and math.isfinite(interval) and interval >= 0):
        raise InputError(f"last_n: at={at} and interval={interval} must be finite, interval at least 0")
    return [at - (n - 1 - i) * interval for i in range(n)]


def frame_differences(thumbnails: Sequence[np.ndarray]) -> list[float]:
    """How much each thumbnail differs from the one before it.

    Args:
        thumbnails: grey images as (height, width) arrays of 0..255, all of one shape, oldest first.

    Returns:
        The mean absolute difference of grey levels (0..255), one a thumbnail; the first is 0.
    """
    grey = [np.asarray(thumbnail, dtype=np.float32) for thumbnail in thumbnails]
    changes = [float(np.abs(b - a).mean()) for a, b in pairwise(grey)]
    return [0.0, *changes] if grey else []


def scene_changes(
    times: Sequence[float], differences: Sequence[float], threshold: float = 24.0, min_gap: float = 0.5
) -> list[float]:
    """The time at which each scene begins: the first time, then wherever the picture jumps.

    Args:
        times: seconds, oldest first.
        differences: one a time, as `frame_differences` gives them: grey levels (0..255).
        threshold: a difference above this begins a scene.
        min_gap: seconds that a scene lasts at least; jumps sooner than that are flicker.

    Raises:
        InputError: as many differences as times are needed.

    Example:
        >>> scene_changes([0.0, 1.0, 2.0, 3.0], [0.0, 3.0, 80.0, 2.0])
        [0.0, 2.0]
    """
    if len(times) != len(differences):
        raise InputError(f"scene_changes: {len(times)} times but {len(differences)} differences")
    begins: list[float] = []
    for time, difference in zip(times, differences, strict=True):
        if not begins or (difference > threshold and time - begins[-1] >= min_gap):
            begins.append(float(time))
    return begins


def check_count(name: str, value: Any) -> None:
    """Raises InputError unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name} must be a whole number of at least 1, got {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Raises InputError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise InputError(f"{name} must be a number above 0, got {value!r}")


def _check_window(start: float, end: float) -> None:
    if not (math.isfinite(start) and math.isfinite(end) and start <= end):
        raise InputError(f"a window must run from an earlier to a later time, got {start} to {end} s")
