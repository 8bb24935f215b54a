"""Samplers: times from plain numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leo_drive.clips import fixed_fps, frame_differences, last_n, scene_changes, uniform
from leo_drive.errors import InputError


def test_uniform() -> None:
    assert uniform(0.0, 4.0, 5) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert uniform(1.5, 9.0, 1) == [9.0]
    assert uniform(3.0, 3.0, 3) == [3.0, 3.0, 3.0]
    assert uniform(0.1, 0.7, 7)[-1] == 0.7


def test_fixed_fps() -> None:
    assert fixed_fps(0.0, 2.0, 2.0) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert fixed_fps(0.0, 1.9, 1) == [0.0, 1.0]
    assert fixed_fps(5.0, 5.0, 10) == [5.0]
    times = fixed_fps(0.0, 0.3, 10)  # 0.1 * 3 is more than 0.3 in floats
    assert len(times) == 4 and times[-1] == 0.3


def test_last_n() -> None:
    assert last_n(12.0, 5, 1.0) == [8.0, 9.0, 10.0, 11.0, 12.0]
    assert last_n(1.0, 3, 1.0) == [-1.0, 0.0, 1.0]
    assert last_n(7.0, 1, 3.0) == [7.0]
    assert last_n(7.0, 2, 0.0) == [7.0, 7.0]


def test_frame_differences() -> None:
    dark, light = np.zeros((2, 3), np.uint8), np.full((2, 3), 200, np.uint8)
    assert frame_differences([dark, light, light, dark]) == [0.0, 200.0, 0.0, 200.0]
    assert frame_differences([]) == []


def test_scene_changes() -> None:
    times = [0.0, 0.5, 1.0, 1.5, 2.0]
    assert scene_changes(times, [0, 5, 90, 4, 3], threshold=30) == [0.0, 1.0]
    assert scene_changes(times, [0, 90, 90, 90, 90], min_gap=1.0) == [0.0, 1.0, 2.0]
    assert scene_changes(times, [0, 0, 0, 0, 0]) == [0.0]
    assert scene_changes([], []) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: uniform(0, 1, 0),
        lambda: uniform(0, 1, 1.5),  # type: ignore[arg-type]
        lambda: uniform(2, 1, 3),
        lambda: uniform(0, math.nan, 3),
        lambda: fixed_fps(0, 1, 0),
        lambda: fixed_fps(0, 1, math.inf),
        lambda: fixed_fps(0, math.inf, 1),
        lambda: last_n(math.nan, 2, 1),
        lambda: last_n(1, 0, 1),
        lambda: last_n(1, 2, -1),
        lambda: scene_changes([0.0, 1.0], [0.0]),
    ],
)
def test_wrong_numbers(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError):
        wrong()
