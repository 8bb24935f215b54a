"""How our own vehicle moves: a path in the plane and how far along it we are at each moment."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from leo_drive.data.synthetic.geometry import Path, path_through, smoothstep

TIMES = np.arange(-1.0, 8.01, 0.1)
"""Moments, seconds, at which motions are tabulated; a clip's frames are at 0, 1, 2, 3, 4 s."""
NOW = 4.0
"""The moment of a clip's last frame, seconds."""


@dataclass(frozen=True)
class Motion:
    """Something that moves along a path.

    Attributes:
        path: the line it follows.
        s: (len(TIMES),) metres along the path at each of TIMES.
        d: (len(TIMES),) metres right of the path.
        across: it looks across the path instead of along it: -1 to the left, 1 to the right, 0 along,
            2 back along it.
    """

    path: Path
    s: np.ndarray = field(repr=False)
    d: np.ndarray = field(repr=False)
    across: int = 0

    def at(self, t: float) -> tuple[float, float, float]:
        """x, y, heading at a time."""
        s, d = float(np.interp(t, TIMES, self.s)), float(np.interp(t, TIMES, self.d))
        x, y = self.path.point(s, d)
        heading = float(np.interp(s, self.path.s, self.path.heading))
        return x, y, heading + self.across * np.pi / 2

    def speed(self, t: float) -> float:
        """Metres a second along the path (or across it)."""
        rate = np.gradient(self.s if self.across in (0, 2) else self.d, TIMES)
        return float(abs(np.interp(t, TIMES, rate)))


def distance_from_speed(speed: np.ndarray) -> np.ndarray:
    """(len(TIMES),) metres travelled, 0 at NOW, for the speeds at TIMES."""
    s = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(TIMES))])
    return s - np.interp(NOW, TIMES, s)


def speed_profile(rng: np.random.Generator, kind: str, cruise: float) -> np.ndarray:
    """(len(TIMES),) m/s of one way of driving.

    `kind`: "steady", "stopped", "braking" (comes to a stop, or nearly, about NOW), "starting".
    """
    if kind == "stopped":
        return np.zeros_like(TIMES)
    if kind == "steady":
        return np.full_like(TIMES, cruise) * (1 + rng.uniform(-0.02, 0.02) * np.sin(TIMES))
    if kind == "braking":
        stop = NOW + rng.uniform(-0.4, 1.2)
        begin = stop - cruise / rng.uniform(2.4, 3.8)
        return np.where(begin > TIMES, cruise, cruise * np.clip((stop - TIMES) / (stop - begin), 0, 1))
    begin = rng.uniform(0.2, 1.4)
    return np.clip((TIMES - begin) * rng.uniform(2.0, 3.0), 0, cruise)


def turning_path(direction: int, end_y: float, radius: float) -> Path:
    """North, then a quarter circle to the left (-1) or right (1), then straight; ends at y = end_y."""
    start_y = end_y - radius
    lead = np.arange(-120.0, start_y, 0.5)
    angle = np.arange(0.0, np.pi / 2, 0.5 / radius)
    arc = np.stack([direction * radius * (1 - np.cos(angle)), start_y + radius * np.sin(angle)], axis=1)
    out = np.arange(0.5, 100.0, 0.5)
    tail = np.stack([direction * (radius + out), np.full_like(out, end_y)], axis=1)
    return path_through(np.concatenate([np.stack([np.zeros_like(lead), lead], axis=1), arc, tail]))


def lane_change_path(road: Path, at: float, shift: float, length: float) -> Path:
    """Along a road, moving over by `shift` metres within `length` metres that end at s = at."""
    s = np.arange(-110.0, 160.0, 0.5)
    d = -shift * (1 - smoothstep((s - (at - length)) / length))
    return path_through(road.points(s, d))
