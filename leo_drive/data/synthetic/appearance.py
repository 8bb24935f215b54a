"""Light, air and lens: what makes the same street look different, and what a camera makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """The light, the air and the lens of one drive. Colours are RGB, 0..255, or factors where said.

    Attributes:
        time_of_day: "day", "dusk" or "night".
        weather: "clear", "overcast", "rain" or "fog".
        sky_top, sky_low: the sky overhead and at the horizon.
        clouds: 0..1, how much of the sky they cover.
        sun: azimuth of the sun, radians; shadows fall away from it.
        sun_strength: 0..1, how hard shadows are.
        ambient: factor a channel on every surface that does not shine.
        headlights: factor that our own headlamps add close by.
        fog: 1/m, how fast things fade to haze_colour.
        wet: 0..1, how much the road mirrors the sky.
        noise, blur, contrast, gain: the sensor's.
        tint: factor a channel, the white balance.
    """

    time_of_day: str
    weather: str
    sky_top: RGB
    sky_low: RGB
    clouds: float
    cloud_shift: float
    sun: float
    sun_strength: float
    ambient: RGB
    headlights: float
    fog: float
    haze_colour: RGB
    wet: float
    noise: float
    blur: float
    contrast: float
    gain: float
    tint: RGB
    vignette: float

    def facing_sun(self, heading: float) -> float:
        """Brightness factor of an upright surface that faces a heading."""
        return (
            0.74
            + 0.1 * (1 - self.sun_strength)
            + 0.32 * self.sun_strength * max(0.0, np.cos(heading - self.sun))
        )


def _mix(a: RGB, b: RGB, share: float) -> RGB:
    return tuple(float(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def sample_look(rng: np.random.Generator) -> Look:
    """Light, weather and camera settings of a drive; every pair of time and weather can come up."""
    time = str(rng.choice(["day", "dusk", "night"], p=[0.55, 0.23, 0.22]))
    weather = str(rng.choice(["clear", "overcast", "rain", "fog"], p=[0.39, 0.23, 0.19, 0.19]))
    wash = float(rng.uniform(0, 1))
    grey = float(rng.uniform(165, 235))
    strength, clouds, fog = (
        float(rng.uniform(0.5, 1.0)),
        float(rng.uniform(0, 0.5)),
        float(rng.uniform(0.0005, 0.003)),
    )
    if time == "day":
        top = _mix((70, 120, 190), (150, 185, 225), wash)
        if rng.random() < 0.25:
            # Overexposed, as cheap cameras show a bright sky.
            top = _mix(top, (246, 248, 250), 0.8)
        low = _mix((190, 212, 232), (250, 250, 248), float(rng.uniform(0, 1)))
        ambient: RGB = _mix((0.8, 0.82, 0.88), (1.1, 1.08, 1.03), float(rng.uniform(0.2, 1)))
    elif time == "dusk":
        top = _mix((52, 60, 105), (95, 95, 130), wash)
        low = _mix((240, 150, 90), (225, 140, 135), float(rng.uniform(0, 1)))
        ambient = _mix((0.6, 0.5, 0.52), (0.8, 0.66, 0.58), float(rng.uniform(0, 1)))
        strength *= 0.4
    else:
        top, low = _mix((6, 8, 16), (22, 22, 34), wash), _mix((18, 20, 32), (52, 42, 40), wash)
        ambient = _mix((0.24, 0.25, 0.32), (0.46, 0.42, 0.38), float(rng.uniform(0, 1)))
        strength = 0.0
    if weather != "clear":
        flat = {"day": (grey, grey, grey + 6), "dusk": (122, 108, 116), "night": (44, 44, 50)}[time]
        low = _mix(low, flat, 0.95 if time == "day" else 0.55)
        top = _mix(low, tuple(0.72 * c for c in flat), 0.7)  # type: ignore[arg-type]
        strength *= 0.12
        clouds = float(rng.uniform(0.5, 1.0))
        ambient = tuple(0.9 * c for c in ambient)  # type: ignore[assignment]
    wet = 0.0
    if weather == "rain":
        wet, fog = float(rng.uniform(0.35, 0.8)), float(rng.uniform(0.004, 0.009))
    if weather == "fog":
        fog, clouds, strength = float(rng.uniform(0.028, 0.045)), 0.0, 0.0
        top = _mix(top, low, 0.85)
    return Look(
        time_of_day=time,
        weather=weather,
        sky_top=top,
        sky_low=low,
        clouds=clouds,
        cloud_shift=float(rng.uniform(0, 500)),
        sun=float(rng.uniform(-np.pi, np.pi)),
        sun_strength=strength,
        ambient=ambient,
        headlights=float(rng.uniform(0.45, 0.75)) if time == "night" else 0.0,
        fog=fog,
        haze_colour=low,
        wet=wet,
        noise=float(rng.uniform(0, 4) if time == "day" else rng.uniform(1, 7)),
        blur=float(max(0.0, rng.uniform(-0.4, 0.75))),
        contrast=float(rng.uniform(0.85, 1.3)),
        gain=float(rng.uniform(0.85, 1.22 if time == "day" else 1.35)),
        tint=(float(rng.uniform(0.94, 1.06)), 1.0, float(rng.uniform(0.93, 1.07))),
        vignette=float(rng.uniform(0, 0.3)),
    )


@lru_cache(maxsize=1)
def ground_grain() -> np.ndarray:
    """(512, 512) uint8 that repeats without a seam: grain, patches and stains, about 128."""
    rng = np.random.default_rng(7)
    total = np.zeros((512, 512), np.float32)
    for cells, strength in ((512, 10.0), (128, 8.0), (32, 4.5), (8, 5.0)):
        coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        tiled = cv2.resize(np.tile(coarse, (3, 3)), (1536, 1536), interpolation=cv2.INTER_CUBIC)
        total += strength * tiled[512:1024, 512:1024]
    return np.clip(128 + total, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _cloud_field() -> np.ndarray:
    rng = np.random.default_rng(11)
    total = np.zeros((128, 1024), np.float32)
    for rows, strength in ((4, 1.0), (8, 0.6), (16, 0.35), (32, 0.2)):
        coarse = rng.normal(0, 1, (rows, rows * 4)).astype(np.float32)
        wide = cv2.resize(np.tile(coarse, (3, 3)), (3072, 384), interpolation=cv2.INTER_CUBIC)
        total += strength * wide[128:256, 1024:2048]
    return total / total.std()


@lru_cache(maxsize=4)
def _noise_field(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    field = rng.normal(0, 1, (height + 64, width + 64))
    return np.clip(field * 20, -127, 127).astype(np.int8)


def paint_sky(image: np.ndarray, look: Look, horizon: float, heading: float, focal: float) -> None:
    """Fill the whole picture (H, W, 3) with the sky of this heading, in place."""
    height, width = image.shape[:2]
    rows = np.clip(np.arange(height, dtype=np.float32) / max(horizon, 1.0), 0, 1)[:, None] ** 1.5
    column = np.array(look.sky_top, np.float32) * (1 - rows) + np.array(look.sky_low, np.float32) * rows
    image[:] = np.clip(column, 0, 255).astype(np.uint8)[:, None]
    bottom = int(min(height, max(0, horizon)))
    if look.clouds < 0.05 or bottom < 8:
        return
    field = _cloud_field()
    across = (np.arange(0, width, 4) - width / 2) / focal + heading
    columns = ((across * 160 + look.cloud_shift) % 1024).astype(int)
    share = np.arange(0, bottom, 4) / bottom
    lines = (share**0.6 * 127).astype(int)
    cover = np.clip((field[np.ix_(lines, columns)] + 2.2 * look.clouds - 1.1) * 0.6, 0, 1)
    cover = (cover * (0.8 - 0.55 * share[:, None])).astype(np.float32)[:, :, None]
    base = np.array(look.sky_low, np.float32)
    if look.weather == "clear" and look.time_of_day == "day":
        cloud = base * 0.4 + 153
    else:
        cloud = base * (0.97 - 0.2 * look.clouds if look.time_of_day != "night" else 1.5)
    small = image[0:bottom:4, 0:width:4] * (1 - cover) + cover * np.minimum(cloud, 255.0)
    image[:bottom] = cv2.resize(small.astype(np.uint8), (width, bottom), interpolation=cv2.INTER_LINEAR)


def bloom(
    image: np.ndarray, spots: list[tuple[float, float, float, tuple[float, ...]]], strength: float
) -> None:
    """Add the glow of lamps (u, v, radius, RGB) to the picture, in place."""
    if not spots:
        return
    height, width = image.shape[:2]
    small = np.zeros((height // 4 + 1, width // 4 + 1, 3), np.uint8)
    for u, v, radius, colour in spots:
        # Close lamps are large already: their halo is kept from washing over the whole vehicle.
        near = min(1.0, height / 45 / max(radius, 1.0))
        dimmed = tuple(strength * near * c for c in colour)
        cv2.circle(small, (round(u / 4), round(v / 4)), max(1, round(radius * 0.4 * near)), dimmed, -1)
    halo = cv2.GaussianBlur(small, (0, 0), max(1.0, height / 150))
    cv2.add(image, cv2.resize(halo, (width, height)), dst=image)


def weather_over(image: np.ndarray, look: Look, rng: np.random.Generator) -> None:
    """Rain in front of everything, in place: streaks in the air and drops on the windscreen."""
    if look.weather != "rain":
        return
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    count = 170
    start = np.stack([rng.uniform(-20, width, count), rng.uniform(-20, height, count)], axis=1)
    length = rng.uniform(0.03, 0.09, count)[:, None] * height
    slant = rng.uniform(-0.25, 0.25)
    end = start + length * np.array([[slant, 1.0]])
    lines = np.stack([start, end], axis=1)
    cv2.polylines(layer, list((lines * 8).astype(np.int32)), False, (70,), 1, cv2.LINE_AA, 3)
    bright = 1.0 if look.time_of_day == "day" else 0.55
    cv2.add(image, cv2.merge([cv2.convertScaleAbs(layer, alpha=bright)] * 3), dst=image)
    for _ in range(int(rng.integers(5, 14))):
        u, v = int(rng.integers(0, width)), int(rng.integers(0, height))
        r = int(rng.integers(2, max(3, height // 55)))
        patch = image[max(0, v - r) : v + r, max(0, u - r) : u + r]
        if patch.size:
            patch[:] = cv2.blur(cv2.convertScaleAbs(patch, alpha=1.06, beta=8), (2 * r + 1, 2 * r + 1))


@lru_cache(maxsize=8)
def _vignette(height: int, width: int, strength: float) -> np.ndarray:
    y = (np.arange(height) / height - 0.5)[:, None]
    x = (np.arange(width) / width - 0.5)[None]
    field = 255 * (1 - strength * 2.0 * (x * x + y * y))
    return cv2.merge([np.clip(field, 0, 255).astype(np.uint8)] * 3)


def develop(image: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    """What the sensor makes of the picture: (H, W, 3) uint8, a new array."""
    height, width = image.shape[:2]
    if look.blur > 0.15:
        image = cv2.GaussianBlur(image, (0, 0), look.blur * height / 360)
    steps = np.arange(256, dtype=np.float32)
    tables = [np.clip((steps - 110) * look.contrast * 1.0 + 110, 0, 255) * look.gain * t for t in look.tint]
    table = np.clip(np.stack(tables, axis=-1), 0, 255).astype(np.uint8)[None]
    image = cv2.LUT(image, table)
    if look.vignette > 0.05:
        image = cv2.multiply(image, _vignette(height, width, round(look.vignette, 1)), scale=1 / 255)
    if look.noise > 0.5:
        field = _noise_field(height, width)
        top, left = int(rng.integers(64)), int(rng.integers(64))
        grain = (
            field[top : top + height, left : left + width].astype(np.int16) * round(look.noise * 16) // 320
        )
        image = cv2.add(image, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
    return image
