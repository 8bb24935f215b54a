"""Clips made worse, to see what a model still sees: pictures blurred or hidden, frames lost or mixed up.

Each corruption has three strengths, from plainly visible to hardly usable, and depends on nothing but the
clip, the strength and the seed. The kinds follow Hendrycks and Dietterich, "Benchmarking neural network
robustness to common corruptions" (2019), drawn for a camera that looks down a road: fog thickens towards the
horizon, and at night the headlights still reach the road ahead.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
from PIL import Image

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError
from leo_drive.evaluation import STRENGTHS

Picture = np.ndarray
"""(H, W, 3) uint8, RGB."""

GREY = 127
# Where the road meets the sky in a dashcam's picture, as a share of its height.
_HORIZON = 0.45


def corrupt(clip: Clip, name: str, strength: int, seed: int = 0) -> Clip:
    """The clip as a camera or a recorder in trouble would have given it.

    Args:
        clip: it is not changed.
        name: one of `CORRUPTIONS`.
        strength: 1, 2 or 3.
        seed: another one gives other rain, another noise.

    Returns:
        A clip of the same camera and source. Its last frame is of the same moment, whatever was dropped or
        mixed up before it, so that questions keep their answers.

    Raises:
        InputError: no such corruption or strength.

    Example:
        >>> clip = Clip((Image.new("RGB", (64, 36)),) * 5, (0, 1, 2, 3, 4))
        >>> len(corrupt(clip, "dropped", 2).frames)
        3
    """
    if name not in CORRUPTIONS:
        raise InputError(f"corruption {name}: not one of {', '.join(CORRUPTIONS)}")
    if strength not in STRENGTHS:
        raise InputError(f"corruption {name}: strength {strength} is not one of 1, 2, 3")
    # Of where the clip lies only its own name: data that were moved are the same.
    about = f"{seed} {name} {clip.source.rpartition('/')[2]} {clip.camera} {clip.timestamps}".encode()
    rng = np.random.default_rng(int.from_bytes(hashlib.blake2s(about).digest()[:8], "big"))
    return CORRUPTIONS[name](clip, strength, rng)


def _each(change: Callable[[Picture, int, np.random.Generator], Picture]) -> _Corruption:
    """A change to every picture by itself, as a corruption of clips."""

    def corruption(clip: Clip, strength: int, rng: np.random.Generator) -> Clip:
        pictures = (np.asarray(frame.convert("RGB")) for frame in clip.frames)
        changed = (change(picture, strength, rng) for picture in pictures)
        return replace(clip, frames=tuple(Image.fromarray(picture) for picture in changed))

    return corruption


def jpeg(picture: Picture, quality: int) -> Picture:
    """The picture as it comes back from a JPEG file of this quality (0 to 100)."""
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]


def _blank(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Fades to grey; at 3 there is nothing to see, as in the blind baseline."""
    left = (0.3, 0.1, 0.0)[strength - 1]
    return _picture(GREY + (picture - float(GREY)) * left)


def _noise(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A sensor's at high gain: photon noise, which grows with brightness, and read-out noise."""
    photons, read_out = ((60, 8.0), (25, 16.0), (8, 32.0))[strength - 1]
    signal = rng.poisson(picture / 255 * photons) * (255 / photons)
    return _picture(signal + rng.normal(0, read_out, picture.shape))


def _motion_blur(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """A shaking camera: along a line near the horizontal, as long as a share of the picture's width."""
    # In a small picture too, each strength has a longer line than the one before.
    length = max(1 + 2 * strength, round(picture.shape[1] * (0.015, 0.03, 0.06)[strength - 1]))
    return cv2.filter2D(picture, -1, _line(length, rng.uniform(-20, 20)), borderType=cv2.BORDER_REFLECT)


def _fog(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Light scattered on the way: what is far fades first (Koschmieder's law), in drifting banks."""
    height, width = picture.shape[:2]
    density = (0.8, 1.7, 3.2)[strength - 1]
    # Distance over a flat road goes with one over the rows below the horizon; above it all is far.
    below = np.clip((np.arange(height) / height - _HORIZON) / (1 - _HORIZON), 0, 1)
    distance = np.minimum(1.0, 0.12 / np.maximum(below, 0.05))
    banks = 0.75 + 0.5 * _clouds(height, width, rng)
    clear = np.exp(-density * distance[:, None] * banks)[:, :, None]
    return _picture(picture * clear + np.array([205.0, 208.0, 212.0]) * (1 - clear))


def _rain(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Streaks, a darker and flatter picture behind them, and drops on the windscreen."""
    height, width = picture.shape[:2]
    dim, drops_per_pixel, screen = ((0.85, 0.002, 6), (0.7, 0.005, 14), (0.55, 0.01, 30))[strength - 1]
    flat = picture.astype(np.float32)
    flat = (flat * 0.85 + flat.mean() * 0.15) * dim + 14
    slant = 90 + rng.uniform(-15, 15)
    streaks: np.ndarray = np.zeros((height, width), np.float32)
    for share, length, bright in ((0.8, 0.03, 0.35), (0.2, 0.09, 0.6)):  # far and near drops
        falls = (rng.random((height, width)) < drops_per_pixel * share) * rng.uniform(0.3, 1, (height, width))
        kernel = _line(max(3, round(height * length)), slant)
        streaks += bright * cv2.filter2D(falls.astype(np.float32), -1, kernel / kernel.max())
    streaks = cv2.GaussianBlur(streaks, (0, 0), height / 700)[:, :, None]
    wet = flat + (215 - flat) * np.clip(streaks, 0, 0.6)
    return _picture(_drops_on_screen(wet, screen, rng))


def _drops_on_screen(picture: Picture, count: int, rng: np.random.Generator) -> Picture:
    """Round lenses that show the scene upside down and out of focus."""
    height, width = picture.shape[:2]
    turned = cv2.GaussianBlur(picture[::-1, ::-1], (0, 0), height / 60)
    mask = np.zeros((height, width), np.float32)
    for _ in range(count):
        radius = height * rng.uniform(0.01, 0.035)
        centre = (round(rng.uniform(0, width)), round(rng.uniform(0, height)))
        axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(1, 1.4))))
        cv2.ellipse(mask, centre, axes, 0, 0, 360, (1.0,), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), height / 300)[:, :, None]
    return picture * (1 - 0.8 * soft) + (turned * 1.1) * 0.8 * soft


def _night(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Little light: dark, bluish and noisy, but for lamps and what our headlights reach."""
    height, width = picture.shape[:2]
    light, noise = ((0.35, 4.0), (0.18, 7.0), (0.08, 10.0))[strength - 1]
    linear = (picture / 255.0) ** 2.2
    y, x = np.mgrid[0:height, 0:width]
    # The beams: brightest on the road a little ahead, gone above the horizon and to the sides.
    down = (y / height - 0.72) / 0.20
    aside = (x / width - 0.5) / 0.30
    beam = np.exp(-(down**2 + aside**2)) * (y > height * _HORIZON * 0.95)
    beam = cv2.GaussianBlur(beam, (0, 0), height / 40)[:, :, None]
    tint = np.array([0.8, 0.9, 1.15])
    lit = linear * (light**1.6 * tint + 0.35 * beam * np.array([1.0, 0.95, 0.8]))
    # What is small, coloured and brighter than all around it is a lamp and stays lit; the sky goes out.
    brightest = linear.max(axis=2)
    around = cv2.GaussianBlur(brightest, (0, 0), height / 15)
    lamps = (brightest - around > 0.3) & (brightest - linear.min(axis=2) > 0.35)
    glow = cv2.GaussianBlur(lamps.astype(np.float64), (0, 0), height / 150)[:, :, None]
    lit = np.maximum(lit, linear * glow)
    return _picture(255 * np.clip(lit, 0, 1) ** (1 / 2.2) + rng.normal(0, noise, picture.shape))


def _jpeg(picture: Picture, strength: int, rng: np.random.Generator) -> Picture:
    """Compressed far too much."""
    return jpeg(picture, (20, 10, 4)[strength - 1])


def _dropped(clip: Clip, strength: int, rng: np.random.Generator) -> Clip:
    """A quarter, half or three quarters of the frames before the last are lost: at the least 1, 2 and 3."""
    earlier = len(clip.frames) - 1
    lost = min(earlier, max(strength, round(earlier * strength / 4)))
    kept = [*sorted(rng.permutation(earlier)[lost:].tolist()), earlier]
    return _taken(clip, kept)


def _shuffled(clip: Clip, strength: int, rng: np.random.Generator) -> Clip:
    """Frames before the last in a wrong order: two neighbours changed over, something between, or backwards.

    How wrong an order is, its pairs that are the wrong way round say: one at strength 1, all at 3.
    """
    earlier = len(clip.frames) - 1
    order, pairs = list(range(earlier)), math.comb(earlier, 2)
    if strength == 1 and pairs:
        i = int(rng.integers(earlier - 1))
        order[i], order[i + 1] = order[i + 1], order[i]
    elif strength == 2 and pairs > 2:
        while not 1 < _wrong_pairs(order) < pairs:
            order = rng.permutation(earlier).tolist()
    else:
        order.reverse()
    return replace(clip, frames=tuple(clip.frames[i] for i in [*order, earlier]))


def _wrong_pairs(order: Sequence[int]) -> int:
    return sum(first > second for first, second in combinations(order, 2))


def last_frame(clip: Clip) -> Clip:
    """The last frame alone: what a model that does not look back sees."""
    return _taken(clip, [len(clip.frames) - 1])


_Corruption = Callable[[Clip, int, np.random.Generator], Clip]

CORRUPTIONS: dict[str, _Corruption] = {
    "blank": _each(_blank),
    "noise": _each(_noise),
    "motion_blur": _each(_motion_blur),
    "fog": _each(_fog),
    "rain": _each(_rain),
    "night": _each(_night),
    "jpeg": _each(_jpeg),
    "dropped": _dropped,
    "shuffled": _shuffled,
}
"""By the name that `--corrupt` takes."""

_OF_FEW_FRAMES = {"dropped": {1: 0, 2: 1, 3: 2}, "shuffled": {1: 0, 2: 0, 3: 1}}
"""How many strengths differ for so short a clip, since its last frame stays; all three for longer ones."""


def strengths_of(name: str, frames: int) -> tuple[int, ...]:
    """The strengths of a corruption that change a clip of so many frames, each otherwise than those before.

    Example:
        >>> strengths_of("dropped", 5), strengths_of("dropped", 2), strengths_of("shuffled", 2)
        ((1, 2, 3), (1,), ())
    """
    return STRENGTHS[: _OF_FEW_FRAMES.get(name, {}).get(frames, len(STRENGTHS))]


def _taken(clip: Clip, kept: Sequence[int]) -> Clip:
    return replace(
        clip,
        frames=tuple(clip.frames[i] for i in kept),
        timestamps=tuple(clip.timestamps[i] for i in kept),
        names=None if clip.names is None else tuple(clip.names[i] for i in kept),
    )


def _line(length: int, degrees: float) -> np.ndarray:
    """A blur kernel: a line through its middle, sum 1."""
    size = length | 1
    kernel: np.ndarray = np.zeros((size, size), np.float32)
    kernel[size // 2] = 1
    turn = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), degrees, 1.0)
    kernel = cv2.warpAffine(kernel, turn, (size, size), flags=cv2.INTER_LINEAR)
    return kernel / kernel.sum()


def _clouds(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) in 0 to 1: noise of several sizes, the larger the stronger."""
    total = np.zeros((height, width), np.float32)
    for cells in (3, 6, 12, 24):
        coarse = rng.random((cells, cells * 2)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / cells
    return (total - total.min()) / max(1e-6, float(total.max() - total.min()))


def _picture(values: np.ndarray) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
