"""Corrupted clips: the same every time, worse with strength, and the moment asked about stays."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest
from PIL import Image

import leo_drive
from leo_drive.clips.clip import Clip, together
from leo_drive.data.synthetic import clip as drawn_clip
from leo_drive.errors import InputError
from leo_drive.evaluation.answering import grey_clip
from leo_drive.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt, last_frame, strengths_of

PICTURES = ("blank", "noise", "motion_blur", "fog", "rain", "night", "jpeg")


@pytest.fixture(scope="module")
def clip() -> Clip:
    frames = tuple(drawn_clip(7, size=(192, 108)).frames)
    return Clip(frames, (0, 1, 2, 3, 4), source="drawn")


def pixels(clip: Clip) -> np.ndarray:
    return np.stack([np.asarray(frame, dtype=float) for frame in clip.frames])


def detail(picture: np.ndarray) -> float:
    return float(cv2.Laplacian(picture.mean(axis=2), cv2.CV_64F, ksize=3).std())


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_get_worse_with_strength_and_depend_on_the_seed_alone(clip, name):
    errors = []
    for strength in STRENGTHS:
        changed = corrupt(clip, name, strength)
        assert changed.timestamps == clip.timestamps and changed.size == clip.size
        assert np.array_equal(pixels(changed), pixels(corrupt(clip, name, strength)))
        errors.append(float(np.abs(pixels(changed) - pixels(clip)).mean()))
    assert 0.5 < errors[0] < errors[1] < errors[2], errors
    if name in ("noise", "fog", "rain", "night", "motion_blur"):
        assert not np.array_equal(pixels(changed), pixels(corrupt(clip, name, 3, seed=1)))


def test_data_that_were_moved_are_corrupted_alike(clip):
    here, there = (replace(clip, source=f"{folder}/segment1") for folder in ("evaluation", "val_part"))
    assert np.array_equal(pixels(corrupt(here, "noise", 2)), pixels(corrupt(there, "noise", 2)))
    other = replace(clip, source="evaluation/segment2")
    assert not np.array_equal(pixels(corrupt(here, "noise", 2)), pixels(corrupt(other, "noise", 2)))


@pytest.mark.parametrize("size", [(101, 67), (64, 48)])
def test_small_pictures_get_worse_with_strength_too(size):
    clip = Clip((drawn_clip(7, size=(192, 108)).frames[0].resize(size),), (0,))
    for name in PICTURES:
        errors = [np.abs(pixels(corrupt(clip, name, s)) - pixels(clip)).mean() for s in STRENGTHS]
        assert errors[0] < errors[1] < errors[2], (name, errors)


def test_each_frame_has_its_own_rain(clip):
    still = Clip(clip.frames[:1] * 2, (0, 1))
    first, second = pixels(corrupt(still, "rain", 2))
    assert np.abs(first - second).mean() > 1


def test_what_each_corruption_takes_away(clip):
    plain = pixels(clip)[-1]
    height = plain.shape[0]

    def last(name, strength=3):
        return pixels(corrupt(clip, name, strength))[-1]

    assert np.array_equal(pixels(corrupt(clip, "blank", 3)), pixels(grey_clip(clip)))
    assert detail(last("motion_blur")) < 0.7 * detail(plain) < detail(last("noise"))
    assert last("night").mean() < 0.35 * plain.mean()
    fog = last("fog", 2)
    far, near = slice(height // 4, height // 2), slice(height * 9 // 10, height)
    lost = [fog[rows].std() / plain[rows].std() for rows in (far, near)]
    assert lost[0] < lost[1], "what is far fades first"
    bytes_left = [len(cv2.imencode(".png", last("jpeg", s).astype(np.uint8))[1]) for s in STRENGTHS]
    assert bytes_left[0] > bytes_left[1] > bytes_left[2]


def numbered(count: int) -> Clip:
    """Frames that can be told apart."""
    return Clip(tuple(Image.new("RGB", (64, 64), (i * 20,) * 3) for i in range(count)), tuple(range(count)))


def order(clip: Clip) -> list[int]:
    return [frame.getpixel((0, 0))[0] // 20 for frame in clip.frames]


def test_dropped_frames_leave_the_rest_in_order_and_the_last_always():
    for strength, left in ((1, 4), (2, 3), (3, 2)):
        dropped = corrupt(numbered(5), "dropped", strength)
        kept = order(dropped)
        assert len(kept) == left and kept == sorted(set(kept)) and kept[-1] == 4
        assert dropped.timestamps == tuple(map(float, kept))
    assert {tuple(order(corrupt(numbered(5), "dropped", 2, seed=s))) for s in range(20)} > {(0, 1, 4)}


@pytest.mark.parametrize("frames", range(1, 9))
@pytest.mark.parametrize("name", ["dropped", "shuffled"])
def test_each_strength_takes_away_more_as_far_as_there_are_frames(name, frames):
    def disorder(shown):
        lost = frames - len(shown)
        return lost or sum(first > second for first, second in combinations(shown, 2))

    for seed in range(40):
        orders = [order(corrupt(numbered(frames), name, s, seed)) for s in STRENGTHS]
        taken = [disorder(shown) for shown in orders]
        count = len(strengths_of(name, frames))
        # Those that are said to differ do, each worse than the one before; the others change nothing more.
        assert sorted({0, *taken}) == [0, *taken[:count]] and set(taken[count:]) <= {0, *taken[:count]}
    assert strengths_of(name, 5) == strengths_of("fog", 1) == STRENGTHS


def test_shuffled_frames_are_all_there_and_the_last_in_its_place():
    for strength in STRENGTHS:
        for seed in range(10):
            shuffled = corrupt(numbered(5), "shuffled", strength, seed)
            found = order(shuffled)
            assert sorted(found) == list(range(5)) and found != list(range(5)) and found[-1] == 4
            assert shuffled.timestamps == (0, 1, 2, 3, 4)
    wrong = [i for i, place in enumerate(order(corrupt(numbered(5), "shuffled", 1))) if i != place]
    assert len(wrong) == 2 and wrong[1] - wrong[0] == 1
    assert order(corrupt(numbered(5), "shuffled", 3)) == [3, 2, 1, 0, 4]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_single_frame_and_several_cameras(name):
    one = corrupt(numbered(1), name, 3)
    assert len(one.frames) == 1
    wide = Clip((Image.new("RGB", (96, 48)),) * 2, (0, 1), "left")
    both = corrupt(together([numbered(2), wide]), name, 1)
    assert len(both.names) == len(both.frames) and both.names[-1] == "left 2"


def test_the_last_frame_alone():
    alone = last_frame(numbered(5))
    assert order(alone) == [4] and alone.timestamps == (4.0,)


def test_another_name_or_strength_is_refused(clip):
    with pytest.raises(InputError, match="corruption snow: not one of blank, noise, "):
        corrupt(clip, "snow", 1)
    with pytest.raises(InputError, match="strength 4 is not one of 1, 2, 3"):
        corrupt(clip, "fog", 4)


def test_real_footage_keeps_what_it_shows(shared):
    """A person still sees the road at the first strength; the pictures themselves are looked at by eye."""
    clip = leo_drive.open(shared / "data" / "video" / "highway_960x540.mp4").clip(at=6, frames=1)
    plain = pixels(clip)[0].ravel()
    for name in PICTURES:
        changed = pixels(corrupt(clip, name, 1))[0].ravel()
        assert np.corrcoef(plain, changed)[0, 1] > 0.7, name
