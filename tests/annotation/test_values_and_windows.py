"""Answers as values, and logs as windows: pure functions."""

import pytest

from leo_drive.annotation.questions import Question
from leo_drive.annotation.values import read_number, value_of
from leo_drive.annotation.windows import windows_at_scenes, windows_every
from leo_drive.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", "3"), ("Three.", "3"), ("There are 12 cars to the left.", "12"), ("One cyclist.", "1"),
        ("twenty-two", "22"), ("Twenty two cars.", "22"), ("ninety", "90"), ("About 30 km/h.", "30"),
        ("3.5", "3.5"), ("1,200", "1200"), ("None.", "0"), ("There are no pedestrians.", "0"),
        ("No one.", "0"),
        ("Zero", "0"), ("2 cars, two cars", "2"), ("-4", "-4"),
        ("Two or three.", None), ("2-3", None), ("More than three.", None), ("Several.", None), ("", None),
        ("Two cars and a bus and 3 bikes.", None), ("Not 3.", None), ("I don't know.", None),
        ("No idea.", None),
        ("at least 4", None), ("No cars but three buses.", None), ("car2", None), ("three or more", None),
        ("None of the three cars", None), ("Two cars and two trucks", None), ("3 (three) cars", "3"),
        ("Two on the left and two on the right.", None), ("The one on the left.", None), ("3/3", None),
        ("two pairs", None), ("10:10", None), ("5,5", None), ("2 million", None), ("1,234,567", "1234567"),
        ("12345678.25", "12345678.25"), ("007", "7"), ("3.0", "3"), ("forty five cars", "45"),
        # Said twice.
        ("Three. There are three pedestrians.", "3"), ("Two cars. There are two cars.", "2"),
        ("30. The limit is 30 km/h.", "30"), ("The answer is 2: there are 2 cars.", "2"),
        ("Two, there are two cyclists.", "2"), ("There are 2 lanes in total, 2 lanes.", "2"),
        ("Two cars. There are two cars ahead of us.", "2"), ("30 km/h. The speed limit is 30.", "30"),
        ("3.5. It is 3.5 m.", "3.5"), ("2 on the left and 2 on the right", None),
        ("Two cars. Two trucks.", None), ("Two cars; two trucks", None), ("2 cars: 2 parked", None),
        ("On the left there are two cars. On the right there are two cars.", None),
        ("There are two cars on the left. On the right, two.", None),
        ("2 cars on the left. 2 cars on the right.", None), ("Two. No, three.", None),
        ("Two cars. There are three cars.", None), ("Two cars, and two trucks. Two.", None),
        # Said of others.
        ("2 cars. Another 2 cars.", None), ("2 cars. And 2 cars.", None), ("2 and 2", None), ("2 + 2", None),
        ("Two vehicles. I also see two vehicles behind.", None), ("2 cars plus 2", None),
        ("One is parked. One is parked too.", None), ("Two cars. Two cars as well.", None),
        ("Two cars. And another.", None), ("Two cars. Two more.", None), ("Two; two further ones.", None),
        ("I also see two cars. Two.", "2"), ("Two. They are on the left and right.", "2"),
    ],
)  # fmt: skip
def test_numbers_are_read_or_left(text, value):
    assert read_number(text) == value


def test_none_is_a_number_only_where_things_are_counted():
    def read(asked, text):
        return value_of(Question(id="q", text=asked, kind="number"), text)

    for text in ("There is no sign.", "None.", "No sign."):
        assert read("What is the speed limit?", text) is None
        assert read("How many signs are there?", text) == "0"
    assert read("What is the speed limit?", "Zero.") == "0"


def test_closed_kinds_are_read_and_free_text_is_not():
    def read(kind, text, **more):
        return value_of(Question(id="q", text="?", kind=kind, **more), text)

    assert read("yes_no", "Yes, on the left.") == "yes" and read("yes_no", "Perhaps.") is None
    sides = {"choices": ("left", "right", "both")}
    assert read("choice", "On the left side.", **sides) == "left"
    assert read("choice", "Somewhere.", **sides) is None
    assert read("free", "Yes.") is None


def spans(duration, every=5.0, seconds=5.0, rate=10.0, frames=5):
    return [
        (w.start, w.end) for w in windows_every(duration, duration - 1 / rate, rate, every, seconds, frames)
    ]


def test_windows_cover_the_log():
    assert spans(15) == [(0, 5), (5, 10), (10, 15)]
    assert spans(12.4) == [(0, 5), (5, 10)]
    assert spans(14.9) == [(0, 5), (5, 10), (9.9, 14.9)]
    assert spans(12, every=10) == [(0, 5)]
    assert spans(16, every=10) == [(0, 5), (10, 15)]
    assert spans(7, every=1) == [(0, 5), (1, 6), (2, 7)]
    assert spans(7.5, every=1) == [(0, 5), (1, 6), (2, 7), (2.5, 7.5)]
    assert spans(3) == [(0, 3)]
    assert spans(36000)[-1] == (35995, 36000) and len(spans(36000)) == 7200


def test_frames_are_those_of_a_clip_cut_there():
    first, second = windows_every(10.0, 9.9, 10, 5, 5, 5)
    assert first.times == (1, 2, 3, 4, 5)
    assert second.times == pytest.approx((5.9, 6.9, 7.9, 8.9, 9.9))
    # LingoQA: five images at 1 Hz, the last at 4 s.
    (only,) = windows_every(5.0, 4.0, 1, 5, 5, 5)
    assert only.times == (0, 1, 2, 3, 4)


def test_no_frame_stands_for_two_moments():
    (short,) = windows_every(0.3, 0.2, 10, 5, 5, 5)
    assert short.times == (0, 0.1, 0.2)
    (still,) = windows_every(1.0, 0.0, 1, 5, 5, 5)
    assert still.times == (0,)


def test_scenes_begin_windows():
    found = windows_at_scenes([0.0, 7.0, 20.0], 24.0, 23.9, 10, 5, 2)
    assert [(w.index, w.start, w.end) for w in found] == [(0, 0, 5), (1, 7, 12), (2, 20, 24)]
    assert all(w.start <= t <= w.end for w in found for t in w.times)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"seconds": -1}, {"frames": 0}, {"every": float("nan")}])
def test_windows_need_lengths(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        spans(10, **wrong)
